"""`AppError` and `AiError`, the base classes of all errors; `errors.py` has the rest, and shows the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict

from raptscallions_ai.errors.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.answer.result import Attempt, ChatResult

__all__ = ["AiError", "AppError", "ErrorFields", "rebuild"]

_LONGEST = 2000  # characters of a message


class AppError(Exception):
    """An error with a code and an HTTP status that a service can use in its own answer.

    Attributes:
        message: What went wrong, in one sentence.
        code: Machine-readable name of the kind of error.
        status_code: The HTTP status that a service would answer with.
        details: Further facts, JSON-compatible, with snake_case keys; empty when there are none.
    """

    code: str = "APP_ERROR"
    status_code: int = 500

    def __init__(self, message: str, *, status_code: int | None = None, details: dict[str, Any] | None = None) -> None:
        self.message: str = self.shown(message)
        super().__init__(self.message)
        self.details: dict[str, Any] = {k: v for k, v in (details or {}).items() if v is not None}
        if status_code is not None:
            self.status_code = status_code

    @classmethod
    def shown(cls, message: str) -> str:
        """Return a message that is safe to log: printable and on one line, even with parts that strangers chose."""
        return one_line(message, _LONGEST)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of a JSON error body, with the keys of the TypeScript sibling's `toJSON`."""
        return {
            "message": self.message,
            "code": self.code,
            "status_code": self.status_code,
            "details": self.details or None,
        }

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, status_code={self.status_code})"

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, (type(self), self.message, self.__dict__.copy())


def rebuild(cls: type[AppError], message: str, state: dict[str, Any]) -> AppError:
    """Return an error with these attributes, for reading errors that were stored."""
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class ErrorFields(TypedDict, total=False):
    """The keyword arguments that every `AiError` takes."""

    message: str | None
    status_code: int | None
    details: dict[str, Any] | None
    retryable: bool | None
    retry_after: float | None
    error_type: str | None
    provider: str | None
    request_id: str | None
    partial: ChatResult | None
    attempts: Sequence[Attempt]
    gateway_status: int | None
    gateway_message: str | None
    sentence: str | None


class AiError(AppError):
    """The root of everything that can go wrong with an AI call.

    Attributes:
        retryable: Whether the same request may succeed a little later.
        retry_after: Seconds to wait before trying again, if the gateway gave a time.
        error_type: The gateway's own name for the failure, such as `rate_limit_exceeded`.
        provider: The upstream provider that failed, when the gateway named it.
        request_id: The gateway's id for the request or the generation, for its support and cost look-ups.
        partial: What had arrived of the answer before it failed; None when nothing had.
        attempts: Every attempt that was made for the call, the failed last one included.
        gateway_status: The HTTP status that the gateway answered with, or that its error inside a stream names; None
            if it was not reached or did not answer. `status_code` is for the answer of your own service.
        gateway_message: The gateway's own message, for a log: it may name hosts, accounts and limits.
            The key and the prompt are removed. None if it sent no message.
        sentence: What went wrong, in our words only, for a person; `message` may add the gateway's.
    """

    code: str = "AI_ERROR"
    retryable: bool = False
    default_message: ClassVar[str] = "Unknown error occurred"

    def __init__(
        self,
        message: str | None = None,
        *,
        status_code: int | None = None,
        details: dict[str, Any] | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        error_type: str | None = None,
        provider: str | None = None,
        request_id: str | None = None,
        partial: ChatResult | None = None,
        attempts: Sequence[Attempt] = (),
        gateway_status: int | None = None,
        gateway_message: str | None = None,
        sentence: str | None = None,
    ) -> None:
        super().__init__(message or self.default_message, status_code=status_code, details=details)
        if retryable is not None:
            self.retryable = retryable
        self.retry_after = retry_after
        self.error_type = error_type
        self.provider = provider
        self.request_id = request_id
        self.partial = partial
        self.attempts: tuple[Attempt, ...] = tuple(attempts)
        self.gateway_status = gateway_status
        self.gateway_message = gateway_message
        self.sentence: str = self.shown(sentence) if sentence else self.message

    def without_traceback(self) -> Self:
        """Return this error without traceback and context, so that no frame or cause can leak a request."""
        BaseException.__setattr__(self, "__cause__", None)
        BaseException.__setattr__(self, "__context__", None)
        return self.with_traceback(None)
