"""`AppError`: the root of the errors of all packages of the product."""

from __future__ import annotations

from typing import Any

__all__ = ["AppError"]


class AppError(Exception):
    """An error with a code and an HTTP status that a service can answer with as it is.

    Attributes:
        message: What went wrong, in one sentence.
        code: Machine-readable name of the kind of error.
        status_code: The HTTP status that a service would answer with.
        details: Further facts, JSON-compatible, with snake_case keys; empty when there are none.
    """

    code: str = "APP_ERROR"
    status_code: int = 500

    def __init__(self, message: str, *, status_code: int | None = None, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = {k: v for k, v in (details or {}).items() if v is not None}
        if status_code is not None:
            self.status_code = status_code

    def to_dict(self) -> dict[str, Any]:
        """Return what a JSON error body needs, with the keys of the TypeScript sibling's `toJSON`."""
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
        return _rebuild, (type(self), self.message, self.__dict__.copy())


def _rebuild(cls: type[AppError], message: str, state: dict[str, Any]) -> AppError:
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error
