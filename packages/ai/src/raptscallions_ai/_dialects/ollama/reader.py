"""Ollama's lines, and its whole answers, into a fold.

Source: Ollama API reference, "Generate a chat completion", and the server's `routes.go`. Fields that are unknown are
passed over; those that are zero are left out there.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from raptscallions_ai._dialects.chunk import (
    WireChoice,
    WireChunk,
    WireDelta,
    WireFunction,
    WireLogprobs,
    WireTimings,
    WireToolCall,
    lenient,
)
from raptscallions_ai._dialects.failure import is_bare_error, read_failure
from raptscallions_ai._dialects.json import (
    MalformedJSONError,
    json_list,
    json_object,
    parse_json,
    parse_object,
    refuse_deep_nesting,
)
from raptscallions_ai.errors import InvalidResponseError, StreamInterruptedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai._dialects.sse import Event
    from raptscallions_ai.answer.chunks import StreamChunk

__all__ = ["OllamaReader"]

_ANOTHER_API = "it is a chat completion, which is an answer of another API than Ollama's"
_COUNTS = ("prompt_eval_count", "prompt_eval_cached_count", "eval_count")
_TIMES = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
_FINISH = {"load": "stop", "unload": "stop"}
_encode = msgspec.json.Encoder().encode


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: dict[str, Any] | str | None = None


class _Call(msgspec.Struct, gc=False):
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Line(msgspec.Struct, gc=False):
    model: str | None = None
    created_at: str | None = None
    message: _Message | None = None
    done: bool = False
    done_reason: str | None = None
    error: Any = None
    logprobs: list[dict[str, Any]] | None = None
    prompt_eval_count: int | None = None
    prompt_eval_cached_count: int | None = None
    eval_count: int | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_duration: int | None = None
    eval_duration: int | None = None
    choices: Any = None  # of a chat completion, which is no answer of this API


_NOTHING = _Line()
_decode = msgspec.json.Decoder(_Line).decode


class OllamaReader:
    """Read the lines of one answer.

    Args:
        fold: Takes what they add up to.
    """

    keep_alives: int = 0

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._started = False
        self._calls = 0

    def read(self, events: Sequence[bytes | Event], out: list[StreamChunk], *, at_end: bool = False) -> bool:
        """Take in lines and append the chunks that they bring; return whether nothing after them counts."""
        fold = self._fold
        for event in events:
            data = event if isinstance(event, bytes) else event.data
            try:
                line = _decode(data)
                # Nearly all lines bring a piece of text and nothing else; their way is much shorter.
                if self._started and (text := _only_text(line)):
                    fold.add_text(text, out)
                    continue
                refuse_deep_nesting(data)
            except (msgspec.MsgspecError, UnicodeError, RecursionError, MalformedJSONError):
                if (read := self._read_leniently(data, at_end=at_end)) is None:
                    return True
                line = read
            if self._read_answer(line, data, out):
                return True
        return False

    def document(self, body: bytes, out: list[StreamChunk]) -> None:
        """Take in a whole answer that came as one JSON document.

        Raises:
            MalformedJSONError: It is not the JSON of an answer, nor of an error.
        """
        if (listed := json_list(parse_json(body))) and read_failure(listed).body:
            self._fold.report(listed)
            return
        self._read_answer(lenient(parse_object(body), _Line), body, out)

    def _read_leniently(self, data: bytes, *, at_end: bool) -> _Line | None:
        """Return a line some of whose fields have an unexpected type; None for what is no line."""
        try:
            return lenient(parse_object(data), _Line)
        except MalformedJSONError as error:
            if at_end and data.lstrip().startswith(
                b"{"
            ):  # the last line lacks its end, so it was cut rather than garbled
                self._fold.fail(StreamInterruptedError("the stream ended inside a line", retryable=True))
            else:
                self._fold.fail(InvalidResponseError(f"a line is not valid JSON: {error}", retryable=True))
        return None

    def _read_answer(self, line: _Line, data: bytes, out: list[StreamChunk]) -> bool:
        """Take in one line; return whether it is the last that counts."""
        if line != _NOTHING:
            return self._read_line(line, out)
        body = json_object(parse_json(data))
        if is_bare_error(body):
            self._fold.report(body)
        elif not self._started:
            self._fold.fail(InvalidResponseError("it is no answer of Ollama's API"))
        return self._fold.failure is not None

    def _read_line(self, line: _Line, out: list[StreamChunk]) -> bool:
        fold = self._fold
        if line.choices is not None:
            fold.fail(InvalidResponseError(_ANOTHER_API))
            return True
        chunk = WireChunk(model=None if self._started else line.model)
        self._started = True
        if (delta := self._delta(line)) is not None:
            choice = WireChoice(0, delta)
            if line.logprobs:
                choice.logprobs = WireLogprobs(line.logprobs)
            chunk.choices = [choice]
        fold.feed(chunk, out)
        if line.error is not None:
            fold.report({"error": line.error})
        elif line.done:
            self._finish(line, out)
        return line.done or fold.failure is not None

    def _delta(self, line: _Line) -> WireDelta | None:
        if (message := line.message) is None:
            return None
        calls = [self._call(line, call) for call in message.tool_calls or ()]
        return WireDelta(content=message.content or None, reasoning=message.thinking or None, tool_calls=calls or None)

    def _call(self, line: _Line, call: _Call) -> WireToolCall:
        """Return a call, which comes whole; it is counted here, for there each is the first, and may have no id."""
        position, self._calls = self._calls, self._calls + 1
        function = call.function or _Function()
        arguments = {} if function.arguments is None else function.arguments
        call_id = call.id
        if not call_id:
            seed = _encode([line.created_at, position, function.name, arguments])
            call_id = f"call_{hashlib.blake2b(seed, digest_size=9).hexdigest()}"
        return WireToolCall(index=position, id=call_id, function=WireFunction(name=function.name, arguments=arguments))

    def _finish(self, line: _Line, out: list[StreamChunk]) -> None:
        reason = line.done_reason
        finish = _FINISH.get(reason, reason) if reason else "stop"
        choice = WireChoice(0, WireDelta(), finish_reason=finish, native_finish_reason=reason)
        self._fold.feed(WireChunk(choices=[choice], usage=_usage(line), timings=_timings(line)), out)
        self._fold.mark_done()


def _only_text(line: _Line) -> str | None:
    """Return a line's text, if it brings nothing else."""
    message = line.message
    if message is None or line.done or line.error is not None or line.logprobs is not None or line.choices is not None:
        return None
    return message.content if message.thinking is None and message.tool_calls is None else None


def _timings(line: _Line) -> WireTimings | None:
    """Return how fast the answer was written; durations are in nanoseconds."""
    if not line.eval_count or not line.eval_duration or line.eval_duration < 0:
        return None
    return WireTimings(line.eval_count / line.eval_duration * 1e9)


def _usage(line: _Line) -> msgspec.Raw:
    """Return the usage in the canonical form, with Ollama's own figures in it; what is zero it leaves out."""
    figures = {name: value for name in (*_COUNTS, *_TIMES) if (value := getattr(line, name)) is not None}
    if not figures:
        return msgspec.Raw(b"null")
    prompt, answer = line.prompt_eval_count or 0, line.eval_count or 0
    counts: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
    if line.prompt_eval_cached_count:
        counts["prompt_tokens_details"] = {"cached_tokens": line.prompt_eval_cached_count}
    return msgspec.Raw(_encode(counts | figures))
