"""`OpenAIDialect`: chat completions as OpenAI, OpenRouter and most gateways have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.dialect import Encoded
from raptscallions_ai._dialects.failures import read_failure
from raptscallions_ai._dialects.json import json_list, json_object
from raptscallions_ai._dialects.openai.reader import OpenAIReader
from raptscallions_ai._dialects.prefill import continued

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai._dialects.dialect import Framing, ModelFacts
    from raptscallions_ai._dialects.failures import Failure
    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai._dialects.request import ChatRequest
    from raptscallions_ai.answer.result import ChatResult

__all__ = ["OpenAIDialect"]

_PATH = "/chat/completions"


class OpenAIDialect:
    """The dialect whose shapes are this library's own, so that a request is sent as it is."""

    name: str = "openai"
    framing: Framing = "sse"
    id_headers: tuple[str, ...] = ("x-generation-id",)

    def encode(self, request: ChatRequest, facts: ModelFacts) -> Encoded:
        """Return what to send."""
        accept = "text/event-stream" if request.stream else "application/json"
        if b'"native"' in request.body:
            request = request.respelt(_without_native(request.fields()))
        return Encoded(_PATH, request.body, {"Accept": accept, **request.headers}, request.query)

    def reader(self, fold: Fold) -> OpenAIReader:
        """Return what reads one answer into a fold."""
        return OpenAIReader(fold)

    def failure(self, body: object, status: int, headers: Mapping[str, str]) -> Failure:
        """Read the response to a request that failed."""
        return read_failure(body, status=status, headers=headers)

    def continuing(self, request: ChatRequest, begun: ChatResult, *, known: bool | None) -> ChatRequest | None:
        """Return the request with the text so far as a trailing assistant message, or None if the model takes none."""
        return continued(request, begun, known=known)

    def __repr__(self) -> str:
        return "OpenAIDialect()"


def _without_native(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out what engines of other dialects said in their own form: it is for them alone."""
    messages = [json_object(message) for message in json_list(body.get("messages"))]
    kept = [{name: value for name, value in message.items() if name != "native"} for message in messages]
    return {**body, "messages": kept}
