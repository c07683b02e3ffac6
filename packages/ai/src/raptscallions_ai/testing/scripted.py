"""`ScriptedClient`: a chat client without any network, for tests of code that is given one."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from raptscallions_ai.answer.result import ChatResult
from raptscallions_ai.answer.stream import ChatStream
from raptscallions_ai.client.base import BaseChatClient
from raptscallions_ai.errors import AiError
from raptscallions_ai.messages.message import to_wire
from raptscallions_ai.options.call_options import CallOptions
from raptscallions_ai.options.checks import checked_fields
from raptscallions_ai.testing._scripted_source import ScriptedSource, script_events, words_in

if TYPE_CHECKING:
    from typing import Unpack

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.messages.message import Messages

__all__ = ["ChatScript", "ScriptedCall", "ScriptedClient"]

ChatScript: TypeAlias = "str | ChatResult | Exception | Sequence[str | StreamChunk | Exception]"
"""What one call does: a text, a whole result, an error, or a sequence of text deltas, chunks and an error."""


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """One call that a `ScriptedClient` received.

    Attributes:
        messages: The conversation in the OpenAI wire format.
        options: The options that were given, by name; those left at None are not in it.
        source: Where its stream gets the chunks from.
    """

    messages: list[Mapping[str, object]]
    options: dict[str, Any]
    source: ScriptedSource

    @property
    def closed(self) -> bool:
        """Whether the call's stream has ended: complete, failed, or left early."""
        return self.source.closed

    @property
    def partial(self) -> ChatResult:
        """What the call's stream has yielded so far; the whole answer once it is complete."""
        return self.source.partial()

    def __repr__(self) -> str:
        return f"ScriptedCall({len(self.messages)} messages, options: {', '.join(self.options) or 'none'})"


class ScriptedClient(BaseChatClient):
    """A `ChatClient` with scripted answers, one script per call.

    A script is a text, or a sequence of text deltas; a `ChatResult`; a sequence of stream chunks; or an error.
    An error at the end of a sequence is raised after what comes before it, and an `AiError` then carries
    that as its `partial`. A sequence needs no `DoneChunk`: the one that fits is made, with a usage that
    counts words and says so by `cost_source="unknown"`. The streams are real `ChatStream`s.

    Args:
        scripts: One for each call, in order.
        model: The model that answers name if the call names none.
        repeat: Whether the last script is used forevery further call, too.

    Attributes:
        calls: The calls so far.
        closed: Whether `aclose` was called.
    """

    def __init__(self, *scripts: ChatScript, model: str = "scripted/model", repeat: bool = False) -> None:
        self._scripts = [script_events(script) for script in scripts]
        self._model = model
        self._repeat = repeat
        self.calls: list[ScriptedCall] = []
        self.closed: bool = False

    def resolve_model(self, model: str | None = None) -> str:
        """Return the model that the answer to a call names, if its script does not."""
        return model or self._model

    def stream_chat(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> ChatStream:
        """Return the stream of the next script.

        Args:
            messages: The conversation; recorded in `calls`.
            model: The model that the answer names.
            **options: `CallOptions`; recorded in `calls`, nothing else.

        Raises:
            AssertionError: There is no script left.
            AiError: The client is closed.
            TypeError: An option is unknown, or an option or a message has a wrong type.
            ValueError: An option is out of range, or a message has no role.
        """
        if self.closed:
            raise AiError("This client is closed; build a new one")
        checked_fields(options)
        given = {name: value for name, value in {"model": model, **options}.items() if value is not None}
        # Copied: the caller usually goes on appending to the same conversation.
        conversation = copy.deepcopy(to_wire(messages))
        position = len(self.calls)
        if position >= len(self._scripts) and not (self._repeat and self._scripts):
            raise AssertionError(f"call {position + 1} has no script: only {len(self._scripts)} were given")
        events = self._scripts[min(position, len(self._scripts) - 1)]
        source = ScriptedSource(events, model=model or self._model, prompt_tokens=words_in(conversation))
        # The call keeps no stream, so that an unreferenced one is closed like a real one.
        self.calls.append(ScriptedCall(conversation, given, source))
        return ChatStream(source)

    async def aclose(self) -> None:
        """Close the client; further calls are refused."""
        self.closed = True

    def __repr__(self) -> str:
        return f"ScriptedClient({len(self.calls)} of {len(self._scripts)} scripts used)"
