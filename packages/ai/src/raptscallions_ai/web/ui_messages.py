"""The UI message stream of Vercel's AI SDK, version 1: what `useChat` reads."""

from __future__ import annotations

import json
import mimetypes
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    AudioChunk,
    ContentChunk,
    DoneChunk,
    ImageChunk,
    ReasoningChunk,
    RefusalChunk,
    RestartedChunk,
    ToolCallChunk,
    WaitingChunk,
)
from raptscallions_ai.answer.run_events import StepFinished, ToolFinished, ToolRunDone, ToolStarted
from raptscallions_ai.errors import InvalidResponseError
from raptscallions_ai.web.body import KEEP_ALIVE, SSEBody
from raptscallions_ai.web.payloads import SSE_HEADERS, error_payload, sse_event, told_of_a_tool, usage_payload
from raptscallions_ai.web.sent_back import sent_back

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult
    from raptscallions_ai.answer.run_events import ToolRunEvent
    from raptscallions_ai.errors import AiError
    from raptscallions_ai.tools.tool_call import ToolCall

__all__ = ["ui_message_stream"]

_DONE = b"data: [DONE]\n\n"
_WEB = ("https://", "http://")
_MEDIA = ("image/", "audio/", "video/", "application/pdf")
_FINISH_REASONS = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool-calls",
    "content_filter": "content-filter",
    "error": "error",
}


def ui_message_stream(
    stream: AsyncIterable[StreamChunk] | AsyncIterable[ToolRunEvent],
    *,
    message_id: str | None = None,
    keep_alive: float | None = KEEP_ALIVE,
) -> SSEBody:
    """Return a stream as the body that `useChat` of the AI SDK expects; checked with its versions 6 and 7.

    Text, reasoning and tool calls come as their `-start`, `-delta` and `-end` parts, URL citations as `source-url`,
    images as `file`, other annotations as `data-annotation`, and what a gateway wants back (signatures,
    `reasoning_details`) as `data-sent-back`, which `from_ui_messages` reads. `finish` carries id, model and usage as
    metadata. A failure is an `error` part, a stream that you close yourself an `abort` part. An answer that
    restarts (`on_interrupt="restart"`) is a `reset-step`, which version 6 does not know and takes for an error.

    Of a run with tools each answer is a step, and each call has its `tool-output-available` or `tool-output-error`.

    Args:
        stream: A `ChatStream`, a `ToolRun`, or any chunks.
        message_id: The id under which you store the answer; without one the client makes its own.
        keep_alive: Seconds of silence after which a comment is sent; None for never.

    Raises:
        ValueError: `keep_alive` is not more than 0.

    See https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol
    """
    return SSEBody(stream, UIMessageParts(message_id), keep_alive=keep_alive)


@dataclass(slots=True)
class _OpenCall:
    """A tool call that is arriving; without a name it cannot be announced yet."""

    id: str = ""
    name: str = ""
    held_back: str = ""
    announced: bool = False
    arguments: str = ""


