"""Events of a run as the UI message stream of Vercel's AI SDK, version 1: what `useChat` reads."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from raptscallions_chat.http.payloads import encode

if TYPE_CHECKING:
    from raptscallions_chat.domain.events import Event

__all__ = ["UI_HEADERS", "UiParts", "ui_stream"]

UI_HEADERS = {"x-vercel-ai-ui-message-stream": "v1"}

_DONE = b"data: [DONE]\n\n"
_FINISH_REASONS = {"stop": "stop", "length": "length", "tool_calls": "tool-calls", "content_filter": "content-filter"}


async def ui_stream(frames: AsyncGenerator[bytes], answer_id: str) -> AsyncGenerator[bytes]:
    """Yield a run's events, which come as server-sent events, in the other protocol."""
    parts = UiParts(answer_id)
    async with aclosing(frames):
        async for data in frames:
            for frame in data.split(b"\n\n"):
                if frame.startswith(b":"):
                    yield b": ping\n\n"
                elif (event := _event(frame)) is not None and (told := parts.take(event)):
                    yield told


def _event(frame: bytes) -> Event | None:
    for line in frame.split(b"\n"):
        if line.startswith(b"data: "):
            found: Event = json.loads(line[6:])
            return found
    return None


class UiParts:
    """The encoder of this protocol, for one answer.

    See https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol

    Args:
        answer_id: The id under which the answer is stored.
    """

    def __init__(self, answer_id: str) -> None:
        self._answer_id = answer_id
        self._started = False
        self._block: tuple[str, str] | None = None  # kind and id of the text or reasoning that is open
        self._blocks = 0
        self._text = 0  # how many characters of text the reader has
        self._calls: dict[int, dict[str, Any]] = {}

    def take(self, event: Event) -> bytes:
        """Return the parts for an event; empty if there are none."""
        parts = list(self._start()) + self._parts(event)
        ended = event["type"] in ("completed", "stopped", "interrupted", "failed")
        return b"".join(b"data: " + encode(part) + b"\n\n" for part in parts) + (_DONE if ended else b"")

    def _start(self) -> list[dict[str, Any]]:
        if self._started:
            return []
        self._started = True
        return [{"type": "start", "messageId": self._answer_id}, {"type": "start-step"}]

    def _parts(self, event: Event) -> list[dict[str, Any]]:
        match event["type"]:
            case "content":
                self._text += len(event["content"])
                return self._delta("text", event["content"])
            case "reasoning":
                return self._delta("reasoning", event["content"])
            case "snapshot":
                return self._snapshot(event)
            case "tool_call":
                return self._call(event)
            case "tool_result":
                return self._result(event)
            case "approval_requested":
                asked = {"approvalId": event["id"], "toolCallId": event["id"]}
                return [*self._close_calls(), {"type": "tool-approval-request", **asked}]
            case "annotation":
                return [{"type": "data-annotation", "data": event["annotation"]}]
            case "image":
                return [_image(event["image"])]
            case "title":
                return [{"type": "data-title", "data": {"title": event["title"]}, "transient": True}]
            case "restarted":
                self._block, self._text = None, 0
                self._calls.clear()
                return [{"type": "reset-step"}]
            case "completed" | "stopped" | "interrupted" | "failed":
                return self._end(event)
            case _:
                return []

    def _delta(self, kind: str, text: str) -> list[dict[str, Any]]:
        parts = self._close_calls()
        if self._block is None or self._block[0] != kind:
            parts += self._end_block()
            self._blocks += 1
            self._block = (kind, f"{kind}-{self._blocks}")
            parts.append({"type": f"{kind}-start", "id": self._block[1]})
        return [*parts, {"type": f"{kind}-delta", "id": self._block[1], "delta": text}]

    def _end_block(self) -> list[dict[str, Any]]:
        if self._block is None:
            return []
        kind, id_ = self._block
        self._block = None
        return [{"type": f"{kind}-end", "id": id_}]

    def _snapshot(self, event: Event) -> list[dict[str, Any]]:
        """Tell what the reader does not have yet of an answer that is told in one piece."""
        parts: list[dict[str, Any]] = []
        if not self._blocks and event.get("reasoning"):
            parts += self._delta("reasoning", event["reasoning"])
        missing = event["text"][self._text :]
        if missing:
            self._text = len(event["text"])
            parts += self._delta("text", missing)
        return parts

    def _call(self, event: Event) -> list[dict[str, Any]]:
        parts = self._end_block()
        call = self._calls.setdefault(event["index"], {"id": "", "name": "", "arguments": "", "held": ""})
        call["id"] = call["id"] or event.get("id") or ""
        call["name"] = call["name"] or event.get("name") or ""
        call["held"] += event.get("arguments") or ""
        if not call["id"] or not call["name"]:
            return parts
        if "told" not in call:
            call["told"] = True
            parts.append({"type": "tool-input-start", "toolCallId": call["id"], "toolName": call["name"]})
        if call["held"]:
            parts.append({"type": "tool-input-delta", "toolCallId": call["id"], "inputTextDelta": call["held"]})
            call["arguments"] += call["held"]
            call["held"] = ""
        return parts

    def _close_calls(self) -> list[dict[str, Any]]:
        """Tell the whole input of the calls that were arriving."""
        parts: list[dict[str, Any]] = []
        for call in self._calls.values():
            known = {"toolCallId": call["id"], "toolName": call["name"]}
            try:
                given: object = json.loads(call["arguments"] or "{}")
                parts.append({"type": "tool-input-available", **known, "input": given})
            except ValueError:
                wrong = {"input": call["arguments"], "errorText": "The arguments are not valid JSON."}
                parts.append({"type": "tool-input-error", **known, **wrong})
        self._calls.clear()
        return parts

    def _result(self, event: Event) -> list[dict[str, Any]]:
        parts = [*self._end_block(), *self._close_calls()]
        if event.get("is_error"):
            outcome = {"type": "tool-output-error", "toolCallId": event["id"], "errorText": str(event["content"])}
        else:
            outcome = {"type": "tool-output-available", "toolCallId": event["id"], "output": event["content"]}
        return [*parts, outcome]

    def _end(self, event: Event) -> list[dict[str, Any]]:
        parts = [*self._end_block(), *self._close_calls()]
        if event["type"] == "failed":
            error: dict[str, Any] = event.get("error") or {}
            return [*parts, {"type": "error", "errorText": error.get("message") or "The answer failed."}]
        if event["type"] != "completed":
            return [*parts, {"type": "abort"}]
        reason = _FINISH_REASONS.get(event.get("finish_reason") or "", "other")
        metadata = {"usage": event["usage"]}
        return [
            *parts,
            {"type": "finish-step"},
            {"type": "finish", "finishReason": reason, "messageMetadata": metadata},
        ]


def _image(image: Any) -> dict[str, Any]:
    url = image.get("image_url", {}).get("url") if isinstance(image, dict) else None  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType] - foreign JSON
    if not isinstance(url, str):
        return {"type": "data-image", "data": image}
    media_type = url[5:].partition(",")[0].partition(";")[0] if url.startswith("data:") else "image/*"
    return {"type": "file", "url": url, "mediaType": media_type or "image/*"}
