"""`ProxyDialect`: `POST /api/stream`, as proxies for agents have it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from raptscallions_ai._dialects.dialect import Encoded
from raptscallions_ai._dialects.failures import read_failure
from raptscallions_ai._dialects.json import json_object, with_floats
from raptscallions_ai._dialects.prefill import continued
from raptscallions_ai._dialects.proxy.encode import stream_body
from raptscallions_ai._dialects.proxy.failures import error_of
from raptscallions_ai._dialects.proxy.reader import ProxyReader
from raptscallions_ai.errors import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai._dialects.dialect import Framing, ModelFacts
    from raptscallions_ai._dialects.failures import Failure
    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai._dialects.request import ChatRequest
    from raptscallions_ai.answer.result import ChatResult

__all__ = ["CALL_ID", "ProxyDialect"]

CALL_ID = "raptscallions-call"
"""The header of a request here that names its call; what is sent of it is an `Idempotency-Key`."""

_PATH = "/api/stream"
_KEY = "Idempotency-Key"


class ProxyDialect:
    """A proxy's `/api/stream`.

    Whether the proxy is one of ours, which understands more than the documented wire, its first answer tells. A proxy
    that is not is asked for no more than that from then on.

    Args:
        unnamed: The name that stands for no model, which leaves the choice to the proxy.
    """

    name: str = "proxy"
    framing: Framing = "sse"
    id_headers: tuple[str, ...] = ()

    def __init__(self, *, unnamed: str) -> None:
        self._unnamed = unnamed
        self._is_ours: bool | None = None
        self._asked_for_more = False  # while it is not known whether the proxy is ours

    def encode(self, request: ChatRequest, facts: ModelFacts) -> Encoded:
        """Return what to send.

        Raises:
            NotSupportedError: The proxy is known not to be ours, and the request has something that only ours knows.
        """
        fields, needs_ours = stream_body(request.fields(), unnamed=self._unnamed)
        if needs_ours and self._is_ours is False:
            raise NotSupportedError("this proxy knows tinyagent's own options, texts and images; leave out the others")
        self._asked_for_more = self._asked_for_more or needs_ours
        body = request.respelt(fields).body
        headers = {"Accept": "text/event-stream", **request.headers}
        if (call := headers.pop(CALL_ID, None)) is not None:
            # A retry is the same request. Another model, or a continuation, is another one.
            headers[_KEY] = f"{call}-{hashlib.sha256(body).hexdigest()[:16]}"
        return Encoded(_PATH, body, headers, request.query)

    def reader(self, fold: Fold) -> ProxyReader:
        """Return what reads one answer into a fold."""
        return ProxyReader(fold, self._learn_kind)

    def failure(self, body: object, status: int, headers: Mapping[str, str]) -> Failure:
        """Read the response to a request that failed."""
        failure = read_failure(body, status=status, headers=headers)
        failure.typed = error_of(json_object(with_floats(json_object(body).get("failure"))))
        return failure

    def learn(self, request: ChatRequest, message: str) -> str | None:
        """Return None: there is one spelling only."""
        return None

    def continuing(self, request: ChatRequest, answer: ChatResult, *, known: bool | None) -> ChatRequest | None:
        """Return the request with the text so far as a trailing assistant message, or None if the model takes none."""
        return continued(request, answer, known=known)

    def _learn_kind(self, is_ours: bool) -> bool:
        """Note whether the proxy is one of ours; return whether it understands what was sent."""
        self._is_ours = is_ours
        understood = is_ours or not self._asked_for_more
        self._asked_for_more = False
        return understood

    def __repr__(self) -> str:
        return "ProxyDialect()"
