"""What tests in several folders share besides fixtures: the types of the fixtures, and short words for common steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, cast

from raptscallions_ai import AiError, ChatClient, ChatResult, OpenRouterClient, StreamChunk
from raptscallions_ai.testing import Cut, FakeGateway, Reply, chunk, sse
from raptscallions_ai.wrappers import WrappedClient

__all__ = [
    "FIXTURES",
    "GOOD",
    "ClientFactory",
    "Drive",
    "Outcome",
    "Recorded",
    "Wrap",
    "client_of",
    "cut_off",
    "gone",
    "models_asked",
    "sent_messages",
]

FIXTURES = Path(__file__).parents[1] / "fixtures"
"""Recorded responses of real servers, and media."""

ClientFactory: TypeAlias = Callable[..., OpenRouterClient]
"""The fixture `new_client`: takes the arguments of `OpenRouterClient`."""

Outcome: TypeAlias = tuple[list[StreamChunk], ChatResult | None, AiError | None]
"""Chunks, result and failure of a body."""

Drive: TypeAlias = Callable[..., Outcome]
"""The fixture `drive`: feeds a body the way a call does."""

Recorded: TypeAlias = Callable[[str], tuple[int, dict[str, str], bytes, int]]
"""The fixture `recorded`: status, headers, body and curl's exit code of a recorded response."""

Wrap: TypeAlias = Callable[[ChatClient], WrappedClient]
"""Puts a wrapper around a client."""

GOOD = "Good answer."
"""What the fixture `second_gateway` answers."""


def client_of(gateway: FakeGateway, key: str = "k", **options: object) -> OpenRouterClient:
    """Return a client with a key of its own, which the test has to close."""
    arguments: dict[str, object] = {"default_model": gateway.model, "max_retries": 0, **options}
    return OpenRouterClient(key, gateway.base_url, **arguments)  # pyright: ignore[reportArgumentType] - keywords of one call


def cut_off(*texts: str, end: bytes = b"", **fields: Any) -> Reply:
    """Return an answer that breaks off after these texts."""
    return Reply((b"".join(sse(chunk(text, **fields)) for text in texts), end, Cut()))


async def gone(gateway: FakeGateway) -> bool:
    """Return whether the client hung up on its last request."""
    return await gateway.requests[-1].closed() and gateway.requests[-1].disconnected


def sent_messages(gateway: FakeGateway, number: int) -> list[dict[str, Any]]:
    """Return the messages of a request."""
    return cast("dict[str, Any]", gateway.requests[number].json)["messages"]


def models_asked(gateway: FakeGateway) -> list[str]:
    """Return the models that were asked, in order."""
    return [cast("dict[str, Any]", request.json)["model"] for request in gateway.requests if request.body]
