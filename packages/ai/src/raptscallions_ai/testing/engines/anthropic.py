"""`FakeAnthropic`: a server on loopback that speaks Anthropic Messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai.testing.engines.blocks import Block
from raptscallions_ai.testing.engines.translation import Translation, error_of, fields, objects, parsed, text_of
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
# OpenRouter's names of failures that Anthropic has a word for where the status has none, or another sentence.
_NAMED = {"provider_overloaded": "overloaded_error"}
_SENTENCES = {
    "context_length_exceeded": "prompt is too long",
    "content_policy_violation": "Output blocked by content filtering policy",
    "refusal": "Output blocked by content filtering policy",
}
_THINKING = {"type": "thinking", "thinking": "", "signature": ""}
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "pause": "pause_turn",
}


class FakeAnthropic(FakeGateway):
    """A fake of Anthropic's API for tests: the scripts of `FakeGateway`, events in the dialect of Anthropic Messages.

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


_PLAIN = Block(b"")


def _named(event: dict[str, Any], block: Block = _PLAIN) -> bytes:
    return block.saying(str(event["type"]), event)


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return a usage in Anthropic's words; counts that are no numbers are events as they are."""
    details = usage.get("prompt_tokens_details")
    cached: Any = cast("Mapping[str, Any]", details).get("cached_tokens") if isinstance(details, dict) else None
    counts: dict[str, Any] = {}
    if (prompt := usage.get("prompt_tokens")) is not None:
        counts["input_tokens"] = prompt - cached if isinstance(prompt, int) and isinstance(cached, int) else prompt
        counts["cache_read_input_tokens"] = cached or 0
        counts["cache_creation_input_tokens"] = 0
    if (answer := usage.get("completion_tokens")) is not None:
        counts["output_tokens"] = answer
    return counts