class UIMessageParts:
    """The encoder of this protocol.

    Args:
        message_id: The id of the message; None leaves it to the client.
    """

    headers: Mapping[str, str] = {**SSE_HEADERS, "x-vercel-ai-ui-message-stream": "v1"}
    ping = b": ping\n\n"

    def __init__(self, message_id: str | None) -> None:
        self._message_id = message_id
        self._started = self._in_step = False
        self._block: tuple[str, str] | None = None  # kind and id of the text or reasoning that is open
        self._blocks = self._sources = 0
        self._calls: dict[int, _OpenCall] = {}
        self._call_ids: list[str] = []
        self._reported: dict[
            str, str
        ] = {}  # of a run: the ids of its calls, and those under which the browser knows them

    def chunk(self, chunk: StreamChunk | ToolRunEvent) -> bytes:
        """Return the parts for a chunk; for `done` those that end the message."""
        if type(chunk) is WaitingChunk:
            return self.ping
        if type(chunk) is ToolRunDone:
            return _events(_finish(chunk.result)) + _DONE
        return _events([*self._start(), *self._parts(chunk)]) + (_DONE if type(chunk) is DoneChunk else b"")

    def error(self, error: AiError) -> bytes:
        """Return the parts that end the message with a failure."""
        payload = error_payload(error)
        # There is no other field for it that the AI SDK would accept.
        event: dict[str, Any] = {
            "type": "error",
            "errorText": f"{payload['message']} (reference {payload['reference']})",
        }
        return _events([*self._start(), *self._end_block(), event]) + _DONE

    def stopped(self) -> bytes:
        """Return the parts that end the message because its stream was closed."""
        return _events([*self._start(), *self._end_block(), {"type": "abort"}]) + _DONE

    def _start(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        if not self._started:
            self._started = True
            parts.append({"type": "start"} | ({"messageId": self._message_id} if self._message_id is not None else {}))
        if not self._in_step:
            self._in_step = True
            parts.append({"type": "start-step"})
        return parts

    def _parts(self, chunk: StreamChunk | ToolRunEvent) -> list[dict[str, Any]]:
        match chunk:
            case ToolStarted() | ToolFinished() | StepFinished() | ToolRunDone():
                return self._of_a_run(chunk)
            case ContentChunk():
                return self._text("text", chunk.content)
            case ReasoningChunk():
                return self._text("reasoning", chunk.content)
            case ToolCallChunk():
                return self._call(chunk)
            case AnnotationChunk():
                return self._source(chunk.annotation)
            case ImageChunk():
                return _file(chunk)
            case AudioChunk():
                return self._audio(chunk)
            case RefusalChunk():
                return self._text("text", chunk.content)
            case RestartedChunk():
                self._block = None
                self._calls.clear()
                return [{"type": "reset-step"}]
            case DoneChunk():
                whole = [*self._end_block(), *self._whole_calls(chunk.result)]
                back = sent_back(chunk.result, self._call_ids)
                return [*whole, *back, {"type": "finish-step"}, *_finish(chunk.result)]
            case WaitingChunk():
                return []

    def _of_a_run(self, event: ToolStarted | ToolFinished | StepFinished | ToolRunDone) -> list[dict[str, Any]]:
        match event:
            case ToolStarted():
                return [*self._end_block(), *self._input(event.call)]
            case ToolFinished():
                refused = told_of_a_tool(event) if event.duration is None else None
                parts = [*self._end_block(), *self._input(event.call, refused)]
                return parts if refused is not None else [*parts, _output(event, self._reported[event.call.id])]
            case StepFinished():
                back = sent_back(event.result, [self._reported[call.id] for call in event.result.tool_calls])
                parts = [*self._end_block(), *back, {"type": "finish-step"}]
                self._calls.clear()
                self._reported.clear()
                self._in_step = False
                return parts
            case ToolRunDone():
                return _finish(event.result)

    def _input(self, call: ToolCall, refused: str | None = None) -> list[dict[str, Any]]:
        """Return the end of a call that a run carries out, or why it does not; nothing if that was told before."""
        if call.id in self._reported:
            return []
        waiting = [each for each in self._calls.values() if each.id not in self._reported.values()]
        same = (call.name, call.raw_arguments)  # a gateway that gave no id leaves nothing else to go by
        known = [each for each in waiting if each.id == call.id]
        known += [each for each in waiting if (each.name, each.arguments) == same]
        arrived = known[0] if known else _OpenCall(call.id, call.name, call.raw_arguments)
        parts = _announced(arrived)
        self._reported[call.id] = arrived.id
        return [*parts, _outcome(call, arrived.id) if refused is None else _failed(call, arrived.id, refused)]

    def _text(self, kind: str, delta: str) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        if self._block is None or self._block[0] != kind:
            parts += self._end_block()
            self._blocks += 1
            self._block = (kind, f"{kind}-{self._blocks}")
            parts.append({"type": f"{kind}-start", "id": self._block[1]})
        return [*parts, {"type": f"{kind}-delta", "id": self._block[1], "delta": delta}]

    def _end_block(self) -> list[dict[str, Any]]:
        if self._block is None:
            return []
        kind, id_ = self._block
        self._block = None
        return [{"type": f"{kind}-end", "id": id_}]

    def _call(self, chunk: ToolCallChunk) -> list[dict[str, Any]]:
        call = self._calls.setdefault(chunk.index, _OpenCall())
        call.id = call.id or chunk.id or ""
        call.name = call.name or chunk.name or ""
        call.held_back += chunk.arguments
        call.arguments += chunk.arguments
        return [*self._end_block(), *_announced(call)] if call.name else []

    def _whole_calls(self, result: ChatResult) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        for index, whole in enumerate(result.tool_calls):
            call = self._calls.get(index) or _OpenCall(whole.id, whole.name, whole.raw_arguments)
            cut = result.finish_reason == "length" and index == len(result.tool_calls) - 1
            why = f"the arguments of tool call {whole.name!r} were cut by the token limit"
            # Never given out for execution, even if what is there can be parsed.
            parts += [*_announced(call), _failed(whole, call.id, why) if cut else _outcome(whole, call.id)]
            self._call_ids.append(call.id)
        return parts

    def _audio(self, chunk: AudioChunk) -> list[dict[str, Any]]:
        """Return the transcript as text, for there is no part for a sound that grows; the sound is a part of data."""
        sound = [{"type": "data-audio", "data": {"data": chunk.data}, "transient": True}] if chunk.data else []
        return [*sound, *(self._text("text", chunk.transcript) if chunk.transcript else [])]

    def _source(self, annotation: dict[str, Any]) -> list[dict[str, Any]]:
        citation: Any = annotation.get("url_citation") if annotation.get("type") == "url_citation" else None
        if not isinstance(citation, dict) or not isinstance(url := citation.get("url"), str):  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType] - foreign JSON
            return [{"type": "data-annotation", "data": annotation}]
        if not url.lower().startswith(_WEB):  # a page would make a link of it, whatever it is
            return []
        self._sources += 1
        source = {"type": "source-url", "sourceId": f"source-{self._sources}", "url": url}
        title: object = citation.get("title")  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType] - foreign JSON
        return [{**source, "title": title} if isinstance(title, str) else source]


