"""What a chat service depends on, and what every client of this package has on top of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Unpack

    from raptscallions_ai.messages import Messages
    from raptscallions_ai.options import CallOptions
    from raptscallions_ai.parsed_stream import ParsedStream
    from raptscallions_ai.result import ChatResult, ParsedResult
    from raptscallions_ai.stream import ChatStream

__all__ = ["BaseChatClient", "ChatClient"]

T = TypeVar("T")


class ChatClient(Protocol):
    """What a chat service depends on: a client, a wrapper around one, or a test double."""

    def stream_chat(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> ChatStream:
        """Return the answer as a stream; nothing is sent before it is read."""
        ...

    async def chat(
        self, messages: Messages, *, stream: bool = True, model: str | None = None, **options: Unpack[CallOptions]
    ) -> ChatResult:
        """Return the whole answer."""
        ...

    async def aclose(self) -> None:
        """Release all connections."""
        ...


class BaseChatClient(ABC):
    """What needs nothing but `stream_chat` and `chat`, for every client and every wrapper around one.

    A class of your own becomes a full client with it: it defines `stream_chat`, `chat` and `aclose`, and has the rest.
    """

    @abstractmethod
    def stream_chat(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> ChatStream:
        """Return the answer as a stream; nothing is sent before it is read."""

    @abstractmethod
    async def chat(
        self, messages: Messages, *, stream: bool = True, model: str | None = None, **options: Unpack[CallOptions]
    ) -> ChatResult:
        """Return the whole answer."""

    @abstractmethod
    async def aclose(self) -> None:
        """Release all connections."""

    @property
    def has_provider_routing(self) -> bool:
        """Whether all gateways that a call may reach understand OpenRouter's `provider` option."""
        return False

    async def parse(
        self,
        messages: Messages,
        response_model: type[T],
        *,
        stream: bool = True,
        model: str | None = None,
        strict: bool = True,
        repair: bool = False,
        **options: Unpack[CallOptions],
    ) -> ParsedResult[T]:
        """Return the answer as an object of the given type: `(await client.parse("...", Person)).parsed`.

        The gateway gets the type's JSON schema as `response_format`, and OpenRouter is asked for endpoints that support
        it (`require_parameters`, unless `provider` says otherwise). The answer is validated by pydantic.

        Args:
            messages: One user message as a `str`, or a conversation.
            response_model: A pydantic model, a dataclass, a typed dict, a list of such, or what else pydantic knows.
            stream: Whether the gateway is asked to stream, as for `chat`.
            model: The model to ask; else the client's default.
            strict: Whether the gateway is asked to enforce the schema. What OpenAI's strict mode cannot express, such
                as a dict with any keys, needs False.
            repair: Whether a text that does not fit is sent back once, with what is wrong. Cost and attempts of the
                result are then those of both calls.
            **options: `CallOptions`, as for `stream_chat`.

        Raises:
            TypeError: No JSON schema can be made of `response_model`, or an option is wrong.
            ValueError: Strict mode cannot express the schema, or an option is wrong.
            RefusalError: The model declined to answer.
            TruncatedOutputError: The answer ended at its token limit.
            InvalidOutputError: The answer does not fit; `errors` says where, and `partial` has the text.
            AiError: The call failed.
        """
        from raptscallions_ai.structured import StructuredCall

        routing = self.has_provider_routing
        call = StructuredCall(messages, response_model, strict=strict, options=options, provider_routing=routing)
        del messages, options  # a traceback with local variables must not show the conversation
        return await call.parsed(lambda m, o: self.chat(m, stream=stream, model=model, **o), repair=repair)

    def stream_parse(
        self,
        messages: Messages,
        response_model: type[T],
        *,
        model: str | None = None,
        strict: bool = True,
        **options: Unpack[CallOptions],
    ) -> ParsedStream[T]:
        """Return the answer as an object that is yielded again and again while it grows, at last whole and validated.

        It takes what `parse` takes, but repairs nothing. What call or answer fail with is raised while reading.

        Raises:
            TypeError: No JSON schema can be made of `response_model`, or an option is wrong.
            ValueError: Strict mode cannot express the schema, or an option is wrong.
        """
        from raptscallions_ai.parsed_stream import ParsedStream
        from raptscallions_ai.structured import StructuredCall

        routing = self.has_provider_routing
        call = StructuredCall(messages, response_model, strict=strict, options=options, provider_routing=routing)
        return ParsedStream(self.stream_chat(messages, model=model, **call.options), call.output)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
