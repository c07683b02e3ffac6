"""Anthropic's events, and its whole messages, into a fold.

Source: Anthropic API reference, "Streaming messages". Events may gain types and fields; unknown ones are passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from raptscallions_ai._dialects.anthropic.blocks import ContentBlocks
from raptscallions_ai._dialects.anthropic.conversation import DIALECT, SIGNED_FORMAT
from raptscallions_ai._dialects.anthropic.encode import ANSWER_TOOL
from raptscallions_ai._dialects.anthropic.usage import CumulativeUsage
from raptscallions_ai._dialects.chunk import WireChoice, WireChunk, WireDelta, WireFunction, WireToolCall, lenient
from raptscallions_ai._dialects.failure import is_bare_error, read_failure
from raptscallions_ai._dialects.json import (
    MalformedJSONError,
    json_list,
    json_object,
    parse_json,
    parse_object,
    refuse_deep_nesting,
    with_floats,
)
from raptscallions_ai._dialects.sse import Event
from raptscallions_ai.errors import InvalidResponseError, StreamInterruptedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai.answer.chunks import StreamChunk

__all__ = ["AnthropicReader"]

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "pause",
}
_ANOTHER_API = "it is a chat completion, which is an answer of another API than Anthropic Messages"
_WEB_CITATION = "web_search_result_location"
_NAMES = frozenset(
    {"content_block_delta", "content_block_start", "content_block_stop", "message", "message_delta", "message_start"}
    | {"message_stop", "ping"}
)


class _Delta(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    content: str | None = None
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None
    container: dict[str, Any] | None = None  # where code ran, which the rest of the turn has to run in


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    index: int | None = None
    delta: _Delta | None = None
    content_block: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    context_management: dict[str, Any] | None = None
    error: Any = None
    choices: Any = None  # of a chat completion, which is no answer of this API


_decode = msgspec.json.Decoder(_Event).decode


class AnthropicReader:
    """Read the events of one answer.

    Args:
        fold: Takes what they add up to.
        origin: The place that sends them; its blocks go back there exactly as they came.

    Attributes:
        keep_alives: How many pings were seen.
    """

    def __init__(self, fold: Fold, *, origin: str) -> None:
        self.keep_alives = 0
        self._fold = fold
        self._origin = origin
        self._id: str | None = None
        self._model = ""
        self._blocks = ContentBlocks()
        self._open_text: int | None = None  # the index of the text that is being written
        self._pieces: list[str] = []  # and what there is of it
        self._calls: dict[int, int] = {}  # the number of a call among the calls, by its block's index
        self._usage = CumulativeUsage()
        self._stop_details: dict[str, Any] | None = None
        self._container: dict[str, Any] | None = None
        self._edits: dict[str, Any] | None = None
        fold.native = self.native

    def native(self) -> dict[str, Any]:
        """Return the answer's blocks, to be sent back to where they are from."""
        made: dict[str, Any] = {"dialect": DIALECT, "model": self._model, "origin": self._origin}
        made["content"] = self._blocks.result()
        if self._stop_details:
            made["stop_details"] = self._stop_details
        if self._container:
            made["container"] = self._container
        if self._edits:
            made["context_management"] = self._edits
        return made

    def read(self, events: Sequence[bytes | Event], out: list[StreamChunk], *, at_end: bool = False) -> bool:
        """Take in events and append the chunks that they bring; return whether nothing after them counts."""
        fold, pieces = self._fold, self._pieces
        for event in events:
            name, data = event if isinstance(event, Event) else ("", event)
            if not data or data.isspace():
                continue
            try:
                read = _decode(data)
                # Nearly all events bring a piece of the open block's text; their way is much shorter.
                delta = read.delta
                if delta is not None and delta.type == "text_delta" and read.index == self._open_text and delta.text:
                    pieces.append(delta.text)
                    fold.add_text(delta.text, out)
                    continue
                refuse_deep_nesting(data)
            except (msgspec.MsgspecError, UnicodeError, RecursionError, MalformedJSONError):
                if (lenient := self._read_leniently(name, data, at_end=at_end)) is None:
                    if fold.failure is not None:
                        return True
                    continue
                read = lenient
            if read.type is None:
                self._read_untyped(name, data, read)
            if self._read_event(read, out) or fold.failure is not None:
                return True
            pieces = self._pieces
        return False

    def _read_leniently(self, name: str, data: bytes, *, at_end: bool) -> _Event | None:
        """Return an event some of whose fields have an unexpected type; None for what is no event."""
        try:
            return lenient(parse_object(data), _Event)
        except MalformedJSONError as error:
            self._read_malformed(name, data, str(error), at_end=at_end)
        return None

    def _read_malformed(self, name: str, data: bytes, why: str, *, at_end: bool) -> None:
        if name == "error":
            self._fold.report(parse_json(data))
        elif name and name not in _NAMES:
            pass  # an event that has come since
        elif at_end:  # the last event lacks its blank line, so it was cut rather than garbled
            self._fold.fail(StreamInterruptedError("the stream ended inside an event", retryable=True))
        elif data.strip() != b"[DONE]":  # which some facades send, too
            self._fold.fail(InvalidResponseError(f"an event is not valid JSON: {why}", retryable=True))

    def _read_untyped(self, name: str, data: bytes, event: _Event) -> None:
        """Take in what is none of the API's events: an error that came without its envelope, or another API's chunk."""
        if event.choices is not None:
            self._fold.fail(InvalidResponseError(_ANOTHER_API))
            return
        body = json_object(parse_json(data))
        if name == "error" or event.error is not None or (not name and is_bare_error(body)):
            self._fold.report(body)

    def document(self, body: bytes, out: list[StreamChunk]) -> None:
        """Take in a whole message that was not streamed.

        Raises:
            MalformedJSONError: It is not the JSON of a message, nor of an error.
        """
        if (listed := json_list(parse_json(body))) and read_failure(listed).body:
            self._fold.report(listed)
            return
        message = json_object(with_floats(parse_object(body)))
        if "choices" in message:
            self._fold.fail(InvalidResponseError(_ANOTHER_API))
            return
        if "content" not in message:
            if message.get("error") or is_bare_error(message):
                self._fold.report(message)
            else:
                self._fold.fail(InvalidResponseError("it is no message of Anthropic's API"))
            return
        self._begin(message, out)
        self._fold.mark_done(whole=True)

    def _read_event(self, event: _Event, out: list[StreamChunk]) -> bool:
        match event.type:
            case "message_start":
                self._begin(event.message or {}, out)
            case "content_block_delta" if event.index is not None and event.delta is not None:
                self._read_delta(event.index, event.delta, out)
            case "content_block_start" if event.index is not None:
                self._start_block(event.index, event.content_block or {}, out)
            case "content_block_stop" if event.index is not None:
                self._end_block(event.index, out)
            case "message_delta":
                self._edits = event.context_management or self._edits
                self._finish(event.delta or _Delta(), event.usage, out)
            case "message_stop":
                self._fold.mark_done()
                return True
            case "ping":
                self.keep_alives += 1
            case "error":
                self._fold.report({"error": event.error or {}})
            case _:
                pass  # an event type that has come since
        return False

    def _begin(self, message: dict[str, Any], out: list[StreamChunk]) -> None:
        """Take in the message that an answer begins with; it may already hold the whole of it."""
        id_ = message.get("id")
        answer_id = id_ if isinstance(id_, str) else ""
        if self._id is not None:
            if answer_id != self._id:
                self._fold.fail(InvalidResponseError("two answers are mixed in one stream", retryable=True))
            return  # the same start again, which some gateways send
        self._id, self._model = answer_id, str(message.get("model") or "")
        self._container = json_object(message.get("container")) or None
        self._edits = json_object(message.get("context_management")) or None
        usage = self._usage.feed(message.get("usage"))
        chunk = WireChunk(id=answer_id or None, model=self._model or None, choices=[WireChoice(0)])
        if usage is not None:
            chunk.usage = usage
        self._fold.feed(chunk, out)
        for index, block in enumerate(json_list(message.get("content"))):
            self._start_block(index, json_object(block), out)
            self._end_block(index, out)
        if message.get("stop_reason"):
            ending = _Delta(stop_reason=str(message["stop_reason"]))
            ending.stop_details = json_object(message.get("stop_details")) or None
            self._finish(ending, None, out)

    def _start_block(self, index: int, block: dict[str, Any], out: list[StreamChunk]) -> None:
        self._blocks.start(index, block)
        match block.get("type"):
            case "text":
                self._open_text, self._pieces = index, self._blocks.pieces(index, "text_delta")
                if text := block.get("text"):
                    self._add_text(str(text), out)
                for citation in json_list(block.get("citations")):
                    self._cite(json_object(citation), out)
            case "thinking":
                self._think(index, {"text": str(block.get("thinking") or "")}, out)
                if signature := block.get("signature"):
                    self._sign(index, str(signature), out)
            case "redacted_thinking":
                self._detail(
                    {"type": "reasoning.encrypted", "data": block.get("data"), "index": index}, out, signed=True
                )
            case "tool_use" if block.get("name") != ANSWER_TOOL:
                self._calls[index] = len(self._calls)
                function = WireFunction(name=str(block.get("name") or ""), arguments="")
                self._call(index, out, id=str(block.get("id") or ""), function=function)
            case _:
                pass

    def _end_block(self, index: int, out: list[StreamChunk]) -> None:
        """Hand out a tool's input that came with the start of its block rather than in pieces."""
        input_ = self._blocks.input_at_start(index)
        if input_ and not self._blocks.wrote_input(index):
            self._write_input(index, msgspec.json.encode(input_).decode(), out)

    def _read_delta(self, index: int, delta: _Delta, out: list[StreamChunk]) -> None:
        if not self._blocks.holds(index):
            self._start_block(index, _block_of(delta), out)
        match delta.type:
            case "text_delta":
                self._blocks.grow(index, "text_delta", delta.text or "")
                self._add_text(delta.text or "", out)
            case "thinking_delta":
                self._blocks.grow(index, "thinking_delta", delta.thinking or "")
                self._think(index, {"text": delta.thinking or ""}, out)
            case "input_json_delta":
                self._blocks.grow(index, "input_json_delta", delta.partial_json or "")
                self._write_input(index, delta.partial_json or "", out)
            case "signature_delta":
                self._blocks.put(index, "signature", delta.signature or "")
                self._sign(index, delta.signature or "", out)
            case "citations_delta":
                self._blocks.append(index, "citations", delta.citation or {})
                self._cite(delta.citation or {}, out)
            case "compaction_delta":
                self._blocks.grow(index, "compaction_delta", delta.content or "")
            case _:
                pass

    def _finish(self, delta: _Delta, usage: dict[str, Any] | None, out: list[StreamChunk]) -> None:
        self._stop_details = delta.stop_details or self._stop_details
        self._container = delta.container or self._container
        reason = delta.stop_reason
        finish = _FINISH.get(reason, reason) if reason else None
        if finish == "tool_calls" and not self._calls:
            finish = "stop"  # the only call was the answer itself
        choice = WireChoice(0, finish_reason=finish, native_finish_reason=reason)
        if reason == "refusal":
            details = self._stop_details or {}
            category = details.get("category")
            choice.delta = WireDelta(refusal=str(details.get("explanation") or category or "refusal"))
            choice.delta.refusal_category = category if isinstance(category, str) else None
        chunk = WireChunk(choices=[choice])
        if (raw := self._usage.feed(usage)) is not None:
            chunk.usage = raw
        self._fold.feed(chunk, out)

    def _add_text(self, text: str, out: list[StreamChunk]) -> None:
        if text:
            self._fold.add_text(text, out)

    def _think(self, index: int, piece: dict[str, Any], out: list[StreamChunk]) -> None:
        self._detail({"type": "reasoning.text", **piece, "index": index}, out)

    def _sign(self, index: int, signature: str, out: list[StreamChunk]) -> None:
        # llama.cpp signs with nothing; to call that Anthropic's signature would have it refused there.
        if signature:
            self._detail({"type": "reasoning.text", "signature": signature, "index": index}, out, signed=True)

    def _detail(self, detail: dict[str, Any], out: list[StreamChunk], *, signed: bool = False) -> None:
        if signed:
            detail["format"] = SIGNED_FORMAT
        self._fold.feed(WireChunk(choices=[WireChoice(0, WireDelta(reasoning_details=[detail]))]), out)

    def _write_input(self, index: int, text: str, out: list[StreamChunk]) -> None:
        if index in self._calls:
            if text:
                self._call(index, out, function=WireFunction(arguments=text))
        elif self._blocks.kind(index) == "tool_use":
            self._add_text(text, out)

    def _call(self, index: int, out: list[StreamChunk], *, function: WireFunction, id: str | None = None) -> None:
        call = WireToolCall(index=self._calls[index], id=id, function=function)
        self._fold.feed(WireChunk(choices=[WireChoice(0, WireDelta(tool_calls=[call]))]), out)

    def _cite(self, citation: dict[str, Any], out: list[StreamChunk]) -> None:
        """Hand out a citation: one of the web in the form that other gateways use, too."""
        annotation = citation
        if citation.get("type") == _WEB_CITATION:
            page = {"url": citation.get("url"), "title": citation.get("title"), "content": citation.get("cited_text")}
            annotation = {"type": "url_citation", "url_citation": page}
        self._fold.feed(WireChunk(choices=[WireChoice(0, WireDelta(annotations=[annotation]))]), out)


def _block_of(delta: _Delta) -> dict[str, Any]:
    """Return the start of a block that was never announced."""
    kinds = {"thinking_delta": {"type": "thinking", "thinking": ""}, "signature_delta": {"type": "thinking"}}
    return dict(kinds.get(delta.type or "", {"type": "text", "text": ""}))
