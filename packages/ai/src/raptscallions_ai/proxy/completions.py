"""The wire of OpenAI's clients: `POST /v1/chat/completions`, streamed or not.

Source: OpenAI API reference, "Create chat completion".
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, cast

import msgspec

from raptscallions_ai._dialects.json import json_object
from raptscallions_ai.options.call_options import ChatOptions
from raptscallions_ai.proxy.asked import Asked, refused
from raptscallions_ai.web.openai_chunks import completion_usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.answer.result import ChatResult
    from raptscallions_ai.answer.stream import ChatStream

__all__ = ["CompletionBody", "read_completion_request"]

# Of OpenAI's own books; none of them changes an answer.
_PASSED_OVER = frozenset({"prompt_cache_retention", "safety_identifier", "store", "stream_options"})
_FIELDS = frozenset({"messages", "model", "n", "service_tier", "stream"})
_OPTIONS = frozenset(ChatOptions.__annotations__) - {"stream"}
_encode = msgspec.json.Encoder(decimal_format="number").encode


def read_completion_request(body: Mapping[str, Any]) -> Asked:
    """Return what a request asks for.

    Raises:
        BadRequestError: It cannot be read.
    """
    given = {name: value for name, value in body.items() if value is not None and name not in _PASSED_OVER}
    messages, model, stream = given.get("messages"), given.get("model"), given.get("stream", False)
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in cast("list[object]", messages)):
        raise refused("'messages' must be a list of objects")
    if not isinstance(model, str | None):
        raise refused("'model' must be a text")
    if not isinstance(stream, bool):
        raise refused("'stream' must be true or false")
    if given.get("n", 1) != 1:
        raise refused("'n' must be 1: there is one answer to a request")
    options = {name: value for name, value in given.items() if name not in _FIELDS}
    if given.get("service_tier", "auto") != "auto":
        options["service_tier"] = given["service_tier"]
    if unknown := sorted(options.keys() - _OPTIONS):
        raise refused(f"there is no field {unknown[0]!r}")
    stream_options = json_object(body.get("stream_options"))
    return Asked(
        cast("list[Any]", messages),
        model or None,
        options,
        stream,
        include_usage=stream_options.get("include_usage") is True,
    )


class CompletionBody:
    """The body of an answer that is not streamed; its headers wait until it is whole.

    Args:
        stream: The answer.
    """

    def __init__(self, stream: ChatStream) -> None:
        self._stream = stream
        self._data: bytes | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers to send with this body."""
        return {"Content-Type": "application/json", "Cache-Control": "no-store"}

    async def open(self) -> None:
        """Wait until the answer is whole.

        Raises:
            AiError: It failed.
        """
        self._data = _encode(_completion(await self._stream.result()))

    async def aclose(self) -> None:
        """Stop: the stream is closed upstream."""
        await self._stream.aclose()

    def abandon(self) -> None:
        """Stop without waiting for the connection to close."""
        self._stream.abandon()

    def __aiter__(self) -> CompletionBody:
        return self

    async def __anext__(self) -> bytes:
        data, self._data = self._data, None
        if data is None:
            raise StopAsyncIteration
        return data


def _completion(result: ChatResult) -> dict[str, Any]:
    message = result.to_message().to_dict()
    message.setdefault("refusal", None)
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": result.finish_reason or "stop"}
    choice["logprobs"] = {"content": list(result.logprobs)} if result.logprobs else None
    if result.native_finish_reason is not None:
        choice["native_finish_reason"] = result.native_finish_reason
    body: dict[str, Any] = {
        "id": result.id or f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": result.model,
        "choices": [choice],
    }
    if result.usage.reported:
        body["usage"] = completion_usage(result.usage)
    return body
