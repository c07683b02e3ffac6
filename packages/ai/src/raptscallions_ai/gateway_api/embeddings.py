"""Texts as vectors."""

from __future__ import annotations

import math
import sys
from array import array
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

import msgspec

from raptscallions_ai._dialects.request import checked_headers, checked_query, written
from raptscallions_ai._dialects.usage import UsageMeter
from raptscallions_ai._guards.log import Log
from raptscallions_ai.answer.result import Usage
from raptscallions_ai.errors import InvalidResponseError
from raptscallions_ai.options.checks import CHECKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai._call.document import JsonApi
    from raptscallions_ai.options.timeouts import Timeouts
    from raptscallions_ai.options.types import ProviderPreferences

__all__ = [
    "EmbedOptions",
    "EmbeddingResult",
    "build_embedding_request",
    "checked_vectors",
    "fetch_embeddings",
]

_log = Log()


class EmbedOptions(TypedDict, total=False):
    """Keyword arguments of `embed`; None is the same as leaving an option out."""

    dimensions: int | None
    """How long each vector is to be, at least 1, for models that can shorten theirs; what comes is checked."""
    encoding_format: Literal["float", "base64"] | None
    """How numbers travel; `base64` is a third of the size, where the gateway knows it. The result is the same."""
    input_type: str | None
    """What the texts are for, such as `search_query` or `search_document`, for models that make a difference."""
    provider: ProviderPreferences | Mapping[str, Any] | None
    """OpenRouter: provider routing, as for chat."""
    user: str | None
    """A stable id of the end user, without personal data."""
    timeout: float | Timeouts | None
    """Seconds for the whole call with its retries, or `Timeouts`, of which `first_chunk` and `total` count."""
    max_retries: int | None
    """Further attempts, 0 to 5; else the client's."""
    extra_headers: Mapping[str, str] | None
    """Further headers of the request."""
    extra_query: Mapping[str, object] | None
    """Further query parameters of the request."""
    extra_body: Mapping[str, object] | None
    """Further fields of the request's body; they win over the other options."""


_IN_BODY = ("dimensions", "encoding_format", "input_type", "provider", "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingResult:
    """The vectors of some texts.

    Attributes:
        vectors: One for each text, in the order of the texts, all of the same length.
        model: The model that made them, in the gateway's words.
        usage: Tokens and cost; `usage.reported` is whether the gateway reported any.
        provider: The provider that served the call, where the gateway names it.
        id: The gateway's id of the call, where it gives one.
    """

    vectors: list[list[float]] = field(repr=False)
    model: str
    usage: Usage = field(default_factory=Usage)
    provider: str | None = None
    id: str | None = None

    @property
    def dimensions(self) -> int:
        """How long each vector is."""
        return len(self.vectors[0])


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """One request for vectors, ready to send; its repr shows sizes only.

    Attributes:
        texts: What to turn into vectors.
        model: The model asked for.
        dimensions: The requested length of each vector, if any.
        body: The JSON body.
        headers: Further headers.
        query: Further query parameters.
    """

    texts: Sequence[str] = field(repr=False)
    model: str
    dimensions: int | None
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, object] = field(repr=False)

    @property
    def quotable(self) -> Sequence[str]:
        """What must not appear in any message."""
        return self.texts


class _WireEmbedding(msgspec.Struct, gc=False):
    embedding: list[float] | str
    index: int | None = None


class _WireEmbeddings(msgspec.Struct, gc=False):
    data: list[_WireEmbedding]
    model: str | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    provider: str | None = None
    id: str | None = None


