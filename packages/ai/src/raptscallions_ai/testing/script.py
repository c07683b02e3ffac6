"""`Script`: the replies that one route of the fake gateway will give, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from raptscallions_ai.testing.replay import recorded_reply
from raptscallions_ai.testing.replies import Framing, Reply, Step, json_reply
from raptscallions_ai.testing.wire import Answer, AnswerOptions, error_body

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self, Unpack

    from raptscallions_ai.testing.recording import RecordedRequest

__all__ = ["Responder", "Script"]

Responder: TypeAlias = "Reply | Callable[[RecordedRequest], Reply]"
"""A reply, or a function that makes it from the request; it is called in the gateway's thread."""


class Script:
    """Replies in order, and a default for when none are left.

    Every method takes `times`: how often the reply is given, or None to give it whenever nothing else is
    queued; and returns the script, so that calls can be chained.
    """

    def __init__(self, default: Responder) -> None:
        self._queue: deque[Responder] = deque()
        self._default = default

    def add(self, responder: Responder, *, times: int | None = 1) -> Self:
        """Queue a reply, or a function that makes one from the request."""
        if times is None:
            self._default = responder
        else:
            self._queue.extend([responder] * times)
        return self

    def reply(
        self,
        *steps: Step,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        framing: Framing = "chunked",
        before_headers: bool = False,
        times: int | None = 1,
    ) -> Self:
        """Queue a response of exactly these steps; the options are described on `Reply`."""
        return self.add(Reply(steps, status, headers or {}, framing, before_headers), times=times)

    def stream(self, *text: str, times: int | None = 1, **options: Unpack[AnswerOptions]) -> Self:
        """Queue a well-formed streamed answer of these text deltas; the options are described on `Answer`."""
        return self.add(Answer(text, **options).stream(), times=times)

    def json(
        self,
        body: Any,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        times: int | None = 1,
    ) -> Self:
        """Queue one JSON body; `bytes` are sent as they are."""
        return self.add(json_reply(body, status=status, headers=headers), times=times)

    def error(
        self,
        status: int,
        message: str = "Provider returned error",
        *,
        error_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        retry_after: float | str | None = None,
        headers: Mapping[str, str] | None = None,
        times: int | None = 1,
    ) -> Self:
        """Queue an error in OpenRouter's envelope.

        Args:
            status: The HTTP status, and the error's code.
            message: The error's message.
            error_type: OpenRouter's name of the failure, such as `provider_overloaded`.
            metadata: Further metadata of the error.
            retry_after: The `Retry-After` header: seconds, or any text such as an HTTP date.
            headers: Further headers.
            times: How often; None for whenever nothing else is queued.
        """
        body = error_body(status, message, error_type=error_type, metadata=metadata)
        waiting = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return self.json(body, status=status, headers={**waiting, **(headers or {})}, times=times)

    def replay(self, recording: str | Path | bytes, *, chunk_size: int | None = None, times: int | None = 1) -> Self:
        """Queue a recorded response, its body in pieces of `chunk_size` bytes; see `recorded_reply`."""
        return self.add(recorded_reply(recording, chunk_size=chunk_size), times=times)

    def choose(self, request: RecordedRequest) -> Reply:
        """Return the reply to a request, for the gateway itself."""
        responder = self._queue.popleft() if self._queue else self._default
        return responder if isinstance(responder, Reply) else responder(request)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._queue)} replies queued)"
