"""`OllamaDialect`: Ollama's own API, as the server on this machine has it and its cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai._dialects.dialect import Encoded
from raptscallions_ai._dialects.failures import read_failure
from raptscallions_ai._dialects.ollama.encode import OllamaDefaults, chat_body
from raptscallions_ai._dialects.ollama.reader import OllamaReader
from raptscallions_ai._dialects.prefill import continued

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai._dialects.dialect import Framing, ModelFacts
    from raptscallions_ai._dialects.failures import Failure
    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai._dialects.request import ChatRequest
    from raptscallions_ai.answer.result import ChatResult

__all__ = ["OllamaDialect"]

_PATH = "/api/chat"


class OllamaDialect:
    """Ollama's `/api/chat`.

    Args:
        defaults: What is asked for in every call.
    """

    name: str = "ollama"
    framing: Framing = "lines"
    id_headers: tuple[str, ...] = ()

    def __init__(self, defaults: OllamaDefaults) -> None:
        self._defaults = defaults

    def encode(self, request: ChatRequest, facts: ModelFacts) -> Encoded:
        """Return what to send.

        Raises:
            NotSupportedError: Ollama has no counterpart for something that the request asks for.
        """
        body = chat_body(request.fields(), self._defaults)
        headers = {"Accept": "application/x-ndjson", **request.headers}
        return Encoded(_PATH, request.respelt(body).body, headers, request.query)

    def reader(self, fold: Fold) -> OllamaReader:
        """Return what reads one answer into a fold."""
        return OllamaReader(fold)

    def failure(self, body: object, status: int, headers: Mapping[str, str]) -> Failure:
        """Read the response to a request that failed."""
        return read_failure(body, status=status, headers=headers)

    def learn(self, request: ChatRequest, message: str) -> str | None:
        """Return None: there is one spelling only."""
        return None

    def continuing(self, request: ChatRequest, answer: ChatResult, *, known: bool | None) -> ChatRequest | None:
        """Return the request with the text so far as a trailing assistant message, or None if the model takes none."""
        return continued(request, answer, known=known)

    def __repr__(self) -> str:
        return "OllamaDialect()"
