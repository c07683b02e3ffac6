"""What a chat service depends on, and what every client of this package has on top of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Unpack

    from raptscallions_ai.messages import Messages
    from raptscallions_ai.options import CallOptions
    from raptscallions_ai.result import ChatResult
    from raptscallions_ai.stream import ChatStream

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

    @property
    def default_model(self) -> str | None:
        """The model of calls that name none; None if the client cannot tell."""
        return None

    @property
    def base_url(self) -> str | None:
        """The base URL of the gateway; None if the client has none."""
        return None

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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
