"""`WrappedClient`: the base class of all wrappers, a chat client around another one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from raptscallions_ai.answer.stream import ChatStream
from raptscallions_ai.client.base import BaseChatClient
from raptscallions_ai.options.checks import merged_options
from raptscallions_ai.options.timeouts import Timeouts
from raptscallions_ai.wrappers.call import ChatCall
from raptscallions_ai.wrappers.source import StreamSource

if TYPE_CHECKING:
    from typing import Unpack

    from raptscallions_ai.answer.stream import ChunkSource
    from raptscallions_ai.client.base import ChatClient
    from raptscallions_ai.messages.message import Messages
    from raptscallions_ai.options.call_options import CallOptions

__all__ = ["WrappedClient"]


class WrappedClient(BaseChatClient):
    """A chat client that passes every call on to another one.

    To write your own wrapper, override `source`: every call gets its chunks there, whichever method was
    used. Usually it returns an `AroundSource` around `self.ask(call)`. Closing a wrapper closes the wrapped client.

    Args:
        inner: The client to wrap, or another wrapper.

    Attributes:
        inner: The same.
    """

    def __init__(self, inner: ChatClient) -> None:
        _check_client(type(self).__name__, inner)
        self.inner = inner

    def resolve_model(self, model: str | None = None) -> str | None:
        """Return the model that the wrapped client would ask; None if it is not known."""
        return self.inner.resolve_model(model) if isinstance(self.inner, BaseChatClient) else model

    @property
    def base_url(self) -> str | None:
        """The base URL of the wrapped client's gateway; None if it has none."""
        return self.inner.base_url if isinstance(self.inner, BaseChatClient) else None

    @property
    def provider_name(self) -> str | None:
        """Who is asked, in the words of OpenTelemetry's conventions; None if the wrapped client cannot tell."""
        return self.inner.provider_name if isinstance(self.inner, BaseChatClient) else None

    @property
    def default_options(self) -> CallOptions:
        """The options of every call of the wrapped client."""
        return self.inner.default_options if isinstance(self.inner, BaseChatClient) else {}

    @property
    def timeouts(self) -> Timeouts | None:
        """The default deadlines; None if the wrapped client does not know them."""
        return self.inner.timeouts if isinstance(self.inner, BaseChatClient) else None

    @property
    def key_fingerprint(self) -> str | None:
        """A fingerprint that differs for other keys but does not reveal the key; None without a key."""
        return self.inner.key_fingerprint if isinstance(self.inner, BaseChatClient) else None

    @property
    def has_provider_routing(self) -> bool:
        """Whether all gateways that a call may reach understand OpenRouter's `provider` option."""
        return isinstance(self.inner, BaseChatClient) and self.inner.has_provider_routing

    def stream_chat(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> ChatStream:
        """Return the answer as a stream; nothing is sent before it is read.

        Args:
            messages: One user message as a `str`, or a conversation.
            model: The model to ask; else the client's default.
            **options: `CallOptions`.

        Raises:
            TypeError: An option is unknown or a message of a wrong type.
            ValueError: A message, a header or a limit is invalid.
            AiError: The call failed; raised while reading, with what had arrived in `partial`.
        """
        return ChatStream(self.source(ChatCall(messages, model, merged_options(self.default_options, options))))

    async def aclose(self) -> None:
        """Close the wrapped client."""
        await self.inner.aclose()

    def source(self, call: ChatCall) -> ChunkSource:
        """Return the source of a call's chunks; override it in your own wrapper.

        `stream_chat` calls it, and so does every method that uses `stream_chat`. The caller gets what it raises at
        once.
        """
        return self.ask(call)

    def ask(self, call: ChatCall) -> ChunkSource:
        """Return the wrapped client's answer to a call, for use in `source`.

        Nothing is sent before it is read.
        """
        return StreamSource(self.inner.stream_chat(call.messages, model=call.model, **call.options))

    def total_of(self, call: ChatCall) -> float | None:
        """Return the seconds that a call may take as a whole; None for no limit."""
        timeouts = self._timeouts_of(call)
        return None if timeouts is None else timeouts.total

    def ask_within(self, call: ChatCall, seconds: float | None) -> ChunkSource:
        """Return the wrapped client's answer to a call that has this many seconds left of its `total`."""
        timeouts = self._timeouts_of(call)
        if timeouts is None or seconds is None:
            return self.ask(call)
        return self.ask(replace(call, options={**call.options, "timeout": replace(timeouts, total=seconds)}))

    def _timeouts_of(self, call: ChatCall) -> Timeouts | None:
        given = call.options.get("timeout")
        return self.timeouts if given is None else Timeouts.of(given)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.inner!r})"


def _check_client(wrapper: str, inner: object) -> None:
    if callable(getattr(inner, "stream_chat", None)):
        if callable(getattr(inner, "aclose", None)):
            return
        hint = f"wrap the asynchronous client, and give {wrapper} to SyncChatClient"
    else:
        hint = "the client is the first argument"
    raise TypeError(f"{wrapper} wraps a chat client, not {type(inner).__name__}; {hint}")