def _events(parts: list[dict[str, Any]]) -> bytes:
    return b"".join(map(sse_event, parts))


def _announced(call: _OpenCall) -> list[dict[str, Any]]:
    """Return what has arrived of a call since the last time."""
    parts: list[dict[str, Any]] = []
    if not call.announced:
        call.announced = True
        call.id = call.id or f"call_{uuid.uuid4().hex}"
        parts.append({"type": "tool-input-start", "toolCallId": call.id, "toolName": call.name})
    if call.held_back:
        parts.append({"type": "tool-input-delta", "toolCallId": call.id, "inputTextDelta": call.held_back})
        call.held_back = ""
    return parts


def _outcome(call: ToolCall, id_: str) -> dict[str, Any]:
    """Return the end of a call: its whole input, or why there is none."""
    try:
        return {"type": "tool-input-available", "toolCallId": id_, "toolName": call.name, "input": call.arguments}
    except InvalidResponseError as error:
        return _failed(call, id_, error.message)


def _failed(call: ToolCall, id_: str, why: str) -> dict[str, Any]:
    known = {"toolCallId": id_, "toolName": call.name}
    return {"type": "tool-input-error", **known, "input": call.raw_arguments, "errorText": why}


def _output(finished: ToolFinished, id_: str) -> dict[str, Any]:
    content = told_of_a_tool(finished)
    if finished.error is not None:
        return {"type": "tool-output-error", "toolCallId": id_, "errorText": content}
    output: object = content
    if not isinstance(finished.output, str):
        try:
            output = json.loads(content)
        except (ValueError, RecursionError):  # pictures are told in words
            output = content
    return {"type": "tool-output-available", "toolCallId": id_, "output": output}


def _file(chunk: ImageChunk) -> list[dict[str, Any]]:
    if (url := chunk.url) is None:
        return [{"type": "data-image", "data": chunk.image}]
    if url.startswith("data:"):
        media_type = url[len("data:") :].partition(",")[0].partition(";")[0]
        if media_type and not media_type.startswith(_MEDIA):
            return []
    elif url.lower().startswith(_WEB):
        media_type = mimetypes.guess_type(url.partition("?")[0])[0]
    else:
        return []
    return [{"type": "file", "url": url, "mediaType": media_type or "image/*"}]


def _finish(result: ChatResult) -> list[dict[str, Any]]:
    metadata = {"id": result.id, "model": result.model, "usage": usage_payload(result.usage)}
    reason = _FINISH_REASONS.get(result.finish_reason or "", "other")
    return [{"type": "finish", "finishReason": reason, "messageMetadata": metadata}]
