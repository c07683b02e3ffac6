"""`AnthropicDialect`: Anthropic Messages, as Anthropic has them and everybody who offers the same API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai._dialects.anthropic.encode import MessagesModel, messages_body
from raptscallions_ai._dialects.anthropic.reader import AnthropicReader
from raptscallions_ai._dialects.dialect import Encoded
from raptscallions_ai._dialects.failures import read_failure
from raptscallions_ai._dialects.json import json_object
from raptscallions_ai._dialects.prefill import continued

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from raptscallions_ai._dialects.dialect import Framing, ModelFacts
    from raptscallions_ai._dialects.failure import Failure
    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai._dialects.request import ChatRequest
    from raptscallions_ai.answer.result import ChatResult

__all__ = ["AnthropicDialect"]

_PATH = "/v1/messages"
_BETAS = "anthropic-beta"
# A spending limit is reported as a throttle, but waiting does not help.
_OUT_OF_CREDIT = frozenset({"enforced_spend_limit_reached", "contract_spend_limit_reached"})


class AnthropicDialect:
    """Anthropic Messages.

    Args:
        origin: The place that is asked, by which it is known whose signed blocks a conversation has.
        at_anthropic: Whether that is Anthropic itself.
        version: The `anthropic-version` to ask for.
        betas: Features to ask for in `anthropic-beta`.
        max_tokens: The limit of an answer's tokens where a call sets none; the API must be given one.
    """

    name: str = "anthropic"
    framing: Framing = "sse"
    id_headers: tuple[str, ...] = ("request-id",)

    def __init__(
        self, origin: str, *, at_anthropic: bool, version: str, betas: Sequence[str] = (), max_tokens: int | None = None
    ) -> None:
        self._origin = origin
        self._at_anthropic = at_anthropic
        self._max_tokens = max_tokens
        self.headers: dict[str, str] = {"anthropic-version": version}
        if betas:
            self.headers[_BETAS] = ",".join(betas)

    def encode(self, request: ChatRequest, facts: ModelFacts) -> Encoded:
        """Return what to send.

        Raises:
            NotSupportedError: The API has no counterpart for something that the request asks for.
        """
        model = MessagesModel(
            at_anthropic=self._at_anthropic,
            max_tokens=self._max_tokens or facts.max_tokens,
            adaptive_thinking=facts.adaptive_thinking,
            structured_outputs=facts.structured_outputs,
        )
        body = messages_body(request.fields(), model, origin=self._origin)
        accept = "text/event-stream" if request.stream else "application/json"
        headers = {"Accept": accept, **self._with_headers(request.headers)}
        return Encoded(_PATH, request.respelt(body).body, headers, request.query)

    def _with_headers(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of a call over the client's own; betas are joined, not replaced."""
        own = {name: value for name, value in self.headers.items() if name not in map(str.lower, given)}
        if (betas := self.headers.get(_BETAS)) is None:
            return {**own, **given}
        return {
            **own,
            **{name: f"{betas},{value}" if name.lower() == _BETAS else value for name, value in given.items()},
        }

    def reader(self, fold: Fold) -> AnthropicReader:
        """Return what reads one answer into a fold."""
        return AnthropicReader(fold, origin=self._origin)

    def failure(self, body: object, status: int, headers: Mapping[str, str]) -> Failure:
        """Read the response to a request that failed."""
        failure = read_failure(body, status=status, headers=headers)
        if json_object(failure.body.get("details")).get("error_code") in _OUT_OF_CREDIT:
            failure.error_type = "billing_error"
        elif failure.error_type == "request_too_large":  # of too many bytes, which says nothing of the context
            failure.error_type = "payload_too_large"
        return failure

    def learn(self, request: ChatRequest, message: str) -> str | None:
        """Return None: there is only one way to write each request."""
        return None

    def continuing(self, request: ChatRequest, answer: ChatResult, *, known: bool | None) -> ChatRequest | None:
        """Return the request with the text so far as a trailing assistant message, or None if the model takes none."""
        return continued(request, answer, known=known)

    def __repr__(self) -> str:
        return f"AnthropicDialect(origin={self._origin!r})"
