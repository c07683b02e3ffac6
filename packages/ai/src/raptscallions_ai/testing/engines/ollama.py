"""`FakeOllama`: a server on loopback that speaks Ollama's own API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai.testing.engines.blocks import as_json
from raptscallions_ai.testing.engines.translation import Translation, error_of, fields, objects, text_of
from raptscallions_ai.testing.gateway import FakeGateway

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.testing.engines.blocks import Block
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
    """A fake Ollama server for tests: the scripts of `FakeGateway`, lines in Ollama's own dialect.

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


# OpenRouter's names of failures that Ollama has a sentence for.
_SENTENCES = {"context_length_exceeded": "the request exceeds the available context size"}


def _line(document: Mapping[str, Any], *, ascii_only: bool = True, ending: bytes = b"\n") -> bytes:
    return as_json(document, ascii_only=ascii_only) + ending


class _LinesTranslation(Translation):
    media_type: str = _LINES

    def __init__(self) -> None:
        self._model: object = _MODEL
        self._calls: dict[object, dict[str, str]] = {}  # by place and id, because Ollama sends calls whole
        self._ids: dict[object, object] = {}  # the id of the last call at each place
        self._finish: str | None = None  # held back, because usage stands on the same line
        self._usage: Mapping[str, Any] | None = None  # held back until the finish

    def chunk(self, chunk: Mapping[str, Any], block: Block) -> bytes:
        self._model = chunk.get("model") or self._model
        lines: list[dict[str, Any]] = []
        error = error_of(chunk)
        if isinstance(usage := chunk.get("usage"), dict):
            self._usage = cast("dict[str, Any]", usage)
        for choice in objects(chunk.get("choices")):
            if choice.get("index") in (None, 0, "0"):
                delta, reason = choice.get("delta"), choice.get("finish_reason")
                lines += self._delta(fields(delta), choice)
                self._finish = self._finish if error or not reason else reason
        if error is not None:
            self._finish = None
            lines += [*self._whole_calls(), self.error(error, 200)]
        elif self._finish is not None and self._usage is not None:
            lines += self._end(self._usage)
        ending = block.line_end if block.ending else b""
        return block.mark + b"".join(_line(line, ascii_only=block.is_ascii, ending=ending) for line in lines)

    def flush(self) -> bytes:
        return b"".join(map(_line, self._whole_calls() if self._finish is None else self._end(self._usage)))

    def done(self, block: Block) -> bytes:
        """Say the last line, if all was lines that it needs; there is no other end mark."""
        return b"" if self._usage is None else b"".join(map(_line, self._end(self._usage)))

    def comment(self, block: Block) -> bytes:
        return b"\n"

    def other(self, block: Block) -> bytes:
        """Return what a block has for its data, which is all that a line can have."""
        if block.data is None:
            return block.raw if block.before else block.ending
        return block.data + (block.line_end if block.ending else b"")

    def completion(self, body: Mapping[str, Any]) -> dict[str, Any]:
        choice = objects(body["choices"])[0]
        message = fields(choice.get("message"))
        made: dict[str, Any] = {"role": "assistant", "content": text_of(message.get("content"))}
        if thought := message.get("reasoning"):
            made["thinking"] = thought
        if calls := [_call(call["id"], call["function"]) for call in objects(message.get("tool_calls"))]:
            made["tool_calls"] = calls
        if (error := error_of(body)) is not None:
            return self.error(error, 200)
        usage = cast("dict[str, Any] | None", body.get("usage"))
        ending = _ending(choice.get("finish_reason"), usage)
        return {"model": body.get("model"), "created_at": _AT, "message": made, **ending}

    def error(self, error: Mapping[str, Any], status: int) -> dict[str, Any]:
        message = str(error.get("message", ""))
        named = str(fields(error.get("metadata")).get("error_type"))
        return {"error": f"{_SENTENCES[named]}: {message}" if named in _SENTENCES else message}

    def _delta(self, delta: Mapping[str, Any], choice: Mapping[str, Any]) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        if thought := _thought(delta):
            lines.append(self._piece(content="", thinking=thought))
        text = text_of(delta.get("content"))
        if text or not (thought or delta.get("tool_calls") or choice.get("finish_reason")):
            lines.append(self._piece(content=text))
        if logprobs := objects(fields(choice.get("logprobs")).get("content")):
            lines[-1]["logprobs"] = logprobs
        for call in objects(delta.get("tool_calls")):
            function = fields(call.get("function"))
            place = call.get("index")
            self._ids[place] = call.get("id") or self._ids.get(place)
            whole = self._calls.setdefault((place, self._ids[place]), {"id": "", "name": "", "arguments": ""})
            whole["id"] = str(self._ids[place] or "")
            whole["name"] = function.get("name") or whole["name"]
            arguments = function.get("arguments") or ""
            whole["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments)
        return lines

    def _whole_calls(self) -> list[dict[str, Any]]:
        calls, self._calls = [_call(call["id"], call) for call in self._calls.values()], {}
        return [self._piece(content="", tool_calls=calls)] if calls else []

    def _end(self, usage: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        lines, reason = self._whole_calls(), self._finish
        self._finish = self._usage = None
        message = {"role": "assistant", "content": ""}
        return [*lines, {"model": self._model, "created_at": _AT, "message": message, **_ending(reason, usage)}]

    def _piece(self, **fields: Any) -> dict[str, Any]:
        message = {"role": "assistant", **fields}
        return {"model": self._model, "created_at": _AT, "message": message, "done": False}


def _thought(delta: Mapping[str, Any]) -> str:
    texts = [detail.get("text") for detail in objects(delta.get("reasoning_details"))]
    return delta.get("reasoning") or delta.get("reasoning_content") or "".join(text for text in texts if text)


def _call(call_id: str, function: Mapping[str, Any]) -> dict[str, Any]:
    try:
        arguments = json.loads(function["arguments"] or "{}")
    except ValueError:
        arguments = {}
    named: dict[str, Any] = {"id": call_id} if call_id else {}
    return {**named, "function": {"index": 0, "name": function["name"], "arguments": arguments}}


def _ending(reason: str | None, usage: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what ends an answer; counts that are zero are left out, and times stand beside any."""
    counts: dict[str, Any] = {}
    if usage:
        figures = {"prompt_eval_count": usage.get("prompt_tokens"), "eval_count": usage.get("completion_tokens")}
        counts = {name: count for name, count in figures.items() if count}
        counts |= {"total_duration": 2_000_000_000, "eval_duration": 1_000_000_000}
    return {"done": True, "done_reason": "stop" if reason in (None, "tool_calls") else reason, **counts}