class _MessagesTranslation(Translation):
    def __init__(self) -> None:
        self._prompt: dict[str, Any] = {}  # the usage that an answer begins with
        self._started = False
        self._open: dict[object, int] = {}  # the open blocks: what each is, and its index
        self._index = -1
        self._calls: dict[object, object] = {}  # the id of the last call at each place
        self._finish: dict[str, Any] | None = None  # held back, because usage stands on the same event

    def reply(self, reply: Reply) -> Reply:
        whole = b"".join(step for step in reply.steps if isinstance(step, bytes))
        if (place := whole.find(b'"usage": {')) >= 0:
            line = whole[whole.rfind(b"data", 0, place) : whole.find(b"\n", place)]
            usage = fields((parsed(b"{" + line.partition(b"{")[2]) or {}).get("usage"))
            self._prompt = {**_usage(usage), "output_tokens": 0} if usage else {}
        return super().reply(reply)

    def chunk(self, chunk: Mapping[str, Any], block: Block) -> bytes:
        events = [] if self._started or not chunk.keys() & {"id", "choices"} else [self._start(chunk)]
        choices = objects(chunk.get("choices"))
        error = error_of(chunk)
        for choice in choices:
            if choice.get("index") in (None, 0, "0"):
                delta = choice.get("delta")
                events += self._delta(fields(delta))
                if (reason := choice.get("finish_reason")) and error is None:
                    self._finish = {"stop_reason": _STOP_REASONS.get(str(reason), str(reason)), "stop_sequence": None}
        if isinstance(usage := chunk.get("usage"), dict):
            events += self._end(_usage(cast("dict[str, Any]", usage)))
        if error is not None:
            events += [*self._flushed(), self.error(error, 200)]
        out = b""
        for event in events:
            out += _named(event, block)
            block = block.plain()
        return out

    def is_own(self, body: Mapping[str, Any]) -> bool:
        return isinstance(body.get("type"), str)

    def flush(self) -> bytes:
        return b"".join(map(_named, self._flushed()))

    def done(self, block: Block) -> bytes:
        return _named({"type": "message_stop"}, block)

    def comment(self, block: Block) -> bytes:
        return block.plain().saying("ping", {"type": "ping"})

    def completion(self, body: Mapping[str, Any]) -> dict[str, Any]:
        choice = objects(body["choices"])[0]
        message = fields(choice.get("message"))
        content: list[dict[str, Any]] = []
        if thought := message.get("reasoning"):
            content.append({"type": "thinking", "thinking": thought, "signature": ""})
        if text := text_of(message.get("content")):
            content.append({"type": "text", "text": text})
        for call in objects(message.get("tool_calls")):
            function = cast("dict[str, Any]", call["function"])
            arguments = json.loads(function["arguments"] or "{}")
            content.append({"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments})
        if (error := error_of(body)) is not None:
            return self.error(error, 200)
        reason = choice.get("finish_reason")
        made = {"id": body.get("id"), "type": "message", "role": "assistant", "model": body.get("model")}
        ending = {"stop_reason": _STOP_REASONS.get(str(reason), reason), "stop_sequence": None}
        usage = body.get("usage")
        counts = {"usage": _usage(cast("dict[str, Any]", usage))} if isinstance(usage, dict) else {}
        return {**made, "content": content, **ending, **counts}

    def error(self, error: Mapping[str, Any], status: int) -> dict[str, Any]:
        code, message = error.get("code"), str(error.get("message", ""))
        named = str(fields(error.get("metadata")).get("error_type"))
        if isinstance(code, str) and code.isdigit():
            code = int(code)
        if named in _SENTENCES:
            message = f"{_SENTENCES[named]}: {message}"
        number = status if status >= 400 else code
        kind = _NAMED.get(named) or _TYPES.get(number, "api_error") if isinstance(number, int) else "api_error"
        return _error(kind, message)

    def _start(self, chunk: Mapping[str, Any]) -> dict[str, Any]:
        self._started = True
        message: dict[str, Any] = {
            "id": chunk.get("id") or GENERATION_ID,
            "type": "message",
            "role": "assistant",
            "content": [],
        }
        message |= {"model": chunk.get("model"), "stop_reason": None, "stop_sequence": None}
        if self._prompt:
            message["usage"] = self._prompt
        return {"type": "message_start", "message": message}

    def _delta(self, delta: Mapping[str, Any]) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        details = objects(delta.get("reasoning_details"))
        thought = delta.get("reasoning") or delta.get("reasoning_content")
        if thought and not details:
            events += self._piece("thinking", _THINKING, thinking=str(thought))
        for detail in details:
            events += self._thinking(detail)
        if text := text_of(delta.get("content")):
            events += self._piece("text", {"type": "text", "text": ""}, text=text)
        for call in objects(delta.get("tool_calls")):
            events += self._call(call)
        return events

    def _thinking(self, detail: Mapping[str, Any]) -> list[dict[str, Any]]:
        if detail.get("type") == "reasoning.encrypted":
            block = {"type": "redacted_thinking", "data": detail.get("data")}
            return [*self._begin(object(), block), *self._close()]
        events = self._piece("thinking", _THINKING, thinking=detail["text"]) if detail.get("text") else []
        return events + (
            self._piece("thinking", _THINKING, signature=detail["signature"]) if detail.get("signature") else []
        )

    def _call(self, call: Mapping[str, Any]) -> list[dict[str, Any]]:
        function = fields(call.get("function"))
        place, call_id = call.get("index"), call.get("id")
        if call_id:
            self._calls[place] = call_id
        block: dict[str, Any] = {"type": "tool_use", "id": call_id, "name": function.get("name"), "input": {}}
        arguments = function.get("arguments")
        text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, separators=(",", ":"))
        return self._piece(
            ("tool", place, self._calls.get(place)), block, partial_json="" if arguments is None else text
        )

    def _piece(self, kind: object, block: dict[str, Any], **field: str) -> list[dict[str, Any]]:
        """Say a piece of a block, which begins if it is not open; only calls are open side by side."""
        opening = [] if kind in self._open else self._begin(kind, block)
        ((name, value),) = field.items()
        delta = {"type": "input_json_delta" if name == "partial_json" else f"{name}_delta", name: value}
        return [*opening, {"type": "content_block_delta", "index": self._open[kind], "delta": delta}]

    def _begin(self, kind: object, block: dict[str, Any]) -> list[dict[str, Any]]:
        side_by_side = isinstance(kind, tuple) and all(isinstance(other, tuple) for other in self._open)
        closed = [] if side_by_side else self._close()
        self._index += 1
        self._open[kind] = self._index
        return [*closed, {"type": "content_block_start", "index": self._index, "content_block": block}]

    def _close(self) -> list[dict[str, Any]]:
        indices = list(self._open.values())
        self._open.clear()
        return [{"type": "content_block_stop", "index": index} for index in indices]

    def _flushed(self) -> list[dict[str, Any]]:
        return [] if self._finish is None else self._end({})

    def _end(self, usage: dict[str, Any]) -> list[dict[str, Any]]:
        delta, self._finish = self._finish or {}, None
        event = {"type": "message_delta", "delta": delta, **({"usage": usage} if usage else {})}
        return [*(self._close() if delta else []), event]
