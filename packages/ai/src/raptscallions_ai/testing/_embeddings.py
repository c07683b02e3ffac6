"""The fake gateway's answers to embedding requests."""

from __future__ import annotations

import hashlib
import struct
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from raptscallions_ai.testing._catalogue import EMBEDDING_MODEL
from raptscallions_ai.testing.replies import Reply, json_reply
from raptscallions_ai.testing.wire import PROVIDER, error_body

if TYPE_CHECKING:
    from raptscallions_ai.testing.recording import RecordedRequest

__all__ = ["embeddings"]

_DIMENSIONS = 8


def embeddings(request: RecordedRequest) -> Reply:
    """Return a vector of each text that depends on nothing but the text, of length 1 and of 8 dimensions by default."""
    try:
        body: dict[str, Any] = request.json
        texts = [body["input"]] if isinstance(body["input"], str) else list(body["input"])
        vectors = [_vector(text, body.get("dimensions") or _DIMENSIONS) for text in texts]
    except (ValueError, KeyError, TypeError, AttributeError):
        return json_reply(error_body(400, "input must be a str or a list of str"), status=400)
    as_base64 = body.get("encoding_format") == "base64"
    entries = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector) if as_base64 else vector}
        for index, vector in enumerate(vectors)
    ]
    tokens = sum(max(1, len(text.split())) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, "cost": round(tokens * 2e-8, 12)}
    model = body.get("model", EMBEDDING_MODEL)
    return json_reply({"object": "list", "data": entries, "model": model, "provider": PROVIDER, "usage": usage})


def _vector(text: str, dimensions: int) -> list[float]:
    digest = hashlib.shake_128(text.encode()).digest(2 * dimensions)
    numbers = [number / 32768 for number in struct.unpack(f"<{dimensions}h", digest)]
    length = sum(number * number for number in numbers) ** 0.5 or 1.0
    return [number / length for number in numbers]


def _encoded(vector: list[float]) -> str:
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
