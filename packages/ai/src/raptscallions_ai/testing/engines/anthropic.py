"""`FakeAnthropic`: a server on loopback that speaks Anthropic Messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai.testing.engines.translation import Translation
from raptscallions_ai.testing.gateway import FakeGateway
from raptscallions_ai.testing.replies import json_reply
from raptscallions_ai.testing.wire import GENERATION_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.testing.recording import RecordedRequest
    from raptscallions_ai.testing.replies import Reply

__all__ = ["FakeAnthropic"]

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "pause": "pause_turn",
}


class FakeAnthropic(FakeGateway):
    """A fake of Anthropic's API for tests: the scripts of `FakeGateway`, said in the dialect of Anthropic Messages.

    `stream`, `json`, `error`, `reply` and the others mean what they mean there: what they say in chunks of a chat
    completion is sent as events of a message. Bytes that are no whole event are sent as they are.

    Args:
        require_key: Whether to answer 401 to requests that do not carry `api_key`.
    """

    chat_path: str = "/v1/messages"
    prefix: str = ""

    def __init__(self, *, require_key: bool = False) -> None:
        super().__init__(require_key=require_key)
        self.api_key = "sk-ant-not-a-real-key"
        self.model = "claude-fake-1"
        self.route("POST", "/v1/messages/count_tokens").json({"input_tokens": 12}, times=None)
        self.route("GET", "/v1/models").json(_MODELS, times=None)

    def translated(self, reply: Reply) -> Reply:
        """Return a reply in the dialect of this server."""
        return _MessagesTranslation().reply(reply)

    def has_key(self, request: RecordedRequest) -> bool:
        """Whether a request carries the key, in either header."""
        sent = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        return sent == self.api_key

    def refuse(self, request: RecordedRequest) -> Reply:
        """Return the answer to a request without the key."""
        return json_reply(_error("authentication_error", "invalid x-api-key"), status=401)


_MODELS: dict[str, Any] = {
    "data": [
        {
            "type": "model",
            "id": "claude-fake-1",
            "display_name": "Claude Fake 1",
            "created_at": "2026-01-01T00:00:00Z",
            "max_input_tokens": 200_000,
            "max_tokens": 32_000,
            "capabilities": {"thinking": {"types": ["adaptive", "disabled"]}, "structured_outputs": True},
        }
    ],
    "has_more": False,
    "first_id": "claude-fake-1",
    "last_id": "claude-fake-1",
}


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"}


def _named(event: Mapping[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), json.dumps(event).encode())


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    details = cast("Mapping[str, Any]", usage.get("prompt_tokens_details") or {})
    cached = details.get("cached_tokens") or 0
    return {
        "input_tokens": (usage.get("prompt_tokens") or 0) - cached,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": usage.get("completion_tokens") or 0,
    }


class _MessagesTranslation(Translation):
    def __init__(self) -> None:
        self._started = False
        self._open: tuple[int, object] | None = None  # the open block: its index, and what it is
        self._index = -1
        self._finish: dict[str, Any] | None = None  # held back, because usage stands on the same event

    def chunk(self, chunk: Mapping[str, Any]) -> bytes:
        out = b"" if self._started else self._start(chunk)
        choices = cast("list[dict[str, Any]]", chunk.get("choices") or [])
        for choice in choices:
            out += self._delta(cast("dict[str, Any]", choice.get("delta") or {}))
            if reason := choice.get("finish_reason"):
                self._finish = {"stop_reason": _STOP_REASONS.get(str(reason), str(reason)), "stop_sequence": None}
        if isinstance(usage := chunk.get("usage"), dict):
            out += self._end(_usage(cast("dict[str, Any]", usage)))
        error = chunk.get("error") or next((choice["error"] for choice in choices if choice.get("error")), None)
        if error is not None:
            details = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": str(error)}
            out += self.flush() + _named(self.error(details, 200))
        return out

    def is_own(self, body: Mapping[str, Any]) -> bool:
        return body.get("type") in ("error", "message")

    def flush(self) -> bytes:
        return b"" if self._finish is None else self._end({})

    def done(self) -> bytes:
        return _named({"type": "message_stop"})

    def comment(self, line: bytes) -> bytes:
        return _named({"type": "ping"})

    def completion(self, body: Mapping[str, Any]) -> dict[str, Any]:
        (choice,) = cast("list[dict[str, Any]]", body["choices"])
        message = cast("dict[str, Any]", choice.get("message") or {})
        content: list[dict[str, Any]] = []
        if thought := message.get("reasoning"):
            content.append({"type": "thinking", "thinking": thought, "signature": ""})
        if text := message.get("content"):
            content.append({"type": "text", "text": text})
        for call in cast("list[dict[str, Any]]", message.get("tool_calls") or []):
            function = cast("dict[str, Any]", call["function"])
            arguments = json.loads(function["arguments"] or "{}")
            content.append({"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments})
        reason = choice.get("finish_reason")
        made = {"id": body.get("id"), "type": "message", "role": "assistant", "model": body.get("model")}
        ending = {"stop_reason": _STOP_REASONS.get(str(reason), reason), "stop_sequence": None}
        usage = body.get("usage")
        counted = {"usage": _usage(cast("dict[str, Any]", usage))} if isinstance(usage, dict) else {}
        return {**made, "content": content, **ending, **counted}

    def error(self, error: Mapping[str, Any], status: int) -> dict[str, Any]:
        code = status if status >= 400 else error.get("code")
        kind = _TYPES.get(code, "api_error") if isinstance(code, int) else str(code or "api_error")
        return _error(kind, str(error.get("message", "")))

    def _start(self, chunk: Mapping[str, Any]) -> bytes:
        self._started = True
        message: dict[str, Any] = {
            "id": chunk.get("id") or GENERATION_ID,
            "type": "message",
            "role": "assistant",
            "content": [],
        }
        message |= {"model": chunk.get("model"), "stop_reason": None, "stop_sequence": None}
        return _named({"type": "message_start", "message": message})

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        out = b""
        if thought := delta.get("reasoning"):
            out += self._piece("thinking", {"type": "thinking", "thinking": "", "signature": ""}, thinking=thought)
        if (text := delta.get("content")) and isinstance(text, str):
            out += self._piece("text", {"type": "text", "text": ""}, text=text)
        for call in cast("list[dict[str, Any]]", delta.get("tool_calls") or []):
            function = cast("dict[str, Any]", call.get("function") or {})
            block: dict[str, Any] = {
                "type": "tool_use",
                "id": call.get("id"),
                "name": function.get("name"),
                "input": {},
            }
            out += self._piece(("tool", call.get("index")), block, partial_json=function.get("arguments") or "")
        return out

    def _piece(self, kind: object, block: dict[str, Any], **field: str) -> bytes:
        out = b""
        if self._open is None or self._open[1] != kind:
            out = self._close()
            self._index += 1
            self._open = (self._index, kind)
            out += _named({"type": "content_block_start", "index": self._index, "content_block": block})
        ((name, value),) = field.items()
        delta = {"type": "input_json_delta" if name == "partial_json" else f"{name}_delta", name: value}
        return out + _named({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        index, self._open = self._open[0], None
        return _named({"type": "content_block_stop", "index": index})

    def _end(self, usage: dict[str, Any]) -> bytes:
        delta, self._finish = self._finish or {}, None
        event = {"type": "message_delta", "delta": delta, **({"usage": usage} if usage else {})}
        return self._close() + _named(event)