def build_embedding_request(texts: str | Sequence[str], *, model: str, options: EmbedOptions) -> EmbeddingRequest:
    """Check the options and build the request.

    Raises:
        TypeError: An option is unknown, or a text is not a `str`.
        ValueError: There is no text, or an option is out of its range.
    """
    if unknown := sorted(options.keys() - EmbedOptions.__annotations__.keys()):
        raise TypeError(f"unknown option {unknown[0]!r}; pass fields that have no name here in extra_body={{...}}")
    listed = [texts] if isinstance(texts, str) else _checked_texts(texts)
    dimensions, encoding = options.get("dimensions"), options.get("encoding_format")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise ValueError("dimensions must be a whole number from 1")
    if encoding not in (None, "float", "base64"):
        raise ValueError("encoding_format must be 'float' or 'base64'")
    for name in ("provider", "user"):
        if (value := options.get(name)) is not None:
            CHECKS[name](name, value)
    body: dict[str, object] = {"model": model, "input": listed}
    body |= {name: value for name in _IN_BODY if (value := options.get(name)) is not None}
    body |= options.get("extra_body") or {}
    return EmbeddingRequest(
        texts=listed,
        model=str(body["model"]),
        dimensions=dimensions,
        body=written(body),
        headers=checked_headers(options.get("extra_headers") or {}),
        query=checked_query(options.get("extra_query") or {}),
    )


async def fetch_embeddings(api: JsonApi, request: EmbeddingRequest, *, max_bytes: int) -> EmbeddingResult:
    """Return the vectors of the texts, once it is sure that there is one for each.

    Raises:
        NotSupportedError: The gateway does not embed.
        InvalidResponseError: A vector is missing, garbled, or has another length than requested.
        AiError: The call failed.
    """
    _log.info("embedding started: model=%s texts=%d", request.model, len(request.texts))
    document = await api.post("/embeddings", request, max_bytes=max_bytes)
    return _read(document, request)


def _checked_texts(texts: Sequence[str]) -> list[str]:
    given = cast("object", texts)
    if not isinstance(given, Sequence) or isinstance(given, bytes | bytearray):
        raise TypeError(f"texts must be a str or a sequence of them, not {type(given).__name__}")
    for position, each in enumerate(cast("Sequence[object]", given)):
        if not isinstance(each, str):
            raise TypeError(f"texts[{position}] must be a str, not {type(each).__name__}")
    if not texts:
        raise ValueError("texts must not be empty")
    return list(texts)


def _read(document: bytes, request: EmbeddingRequest) -> EmbeddingResult:
    try:
        answer = msgspec.json.decode(document, type=_WireEmbeddings)
        vectors = [_vector(entry.embedding) for entry in _in_order(answer.data, len(request.texts))]
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        vectors, answer = [], _WireEmbeddings([])
    meter = UsageMeter()
    meter.feed(answer.usage)
    return EmbeddingResult(
        vectors=checked_vectors(vectors, request),
        model=answer.model or request.model,
        usage=meter.result(),
        provider=answer.provider,
        id=answer.id,
    )


def checked_vectors(vectors: list[list[float]], request: EmbeddingRequest) -> list[list[float]]:
    """Return vectors, checked to be one for each text and all of one length.

    Raises:
        InvalidResponseError: They are not, or have another length than requested.
    """
    lengths = {len(vector) for vector in vectors}
    if len(vectors) != len(request.texts):
        raise InvalidResponseError(f"it does not have one vector for each of {len(request.texts)} texts")
    if len(lengths) != 1 or 0 in lengths or not all(math.isfinite(sum(vector)) for vector in vectors):
        raise InvalidResponseError("its vectors differ in length or contain values that are not numbers")
    if request.dimensions not in (None, *lengths):
        raise InvalidResponseError(f"its vectors have {lengths.pop()} dimensions, not {request.dimensions}")
    return vectors


def _in_order(entries: list[_WireEmbedding], wanted: int) -> list[_WireEmbedding]:
    """Return the entries in the order of the texts; without indices they are taken to be in it."""
    if all(entry.index is None for entry in entries):
        return entries
    by_index = {entry.index: entry for entry in entries}
    return [by_index[index] for index in range(wanted) if index in by_index] if len(entries) == wanted else []


def _vector(received: list[float] | str) -> list[float]:
    if not isinstance(received, str):
        return received
    numbers = array("f", b64decode(received, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
