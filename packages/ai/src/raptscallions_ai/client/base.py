"""The protocol that a chat service depends on, and the base class of all clients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from raptscallions_ai.options.checks import merged_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from types import TracebackType
    from typing import Unpack

    from raptscallions_ai.answer.result import ChatResult, ParsedResult
    from raptscallions_ai.answer.stream import ChatStream
    from raptscallions_ai.messages.message import Messages
    from raptscallions_ai.options.call_options import CallOptions
    from raptscallions_ai.options.timeouts import Timeouts
    from raptscallions_ai.structured.parsed_stream import ParsedStream
    from raptscallions_ai.tool_runs.execution import Approve
    from raptscallions_ai.tool_runs.run import StopCondition, ToolRun

__all__ = ["BaseChatClient", "ChatClient"]

T = TypeVar("T")


class ChatClient(Protocol):
    """The protocol that a chat service depends on: a client, a wrapper or a test double."""

    def stream_chat(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> ChatStream:
        """Return the answer as a stream; nothing is sent before it is read."""
        ...

    async def chat(self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]) -> ChatResult:
        """Return the whole answer."""
        ...

    async def aclose(self) -> None:
        """Release all connections."""
        ...


class BaseChatClient(ABC):
    """The methods that every client and wrapper shares; all of them use `stream_chat`.

    Subclass it to write a client of your own: define `stream_chat` and `aclose`, and inherit the rest.
    """

    def resolve_model(self, model: str | None = None) -> str | None:
        """Return the model of a call: the given one with aliases resolved, or the default.

        None if none is given and the client does not know its default.
        """
        return model

    @property
    def base_url(self) -> str | None:
        """The base URL of the gateway; None if the client has none."""
        return None

    @property
    def provider_name(self) -> str | None:
        """Who is asked, in the words of OpenTelemetry's conventions; None if the client cannot tell."""
        return None

    @property
    def default_options(self) -> CallOptions:
        """The options of every call; empty by default."""
        return {}

    @property
    def timeouts(self) -> Timeouts | None:
        """The default deadlines; None if the client does not know them."""
        return None

    @property
    def key_fingerprint(self) -> str | None:
        """A fingerprint that differs for other keys but does not reveal the key; None without a key."""
        return None

    @abstractmethod
    def stream_chat(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> ChatStream:
        """Return the answer as a stream; nothing is sent before it is read."""

    async def chat(self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]) -> ChatResult:
        """Return the whole answer: the same as `stream_chat` read to its end.

        Args:
            messages: One user message as a `str`, or a conversation.
            model: The model to ask, or an alias of one; else the client's default.
            **options: `CallOptions`, as for `stream_chat`.

        Raises:
            TypeError: An option is unknown, or an option or a message has a wrong type.
            ValueError: An option is out of range, or a message or a header is invalid.
            AiError: The call failed, with what had arrived in `partial`.
        """
        answer = self.stream_chat(messages, model=model, **options)
        del messages, options  # a traceback with local variables must not show the conversation
        return await answer.result()

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
            response_model: A pydantic model, a dataclass, a typed dict, a list of these, or any type pydantic supports.
            model: The model to ask; else the client's default.
            strict: Whether the gateway is asked to enforce the schema. What OpenAI's strict mode cannot express, such
                as a dict with any keys, needs False.
            repair: Whether a text that does not fit is sent back once, with what is wrong. Cost and attempts of the
                result are then those of both calls.
            **options: `CallOptions`, as for `stream_chat`.

        Raises:
            TypeError: No JSON schema can be made from `response_model`, or an option is wrong.
            ValueError: Strict mode cannot express the schema, or an option is wrong.
            RefusalError: The model declined to answer.
            TruncatedOutputError: The answer ended at its token limit.
            InvalidOutputError: The answer does not fit; `errors` says where, and `partial` has the text.
            AiError: The call failed.
        """
        from raptscallions_ai.structured.call import StructuredCall

        routing, options = self.has_provider_routing, merged_options(self.default_options, options)
        call = StructuredCall(messages, response_model, strict=strict, options=options, provider_routing=routing)
        del messages, options  # a traceback with local variables must not show the conversation
        return await call.parsed(lambda m, o: self.chat(m, model=model, **o), repair=repair)

    def stream_parse(
        self,
        messages: Messages,
        response_model: type[T],
        *,
        model: str | None = None,
        strict: bool = True,
        **options: Unpack[CallOptions],
    ) -> ParsedStream[T]:
        """Return the answer as an object that is yielded repeatedly while it grows, and finally whole and validated.

        It takes the arguments of `parse`, except `repair`. Failures are raised while reading.

        Raises:
            TypeError: No JSON schema can be made from `response_model`, or an option is wrong.
            ValueError: Strict mode cannot express the schema, or an option is wrong.
        """
        from raptscallions_ai.structured.call import StructuredCall
        from raptscallions_ai.structured.parsed_stream import ParsedStream

        routing, options = self.has_provider_routing, merged_options(self.default_options, options)
        call = StructuredCall(messages, response_model, strict=strict, options=options, provider_routing=routing)
        return ParsedStream(self.stream_chat(messages, model=model, **call.options), call.output)

    def run_tools(
        self,
        messages: Messages,
        *,
        model: str | None = None,
        max_steps: int = 10,
        stop_when: StopCondition | Sequence[StopCondition] = (),
        approve: Approve | None = None,
        tool_timeout: float | None = None,
        **options: Unpack[CallOptions],
    ) -> ToolRun:
        """Let the model call tools until it has its answer, and return the run as a stream of events.

        Each step is one answer of the model, and the tools that it asks for; parallel calls run side by side, unless
        `parallel_tool_calls=False`. A failed call (an exception, arguments that do not fit, a tool that
        does not exist, a time limit, a refusal) is reported to the model, which can try again. Nothing is sent before
        the run is iterated, entered or its result is awaited.

        Args:
            messages: One user message as a `str`, or a conversation.
            model: The model to ask; else the client's default.
            max_steps: The most answers to ask for, at least 1; after the tools of the last one, the run stops.
            stop_when: Conditions to stop after a step, such as `max_cost(0.5)`; or functions of the run that return
                True, or a reason as a `str`; async or not.
            approve: Called before each call runs, one call after another, with the `ToolCall`. It returns True,
                or False, or the reason as a `str` for the model; async or not. It is not called for tools with
                `needs_approval=False`.
            tool_timeout: Seconds for a tool without a timeout of its own.
            **options: `CallOptions` of each step, as for `stream_chat`, and `tools` in any case. A `tool_choice` that
                forces a call is for the first step only.

        Raises:
            TypeError: There are no tools, one cannot be run, or an option is unknown; raised at once, as is the next.
            ValueError: A limit or a message is invalid, or two tools have the same name.
            AiError: The gateway failed; raised while reading. The run keeps `messages`, `steps` and `usage`.
        """
        from raptscallions_ai.tool_runs.run import start_run

        return start_run(
            self.stream_chat,
            messages,
            model=model,
            max_steps=max_steps,
            stop_when=stop_when,
            approve=approve,
            tool_timeout=tool_timeout,
            options=merged_options(self.default_options, options),
        )

    def chat_stream(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> AsyncIterator[str]:
        """Return the text of the answer as it arrives; the same as `stream_chat(...).text_stream`.

        Args:
            messages: One user message as a `str`, or a conversation.
            model: The model to ask; else the client's default.
            **options: `CallOptions`, as for `stream_chat`.
        """
        return self.stream_chat(messages, model=model, **options).text_stream

    async def run(self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]) -> ChatResult:
        """The same as `chat`, under the name that agent libraries use."""
        return await self.chat(messages, model=model, **options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
