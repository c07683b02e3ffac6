"""The content of a scripted reply, independent of the dialect, so that other engines can send the same.

Whole events and whole JSON bodies are translated; everything else, such as half an event or HTML, is sent as it is. So
a fault that is about the bytes stays the same fault.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai.testing.engines.blocks import blocks_of, recut
from raptscallions_ai.testing.replies import Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.testing.engines.blocks import Block
    from raptscallions_ai.testing.replies import Step

__all__ = ["Translation", "content_type", "error_of", "fields", "objects", "parsed", "text_of"]

_DONE = b"[DONE]"


class Translation(ABC):
    """Say one reply in another dialect; one for each reply, because a stream has a state."""

    media_type: str = "text/event-stream"

    @abstractmethod
    def chunk(self, chunk: Mapping[str, Any], block: Block) -> bytes:
        """Return a chunk of a stream; it may be empty if it depends on the next one.

        Args:
            chunk: What it says.
            block: How it was written.
        """

    @abstractmethod
    def flush(self) -> bytes:
        """Return what was held back, because nothing follows soon."""

    @abstractmethod
    def done(self, block: Block) -> bytes:
        """Return the end mark."""

    @abstractmethod
    def comment(self, block: Block) -> bytes:
        """Return what keeps the connection alive."""

    @abstractmethod
    def completion(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of an answer that was not streamed."""

    @abstractmethod
    def error(self, error: Mapping[str, Any], status: int) -> dict[str, Any]:
        """Return the body of an error."""

    def other(self, block: Block) -> bytes:
        """Return a block that says nothing of an answer, or nothing that can be read."""
        return block.raw

    def is_own(self, body: Mapping[str, Any]) -> bool:
        """Whether a body, or an event, is in this dialect already."""
        return False

    def reply(self, reply: Reply) -> Reply:
        """Return the reply in this dialect; one that is HTTP's own bytes, or compressed, is the same in all."""
        headers = {name.lower(): value for name, value in reply.headers.items()}
        if reply.framing == "raw" or "content-encoding" in headers:
            return reply
        whole = b"".join(step for step in reply.steps if isinstance(step, bytes))
        if (body := parsed(whole)) is not None:
            return self._document(reply, body, headers)
        steps: list[Step] = []
        for _, run in groupby(reply.steps, lambda step: isinstance(step, bytes)):
            together = list(run)
            if chunks := [step for step in together if isinstance(step, bytes)]:
                steps += self._translated(chunks)
            else:
                held = self.flush()
                steps += [held, *together] if held else together
        if held := self.flush():
            steps.append(held)
        if content_type(headers) == "text/event-stream":
            headers["content-type"] = headers.get("content-type", "").replace("text/event-stream", self.media_type)
            headers["content-type"] = headers["content-type"] or self.media_type
        return Reply(tuple(steps), reply.status, headers, reply.framing, reply.before_headers)

    def _document(self, reply: Reply, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        error = body.get("error")
        if self.is_own(body):
            return reply
        if isinstance(error, dict):
            answer = self.error(cast("dict[str, Any]", error), reply.status)
        elif objects(body.get("choices")):
            answer = self.completion(body)
        else:
            return reply
        headers.pop("content-length", None)
        return json_reply(answer, status=reply.status, headers=headers)

    def _translated(self, steps: list[bytes]) -> list[bytes]:
        """Translate what steps say together, and cut it where they did."""
        translated = [(len(block.raw), self._block(block)) for block in blocks_of(b"".join(steps))]
        return recut(steps, translated)

    def _block(self, block: Block) -> bytes:
        if block.data is None:
            is_comment = bool(block.before) and all(line.startswith(b":") for line in block.before)
            return self.comment(block) if is_comment else self.other(block)
        if block.data.strip() == _DONE:
            return self.flush() + self.done(block)
        chunk = parsed(block.data)
        if chunk is None or self.is_own(chunk) or not chunk.keys() & {"choices", "usage", "error"}:
            return self.flush() + self.other(block)
        if not block.ending and not block.raw.endswith(b"}"):
            return self.flush() + self.other(block)
        return self.chunk(chunk, block)


def content_type(headers: Mapping[str, str]) -> str:
    """Return the media type of headers with lower-case names, which a reply has by default."""
    return headers.get("content-type", "text/event-stream").partition(";")[0].strip()


def fields(value: object) -> dict[str, Any]:
    """Return the fields of an object; none for what is none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def objects(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list; nothing for what is none."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]


def text_of(content: object) -> str:
    """Return the text of a content, which may be a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in objects(content))


def error_of(chunk: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the error that a chunk tells, wherever in it that stands."""
    choices = objects(chunk.get("choices"))
    error: object = chunk.get("error") or next((choice["error"] for choice in choices if choice.get("error")), None)
    if error is None:
        return None
    return fields(error) or {"message": str(error)}


@lru_cache(maxsize=64)  # a scripted answer repeats itself, and nobody changes what it says
def parsed(data: bytes) -> dict[str, Any] | None:
    """Return the object that bytes are as JSON; None for what is none."""
    try:
        value: object = json.loads(data.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
