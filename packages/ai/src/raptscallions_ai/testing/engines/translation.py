"""What a scripted reply of the fake gateway says, apart from how it is spelt, so that other engines can say the same.

Whole events and whole JSON bodies are translated; everything else, such as half an event or HTML, is sent as it is. So
a fault that is about the bytes stays the same fault.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai.testing.replies import Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.testing.replies import Step

__all__ = ["Translation", "content_type"]

_DONE = "[DONE]"


class Translation(ABC):
    """Say one reply in another dialect; one for each reply, because a stream has a state."""

    media_type: str = "text/event-stream"

    @abstractmethod
    def chunk(self, chunk: Mapping[str, Any]) -> bytes:
        """Return a chunk of a stream, which may be nothing if the next one has to be waited for."""

    @abstractmethod
    def flush(self) -> bytes:
        """Return what was held back, because nothing follows soon."""

    @abstractmethod
    def done(self) -> bytes:
        """Return the end mark."""

    @abstractmethod
    def comment(self, line: bytes) -> bytes:
        """Return what keeps the connection alive."""

    @abstractmethod
    def completion(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of an answer that was not streamed."""

    @abstractmethod
    def error(self, error: Mapping[str, Any], status: int) -> dict[str, Any]:
        """Return the body of an error."""

    def is_own(self, body: Mapping[str, Any]) -> bool:
        """Whether a body is in this dialect already."""
        return False

    def reply(self, reply: Reply) -> Reply:
        """Return the reply in this dialect."""
        if reply.framing == "raw":
            return reply
        headers = {name.lower(): value for name, value in reply.headers.items()}
        whole = b"".join(step for step in reply.steps if isinstance(step, bytes))
        if (body := _parsed(whole)) is not None:
            return self._document(reply, body, headers)
        steps: list[Step] = []
        for step in reply.steps:
            if isinstance(step, bytes):
                steps.append(self._events(step))
            else:
                steps += [self.flush(), step]
        steps.append(self.flush())
        if content_type(headers) == "text/event-stream":
            headers["content-type"] = self.media_type
        filled = tuple(step for step in steps if step != b"") or reply.steps
        return Reply(filled, reply.status, headers, reply.framing, reply.before_headers)

    def _document(self, reply: Reply, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        error = body.get("error")
        if self.is_own(body):
            return reply
        if isinstance(error, dict):
            answer = self.error(cast("dict[str, Any]", error), reply.status)
        elif "choices" in body:
            answer = self.completion(body)
        else:
            return reply
        headers.pop("content-length", None)
        return json_reply(answer, status=reply.status, headers=headers)

    def _events(self, data: bytes) -> bytes:
        """Translate the events of one step; what is no whole event passes through."""
        if not data.endswith(b"\n\n") or b"\r" in data:
            return self.flush() + data
        return b"".join(self._event(block) for block in data[:-2].split(b"\n\n"))

    def _event(self, block: bytes) -> bytes:
        if block.startswith(b":"):
            return self.comment(block)
        if not block.startswith(b"data: ") or b"\n" in block:
            return self.flush() + block + b"\n\n"
        payload = block[len(b"data: ") :]
        if payload.decode("utf-8", "replace") == _DONE:
            return self.flush() + self.done()
        chunk = _parsed(payload)
        return self.flush() + block + b"\n\n" if chunk is None else self.chunk(chunk)


def content_type(headers: Mapping[str, str]) -> str:
    """Return the media type of headers with lower-case names, which a reply has by default."""
    return headers.get("content-type", "text/event-stream").partition(";")[0].strip()


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        value: object = json.loads(data)
    except ValueError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
