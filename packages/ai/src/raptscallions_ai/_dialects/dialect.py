"""What a dialect is: the translation between this library's own shapes and those of one kind of API.

A request comes as a `ChatRequest`, whose body is in the shape of OpenRouter's chat completions; an answer goes into a
`Fold` as `WireChunk`s. A dialect does no I/O, knows no clock and no key, and decides neither when an answer is complete
nor when a call is tried again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from raptscallions_ai._dialects.failures import Failure
    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai._dialects.request import ChatRequest
    from raptscallions_ai._dialects.sse import Event
    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult

__all__ = ["NO_FACTS", "Dialect", "Encoded", "Framing", "ModelFacts", "Reader"]

Framing = Literal["sse", "lines"]
"""How a streamed answer is cut into events: server-sent events, or one JSON document a line."""


@dataclass(slots=True, eq=False)  # frozen would cost as much again as all the rest of sending it
class Encoded:
    """What is sent; its repr shows where only.

    Attributes:
        path: The path below the gateway's base URL.
        body: The JSON body.
        headers: Further headers.
        query: Further query parameters.
        method: The HTTP method; only engines without the SDK may have another than POST.
    """

    path: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, object] = field(repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of a model.

    Attributes:
        context_length: How many tokens it takes; None if unknown, as for the others.
        max_tokens: The most tokens of an answer.
        adaptive_thinking: Whether an effort sets how much it thinks, rather than a token budget.
        structured_outputs: Whether it holds to a JSON schema.
    """

    context_length: int | None = None
    max_tokens: int | None = None
    adaptive_thinking: bool | None = None
    structured_outputs: bool | None = None


NO_FACTS = ModelFacts()
"""What is known of a model of which nothing is."""


class Reader(Protocol):
    """Reads the events of one answer into a fold."""

    @property
    def keep_alives(self) -> int:
        """How many events were only keep-alives; comments are counted elsewhere."""
        ...

    def read(self, events: Sequence[bytes | Event], out: list[StreamChunk], *, at_end: bool = False) -> bool:
        """Take in events and append the chunks that they bring to `out`.

        Args:
            events: The events in their order: the data, with the name where there is one.
            out: Gets the chunks.
            at_end: Whether the body ended inside the last event.

        Returns:
            Whether nothing after these events counts: the end mark was among them, or a failure.
        """
        ...

    def document(self, body: bytes, out: list[StreamChunk]) -> None:
        """Take in a whole answer that came as one JSON document.

        Raises:
            MalformedJSONError: It is not the JSON of an answer, nor of an error.
        """
        ...


class Dialect(Protocol):
    """One kind of API."""

    @property
    def name(self) -> str:
        """Its name, as in `openai`."""
        ...

    @property
    def framing(self) -> Framing:
        """How its streams are cut into events."""
        ...

    @property
    def id_headers(self) -> tuple[str, ...]:
        """The headers of an answer, in lower case, that tell its id before any event does."""
        ...

    def encode(self, request: ChatRequest, facts: ModelFacts) -> Encoded:
        """Return what to send.

        Raises:
            NotSupportedError: The API has no counterpart for something that the request asks for.
        """
        ...

    def reader(self, fold: Fold) -> Reader:
        """Return what reads one answer into a fold."""
        ...

    def failure(self, body: object, status: int, headers: Mapping[str, str]) -> Failure:
        """Read the response to a request that failed.

        Args:
            body: The parsed JSON, or the text where it is none.
            status: The HTTP status.
            headers: The headers, with names in lower case.
        """
        ...

    def learn(self, request: ChatRequest, message: str) -> str | None:
        """Take in why a request was refused, with a status of 400 or 422.

        Args:
            request: What was refused.
            message: The gateway's words.

        Returns:
            Another spelling of the same request, which `encode` uses from now on, by its name for a log; or None if
            there is none that would help, or it was tried.
        """
        ...

    def continuing(self, request: ChatRequest, answer: ChatResult, *, known: bool | None) -> ChatRequest | None:
        """Return the request that lets the model go on with an answer that broke off, or None if it cannot.

        Args:
            request: The request that was answered.
            answer: What had arrived.
            known: Whether the caller says that the model can; None to go by what is known of it.
        """
        ...
