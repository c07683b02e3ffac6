"""The events of a proxy's `/api/stream`, into a fold.

Source: `tiny-agent-os` 1.2.29, `proxy_event_handlers.py`; pi's `streamProxy`, 0.73.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from raptscallions_ai._dialects.chunk import WireChoice, WireChunk, WireDelta, WireFunction, WireToolCall
from raptscallions_ai._dialects.failure import is_bare_error
from raptscallions_ai._dialects.json import MalformedJSONError, json_object, parse_object, with_floats
from raptscallions_ai._dialects.proxy.failures import error_of
from raptscallions_ai.answer.codec import from_object
from raptscallions_ai.answer.result import ChatResult
from raptscallions_ai.errors import InvalidResponseError, NotSupportedError, StreamInterruptedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai._dialects.sse import Event
    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import Usage

__all__ = ["ProxyReader"]

_FINISH = {"toolUse": "tool_calls", "tool_use": "tool_calls", "complete": "stop"}
_NOT_OURS = "this proxy knows tinyagent's own options, texts and images only, and has passed over the others"


class _Piece(msgspec.Struct, gc=False):
    type: str = ""
    delta: str = ""


_decode = msgspec.json.Decoder(_Piece).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


class ProxyReader:
    """Read the events of one answer.

    Args:
        fold: Takes what they add up to.
        learn: Told whether the proxy is one of ours; returns whether it understands what was sent.
    """

    keep_alives: int = 0  # there are only comments

    def __init__(self, fold: Fold, learn: Callable[[bool], bool]) -> None:
        self._fold = fold
        self._learn = learn
        self._started = False
        self._calls: dict[int, int] = {}  # the position of each call among the calls, by its index in the content

    def read(self, events: Sequence[bytes | Event], out: list[StreamChunk], *, at_end: bool = False) -> bool:
        """Take in events and append the chunks that they bring; return whether nothing after them counts."""
        fold = self._fold
        for event in events:
            data = event if isinstance(event, bytes) else event.data
            if not data or data.isspace():
                continue
            try:
                # Nearly all events bring a piece of text; their way is much shorter.
                if self._started and (piece := _decode(data)).type == "text_delta" and piece.delta:
                    fold.add_text(piece.delta, out)
                    continue
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                pass
            try:
                fields = parse_object(data)
            except MalformedJSONError as error:
                if at_end:  # the last event lacks its blank line, so it was cut rather than garbled
                    fold.fail(StreamInterruptedError("the stream ended inside an event", retryable=True))
                else:
                    fold.fail(InvalidResponseError(f"an event is not valid JSON: {error}", retryable=True))
                return True
            if self._read_event(fields, out):
                return True
        return False

    def document(self, body: bytes, out: list[StreamChunk]) -> None:
        """Take in what came instead of a stream, which can only be an error.

        Raises:
            MalformedJSONError: It is not one JSON object.
        """
        document = parse_object(body)
        if "error" in document or is_bare_error(document):
            self._fold.report(document)
        else:
            self._fold.fail(InvalidResponseError("it is one JSON document, and no stream of events"))

    def _read_event(self, event: dict[str, Any], out: list[StreamChunk]) -> bool:
        """Take in one event; return whether it is the last that counts."""
        kind, fold = event.get("type"), self._fold
        if not self._started and kind != "error":
            self._started = True
            if not self._learn("raptscallions" in event):
                fold.fail(NotSupportedError(_NOT_OURS))
                return True
            fold.feed(WireChunk(choices=[WireChoice(0, WireDelta())]), out)
        index = event.get("contentIndex")
        index = index if isinstance(index, int) else 0
        match kind:
            case "text_delta":
                if text := _text(event, "delta"):
                    self._feed(WireDelta(text), out)
            case "thinking_delta":
                if text := _text(event, "delta"):
                    self._feed(WireDelta(reasoning=text), out)
            case "toolcall_start":
                self._calls[index] = len(self._calls)
                function = WireFunction(_text(event, "toolName"), "")
                call = WireToolCall(self._calls[index], _text(event, "id") or None, function)
                self._feed(WireDelta(tool_calls=[call]), out)
            case "toolcall_delta":
                call = WireToolCall(self._calls.get(index, 0), function=WireFunction(arguments=_text(event, "delta")))
                self._feed(WireDelta(tool_calls=[call]), out)
            case "done":
                self._finish(event, out)
            case "error":
                self._fail(event, out)
            case _:  # what begins and ends a block, and whatever a proxy says besides
                pass
        return kind in ("done", "error") or fold.failure is not None

    def _feed(self, delta: WireDelta, out: list[StreamChunk]) -> None:
        self._fold.feed(WireChunk(choices=[WireChoice(0, delta)]), out)

    def _finish(self, event: dict[str, Any], out: list[StreamChunk]) -> None:
        fold = self._fold
        result = _result(event.get("result"))
        reason = _text(event, "reason")
        if result is None:
            usage, finish = _agents_usage(event.get("usage")), _FINISH.get(reason, reason) or "stop"
            native = reason or None
        else:
            if result.content != fold.partial().content:
                fold.fail(InvalidResponseError("its pieces are not what its result says", retryable=True))
                return
            usage, finish, native = _usage(result.usage), result.finish_reason, result.native_finish_reason
            # What has no events of its own on this wire.
            rest = WireDelta(annotations=[*result.annotations], images=[*result.images], audio=result.audio)
            rest.refusal = result.refusal
            fold.feed(WireChunk(id=result.id, model=result.model, choices=[WireChoice(0, rest)]), out)
        if usage is None:
            fold.excuse_usage()  # the wire does not promise it
        choice = WireChoice(0, WireDelta(), finish_reason=finish or "stop", native_finish_reason=native)
        chunk = WireChunk(choices=[choice])
        if usage is not None:
            chunk.usage = usage
        fold.feed(chunk, out)
        fold.mark_done()
        if result is not None:
            fold.take_whole(result)

    def _fail(self, event: dict[str, Any], out: list[StreamChunk]) -> None:
        failure = json_object(event.get("failure"))
        usage = _agents_usage(event.get("usage"))
        try:
            exact = (
                from_object({"kind": "usage", **json_object(failure.get("usage"))}) if failure.get("usage") else None
            )
        except ValueError:
            exact = None
        if (usage := _usage(exact) if exact is not None else usage) is not None:
            self._fold.feed(WireChunk(usage=usage), out)
        if (error := error_of(json_object(with_floats(failure)))) is not None:
            error.message = self._fold.redacted(error.message)
            self._fold.fail(error)
        else:
            message = _text(event, "errorMessage") or "the proxy told no reason"
            self._fold.report({"error": {"message": message}})


def _text(event: dict[str, Any], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""


def _result(value: object) -> ChatResult | None:
    """Return the whole result that a proxy of ours tells; None if there is none."""
    if not (fields := json_object(value)):
        return None
    try:
        made = from_object({**json_object(with_floats(fields)), "kind": "result"})
    except ValueError:
        return None
    return made if isinstance(made, ChatResult) else None


def _usage(usage: Usage) -> msgspec.Raw | None:
    """Return usage in the canonical form; None if nobody reported any."""
    if not usage.reported:
        return None
    figures: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
    if usage.cost is not None:
        figures["cost"] = usage.cost
    return msgspec.Raw(_encode(figures))


def _agents_usage(value: object) -> msgspec.Raw | None:
    """Return usage as agents keep it in the canonical form; None if there is none, or nothing but zeros."""
    fields = json_object(value)
    fresh, answer = _count(fields, "input"), _count(fields, "output")
    cached, written = _count(fields, "cache_read", "cacheRead"), _count(fields, "cache_write", "cacheWrite")
    prompt = fresh + cached + written
    if not prompt and not answer:
        return None
    figures: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": _count(fields, "total_tokens", "totalTokens") or prompt + answer,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
    }
    if cost := json_object(fields.get("cost")).get("total"):
        figures["cost"] = cost
    return msgspec.Raw(_encode(figures))


def _count(fields: dict[str, Any], *names: str) -> int:
    values = (fields.get(name) for name in names)
    return next((value for value in values if isinstance(value, int) and not isinstance(value, bool)), 0)
