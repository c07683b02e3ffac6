"""`FakeOllama`: a server on loopback that speaks Ollama's own API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai.testing.engines.translation import Translation
from raptscallions_ai.testing.gateway import FakeGateway

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.testing.replies import Reply

__all__ = ["FakeOllama"]

_LINES = "application/x-ndjson"
_AT = "2026-01-01T00:00:00.000000000Z"
_MODEL = "qwen2.5:3b"
_SIZE = 1_929_912_432
_DETAILS = {"format": "gguf", "family": "qwen2", "parameter_size": "3.1B", "quantization_level": "Q4_K_M"}
_ENTRY = {"name": _MODEL, "model": _MODEL, "modified_at": _AT, "size": _SIZE, "details": _DETAILS}
_SHOWN = {
    "details": _DETAILS,
    "model_info": {"general.architecture": "qwen2", "general.name": "Qwen2.5 3B", "qwen2.context_length": 32768},
    "capabilities": ["completion", "tools"],
}
_LAYER = {"status": "pulling 5ee4f07cdb9b", "digest": "sha256:5ee4f07cdb9b", "total": _SIZE}
_PULL = (
    {"status": "pulling manifest"},
    {**_LAYER, "completed": _SIZE // 2},
    {**_LAYER, "completed": _SIZE},
    {"status": "verifying sha256 digest"},
    {"status": "writing manifest"},
    {"status": "success"},
)


class FakeOllama(FakeGateway):
    """A fake Ollama server for tests: the scripts of `FakeGateway`, said in Ollama's own dialect.

    `stream`, `json`, `error`, `reply` and the others mean what they mean there: what they say in chunks of a chat
    completion is sent as lines. Bytes that are no whole event are sent as they are. It has one model, and lets itself
    be asked for models, a download, and what is in memory.

    Args:
        require_key: Whether to answer 401 to requests that do not carry `api_key`.
    """

    prefix: str = ""
    chat_path: str = "/api/chat"

    def __init__(self, *, require_key: bool = False) -> None:
        super().__init__(require_key=require_key)
        self.api_key = "ollama-not-a-real-key"
        self.model = _MODEL
        self.route("GET", "/api/version").json({"version": "0.20.3"}, times=None)
        self.route("GET", "/api/tags").json({"models": [_ENTRY]}, times=None)
        self.route("GET", "/api/ps").json({"models": []}, times=None)
        self.route("POST", "/api/show").json(_SHOWN, times=None)
        self.route("POST", "/api/pull").reply(*map(_line, _PULL), headers={"content-type": _LINES}, times=None)
        self.route("DELETE", "/api/delete").reply(b"", times=None)

    def translated(self, reply: Reply) -> Reply:
        """Return a reply in the dialect of this server."""
        return _LinesTranslation().reply(reply)


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


class _LinesTranslation(Translation):
    media_type: str = _LINES

    def __init__(self) -> None:
        self._model: object = _MODEL
        self._calls: dict[object, dict[str, str]] = {}  # by index, because Ollama sends calls whole
        self._finish: str | None = None  # held back, because usage stands on the same line

    def chunk(self, chunk: Mapping[str, Any]) -> bytes:
        self._model = chunk.get("model") or self._model
        out = b""
        choices = cast("list[dict[str, Any]]", chunk.get("choices") or [])
        for choice in choices:
            out += self._delta(cast("dict[str, Any]", choice.get("delta") or {}))
            self._finish = choice.get("finish_reason") or self._finish
        if isinstance(usage := chunk.get("usage"), dict):
            out += self._end(cast("dict[str, Any]", usage))
        error = chunk.get("error") or next((choice["error"] for choice in choices if choice.get("error")), None)
        if error is not None:
            details = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": str(error)}
            out += self.flush() + _line(self.error(details, 200))
        return out

    def flush(self) -> bytes:
        return self._whole_calls() if self._finish is None else self._end({})

    def done(self) -> bytes:
        return b""

    def comment(self, line: bytes) -> bytes:
        return b"\n"

    def completion(self, body: Mapping[str, Any]) -> dict[str, Any]:
        (choice,) = cast("list[dict[str, Any]]", body["choices"])
        message = cast("dict[str, Any]", choice.get("message") or {})
        made: dict[str, Any] = {"role": "assistant", "content": message.get("content") or ""}
        if thought := message.get("reasoning"):
            made["thinking"] = thought
        if calls := [_call(call["function"]) for call in cast("list[Any]", message.get("tool_calls") or [])]:
            made["tool_calls"] = calls
        usage = cast("dict[str, Any]", body.get("usage") or {})
        return {"model": body.get("model"), "created_at": _AT, "message": made, **_ending(_reason(choice), usage)}

    def error(self, error: Mapping[str, Any], status: int) -> dict[str, Any]:
        return {"error": str(error.get("message", ""))}

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        out = b""
        if thought := delta.get("reasoning"):
            out += self._piece(content="", thinking=thought)
        if (text := delta.get("content")) and isinstance(text, str):
            out += self._piece(content=text)
        for call in cast("list[dict[str, Any]]", delta.get("tool_calls") or []):
            function = cast("dict[str, Any]", call.get("function") or {})
            whole = self._calls.setdefault(call.get("index"), {"name": "", "arguments": ""})
            for name in whole:
                whole[name] += function.get(name) or ""
        return out

    def _whole_calls(self) -> bytes:
        calls, self._calls = [_call(call) for call in self._calls.values()], {}
        return self._piece(content="", tool_calls=calls) if calls else b""

    def _end(self, usage: Mapping[str, Any]) -> bytes:
        out, reason = self._whole_calls(), self._finish
        self._finish = None
        message = {"role": "assistant", "content": ""}
        return out + _line({"model": self._model, "created_at": _AT, "message": message, **_ending(reason, usage)})

    def _piece(self, **fields: Any) -> bytes:
        message = {"role": "assistant", **fields}
        return _line({"model": self._model, "created_at": _AT, "message": message, "done": False})


def _call(function: Mapping[str, Any]) -> dict[str, Any]:
    try:
        arguments = json.loads(function["arguments"] or "{}")
    except ValueError:
        arguments = {}
    return {"function": {"index": 0, "name": function["name"], "arguments": arguments}}


def _reason(choice: Mapping[str, Any]) -> str | None:
    return choice.get("finish_reason")


def _ending(reason: str | None, usage: Mapping[str, Any]) -> dict[str, Any]:
    figures = {"prompt_eval_count": usage.get("prompt_tokens"), "eval_count": usage.get("completion_tokens")}
    counts = {name: count for name, count in figures.items() if count}
    if counts:
        counts |= {"total_duration": 2_000_000_000, "eval_duration": 1_000_000_000}
    return {"done": True, "done_reason": "stop" if reason in (None, "tool_calls") else reason, **counts}
