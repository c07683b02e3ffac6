"""What the server says, as bytes: the answers of OpenRouter's chat API, rendered before they are asked for.

A model's name says what it answers: `bench/KIND-CHUNKS-RATE-BYTES`, such as `bench/paced-100-50-5`: a hundred chunks of
at least five bytes of text, fifty a second. The kinds are `burst` (writes of 64 KiB), `packet` (one write an event),
`paced` (one write an event, at its time), `tools` (the deltas of one tool call's arguments, in writes of 64 KiB) and
`hold` (one chunk, and then silence).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

__all__ = ["COST", "TIMESTAMP", "Answer", "Model", "completion_body", "render", "timed_event"]

COST = 0.00015
"""What every answer says that it cost."""

TIMESTAMP = 17
"""How many characters of a paced chunk's text are the monotonic time, in seconds, at which it was sent."""

_WRITE = 65536
_MODEL = re.compile(rb"bench/([a-z]+)-(\d+)-(\d+)-(\d+)")
_DONE = b"data: [DONE]\n\n"
_COMMENT = b": OPENROUTER PROCESSING\n\n"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"
_USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "cost": COST,
    "is_byok": False,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
    "cost_details": {"upstream_inference_cost": COST},
}
_ENVELOPE = {"id": "gen-1700000000-bench", "created": 1700000000, "model": "bench/model", "provider": "Bench"}


class Model(NamedTuple):
    """What a model answers; see the module's docstring."""

    kind: str
    chunks: int
    rate: int = 0
    size: int = 6

    @property
    def name(self) -> str:
        """The name under which the server knows it."""
        return f"bench/{self.kind}-{self.chunks}-{self.rate}-{self.size}"

    @staticmethod
    def asked_for(request: bytes) -> Model | None:
        """Return the model that a request's body names, if it is one of this server's."""
        match = _MODEL.search(request)
        return None if match is None else Model(match[1].decode(), int(match[2]), int(match[3]), int(match[4]))


@dataclass(frozen=True, slots=True)
class Answer:
    """One streamed answer, in HTTP chunks of one event each.

    Attributes:
        writes: What is written at once, or for a paced answer what is written first.
        before: The beginning of a paced event, up to its timestamp.
        after: The rest of it.
        end: What follows the last paced event.
    """

    writes: tuple[bytes, ...]
    before: bytes = b""
    after: bytes = b""
    end: bytes = b""

    @property
    def body(self) -> bytes:
        """The answer's bytes without HTTP's framing."""
        framed = b"".join(self.writes).partition(b"\r\n\r\n")[2]
        return b"".join(_unframed(framed))


def _unframed(framed: bytes) -> list[bytes]:
    parts: list[bytes] = []
    at = 0
    while at < len(framed):
        start = framed.index(b"\r\n", at) + 2
        end = start + int(framed[at : start - 2], 16)
        parts.append(framed[start:end])
        at = end + 2
    return parts


def _event(delta: dict[str, Any] | None, *, finish: str | None = None, usage: bool = False) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "native_finish_reason": finish, "logprobs": None}
    chunk: dict[str, Any] = {**_ENVELOPE, "object": "chat.completion.chunk", "system_fingerprint": None}
    chunk["choices"] = [] if delta is None else [choice]
    if usage:
        chunk["usage"] = _USAGE
    return b"data: %s\n\n" % json.dumps(chunk).encode()


def _framed(event: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(event), event)


def _text(text: str) -> bytes:
    return _event({"role": "assistant", "content": text})


def _deltas(model: Model) -> list[bytes]:
    if model.kind != "tools":
        # LiteLLM takes an answer that repeats itself for a broken one.
        texts = [_text(letter * (model.size - 1) + " ") for letter in "abcdefghij"]
        return [texts[i % len(texts)] for i in range(model.chunks)]
    start = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "write", "arguments": '{"text":"'}}
    middle = _event({"tool_calls": [{"index": 0, "function": {"arguments": "x" * model.size}}]})
    end = _event({"tool_calls": [{"index": 0, "function": {"arguments": '"}'}}]})
    return [_event({"role": "assistant", "content": None, "tool_calls": [start]}), *[middle] * (model.chunks - 2), end]


@lru_cache
def render(model: Model) -> Answer:
    """Return a model's answer."""
    last = _event({"role": "assistant", "content": ""}, finish="tool_calls" if model.kind == "tools" else "stop")
    end = [last, _event(None, usage=True), _DONE]
    if model.kind == "hold":
        return Answer((_HEAD + _framed(_COMMENT) + _framed(_text("x")),))
    if model.kind == "paced":
        text = "0" * TIMESTAMP + " " * max(0, model.size - TIMESTAMP)
        before, mark, after = _framed(_text(text)).partition(b"0" * TIMESTAMP)
        if not mark:
            raise AssertionError("a paced event must hold its timestamp")
        return Answer((_HEAD + _framed(_COMMENT),), before, after, b"".join(map(_framed, end)) + _END)
    events = [_framed(event) for event in (_COMMENT, *_deltas(model), *end)]
    if model.kind == "packet":
        return Answer((_HEAD, *events, _END))
    whole = _HEAD + b"".join(events) + _END
    return Answer(tuple(whole[start : start + _WRITE] for start in range(0, len(whole), _WRITE)))


def timed_event(answer: Answer, now: float) -> bytes:
    """Return the next event of a paced answer."""
    return b"%s%0*.6f%s" % (answer.before, TIMESTAMP, now, answer.after)


def completion_body() -> bytes:
    """Return the whole response to a request that does not stream: about three hundred tokens of text."""
    message = {"role": "assistant", "content": "word " * 300, "refusal": None, "reasoning": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    completion = {**_ENVELOPE, "object": "chat.completion", "system_fingerprint": None}
    body = json.dumps({**completion, "choices": [choice], "usage": _USAGE}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
