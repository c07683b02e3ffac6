"""Where the stream of a `ScriptedClient` gets its chunks from: a script, folded into a result as it is played."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, cast

from raptscallions_ai.answer.chunks import (
    ContentChunk,
    DoneChunk,
    StreamChunk,
    as_chunks,
)
from raptscallions_ai.answer.collector import StreamCollector
from raptscallions_ai.answer.result import ChatResult, Usage
from raptscallions_ai.errors import AiError

__all__ = ["Event", "ScriptedSource", "script_events", "words_in"]

Event: TypeAlias = StreamChunk | Exception
"""One thing that a stream does: yield a chunk, or raise."""


class ScriptedSource:
    """The `ChunkSource` that plays a script.

    Args:
        events: What to yield, and at most one error as the last.
        model: The model that the result names.
        prompt_tokens: The size of the conversation, for the result's usage.

    Attributes:
        closed: Whether the stream has ended: complete, failed, or left early.
    """

    def __init__(self, events: Sequence[Event], *, model: str, prompt_tokens: int) -> None:
        self._events = events
        self._position = 0
        self._prompt_tokens = prompt_tokens
        self._collector = StreamCollector()
        self._model = model
        self.closed: bool = False

    async def open(self) -> None:
        """Raise the script's error if it begins with one."""
        self._raise_if_failing()

    async def read(self) -> Sequence[StreamChunk]:
        """Return the next chunk, or nothing at the end; raises the script's error."""
        # A real stream lets other tasks run between chunks, and can be cancelled there.
        await asyncio.sleep(0)
        if self.closed:
            return ()
        self._raise_if_failing()
        event = self._next()
        self._position += 1
        self._collector.add(event)
        self.closed = self._collector.is_complete
        return (event,)

    def partial(self) -> ChatResult:
        """Return what has arrived so far."""
        so_far = self._collector.partial
        return so_far if self._collector.is_complete else replace(so_far, model=self._model)

    async def settle(self) -> Usage:
        """Return the usage of the script."""
        return self._collector.partial.usage

    async def aclose(self) -> None:
        """Stop; what has arrived stays in `partial()`."""
        self.closed = True

    def abandon(self) -> None:
        """Stop; what has arrived stays in `partial()`."""
        self.closed = True

    def _next(self) -> StreamChunk:
        if self._position < len(self._events):
            return cast("StreamChunk", self._events[self._position])
        return DoneChunk(_completed(self.partial(), self._prompt_tokens))

    def _raise_if_failing(self) -> None:
        event = self._events[self._position] if self._position < len(self._events) else None
        if not isinstance(event, Exception):
            return
        self.closed = True
        if isinstance(event, AiError):
            # The script's own object may be played again; each stream raises one of its own.
            event = copy.copy(event)
            if event.partial is None and self._position:
                event.partial = self.partial()
        raise event


def script_events(script: str | ChatResult | Exception | Sequence[str | Event]) -> list[Event]:
    """Return what a stream of this script does.

    Raises:
        TypeError: It is not a script.
        ValueError: Something follows its error or its `DoneChunk`.
    """
    if isinstance(script, ChatResult):
        return list(as_chunks(script))
    if not isinstance(cast("object", script), str | Exception | Sequence):
        raise TypeError(f"a script is a str, a ChatResult, an error or a list of these, not {type(script).__name__}")
    given = cast("Sequence[object]", [script] if isinstance(script, str | Exception) else script)
    events: list[Event] = []
    for item in given:
        if events and isinstance(events[-1], DoneChunk | Exception):
            raise ValueError("nothing can follow an error or a DoneChunk in a script")
        if not isinstance(item, str | Event):
            raise TypeError(f"a script is made of text, chunks and errors, not {type(item).__name__}")
        events.append(ContentChunk(item) if isinstance(item, str) else item)
    return events


def words_in(messages: Sequence[Mapping[str, object]]) -> int:
    """Return the number of words in a conversation's texts, which stands in for its tokens."""
    return sum(_words(message.get("content")) for message in messages)


def _completed(so_far: ChatResult, prompt: int) -> ChatResult:
    answer = _words(so_far.content) + _words(so_far.reasoning) + sum(_words(c.raw_arguments) for c in so_far.tool_calls)
    raw = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
    usage = Usage(prompt, answer, prompt + answer, reasoning_tokens=_words(so_far.reasoning), raw=raw)
    reason = "tool_calls" if so_far.tool_calls else "stop"
    return replace(so_far, usage=usage, finish_reason=reason, native_finish_reason=reason)


def _words(content: object) -> int:
    if isinstance(content, str):
        return len(content.split())
    if not isinstance(content, Sequence):
        return 0
    parts = cast("Sequence[object]", content)
    return sum(_words(cast("Mapping[str, object]", part).get("text")) for part in parts if isinstance(part, Mapping))
