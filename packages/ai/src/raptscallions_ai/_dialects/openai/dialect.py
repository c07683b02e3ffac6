"""`OpenAIDialect`: chat completions as OpenAI, OpenRouter and most gateways have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.dialect import Encoded
from raptscallions_ai._dialects.failures import read_failure
from raptscallions_ai._dialects.json import json_list
from raptscallions_ai._dialects.openai.history import fitting_messages
from raptscallions_ai._dialects.openai.reader import OpenAIReader
from raptscallions_ai._dialects.openai.spelling import NO_USAGE_ASKED, lesson_of, respelt, spelt_for
from raptscallions_ai._dialects.prefill import continued

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai._dialects.dialect import Framing, ModelFacts
    from raptscallions_ai._dialects.failure import Failure
    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai._dialects.openai.preset import Preset
    from raptscallions_ai._dialects.request import ChatRequest
    from raptscallions_ai.answer.result import ChatResult

__all__ = ["OpenAIDialect"]

_PATH = "/chat/completions"
_MARKS = (b'"native"', b'"tool_calls"', b'"tool_call_id"')  # of messages that may not fit as they are
_MOST_MODELS = 256  # whose spellings are remembered


class OpenAIDialect:
    """The dialect whose shapes are this library's own, so that a request is sent as it is.

    Args:
        preset: How the host differs from that; None for not at all.
    """

    name: str = "openai"
    framing: Framing = "sse"
    id_headers: tuple[str, ...] = ("x-generation-id",)

    def __init__(self, preset: Preset | None = None) -> None:
        self._preset = preset
        self._lessons: dict[str, tuple[str, ...]] = {}

    def encode(self, request: ChatRequest, facts: ModelFacts) -> Encoded:
        """Return what to send.

        Raises:
            NotSupportedError: The host refuses an option of the request.
        """
        accept = "text/event-stream" if request.stream else "application/json"
        headers = {"Accept": accept, **request.headers}
        lessons = self._lessons.get(request.model, ())
        if self._preset is not None or lessons or any(mark in request.body for mark in _MARKS):
            request = request.respelt(self._spelt(request, lessons))
        return Encoded(_PATH, request.body, headers, request.query)

    def reader(self, fold: Fold) -> OpenAIReader:
        """Return what reads one answer into a fold."""
        reports_usage = self._preset is None or self._preset.require_usage
        if not reports_usage or NO_USAGE_ASKED in self._lessons.get(fold.asked_model, ()):
            fold.excuse_usage()
        return OpenAIReader(fold)

    def failure(self, body: object, status: int, headers: Mapping[str, str]) -> Failure:
        """Read the response to a request that failed."""
        return read_failure(body, status=status, headers=headers)

    def learn(self, request: ChatRequest, message: str) -> str | None:
        """Take in a refusal; return the spelling that the model gets from now on, or None if none would help."""
        known = self._lessons.get(request.model, ())
        lesson = lesson_of(message, self._spelt(request, known))
        if lesson is None or lesson in known:
            return None
        if request.model not in self._lessons and len(self._lessons) >= _MOST_MODELS:
            del self._lessons[next(iter(self._lessons))]
        self._lessons[request.model] = (*known, lesson)
        return lesson

    def continuing(self, request: ChatRequest, answer: ChatResult, *, known: bool | None) -> ChatRequest | None:
        """Return the request with the text so far as a trailing assistant message, or None if the model takes none."""
        if known is None and self._preset is not None and self._preset.prefill_mark:
            known = True
        return continued(request, answer, known=known)

    def _spelt(self, request: ChatRequest, lessons: tuple[str, ...]) -> dict[str, Any]:
        body = request.fields()
        documented_only = self._preset is not None and self._preset.documented_fields_only
        body["messages"] = fitting_messages(json_list(body.get("messages")), documented_only=documented_only)
        if self._preset is not None:
            body = spelt_for(body, self._preset)
        return respelt(body, lessons)

    def __repr__(self) -> str:
        return f"OpenAIDialect({'' if self._preset is None else self._preset.name})"
