"""What a chat service depends on, and what every client of this package has on top of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Unpack

    from raptscallions_ai.messages import Messages
    from raptscallions_ai.options import CallOptions
    from raptscallions_ai.result import ChatResult
    from raptscallions_ai.stream import ChatStream
    from raptscallions_ai.tool_execution import Approve
    from raptscallions_ai.tool_loop import StopCondition, ToolRun

__all__ = ["BaseChatClient", "ChatClient"]


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
        `parallel_tool_calls=False`. What goes wrong with a call (an exception, arguments that do not fit, a tool that
        does not exist, a time limit, a refusal) is told to the model, which may do better. Nothing is sent before the
        run is iterated, entered or asked for its result.

        Args:
            messages: One user message as a `str`, or a conversation.
            model: The model to ask; else the client's default.
            max_steps: The most answers to ask for, at least 1; with the last one's tools run, the run stops.
            stop_when: Conditions to stop after a step, such as `max_cost(0.5)`; or functions of the run that return
                True, or a reason as a `str`; async or not.
            approve: Asked before a call is run, one call after another: a function of the `ToolCall` that returns True,
                or False, or why not as a text for the model; async or not. It is asked for all tools but those with
                `needs_approval=False`.
            tool_timeout: Seconds for a tool without a timeout of its own.
            **options: `CallOptions` of each step, as for `stream_chat`, and `tools` in any case. A `tool_choice` that
                forces a call is for the first step only.

        Raises:
            TypeError: There are no tools, one cannot be run, or an option is unknown; raised at once, as is the next.
            ValueError: A limit or a message is invalid, or two tools have the same name.
            AiError: The gateway failed; raised while reading. The run keeps `messages`, `steps` and `usage`.
        """
        from raptscallions_ai.tool_loop import start_run

        return start_run(
            self.stream_chat,
            messages,
            model=model,
            max_steps=max_steps,
            stop_when=stop_when,
            approve=approve,
            tool_timeout=tool_timeout,
            options=options,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
