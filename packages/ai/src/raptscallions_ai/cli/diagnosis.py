"""What `doctor` has found, and how it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from raptscallions_ai.cli.exit_codes import ExitCode
from raptscallions_ai.cli.failures import SEE_DOCTOR, advice, exit_code, failure_lines, summary
from raptscallions_ai.errors import ConfigurationError

if TYPE_CHECKING:
    from raptscallions_ai.cli.environment import Endpoint
    from raptscallions_ai.cli.output import Console
    from raptscallions_ai.errors import AiError

__all__ = ["Checklist", "DiagnosisError"]

_INDENT = " " * 18


class DiagnosisError(Exception):
    """Something is wrong, and there is no point in looking further.

    Args:
        subject: What was looked at.
        says: What is wrong with it.
        advice: What to do about it, if that is known.
        code: The exit code.
    """

    def __init__(
        self, subject: str, message: str, advice: str | None = None, code: ExitCode = ExitCode.FAILURE
    ) -> None:
        super().__init__(message)
        self.subject = subject
        self.message = message
        self.advice = advice
        self.code = code

    @classmethod
    def of(cls, subject: str, error: AiError, *, endpoint: Endpoint | None) -> Self:
        """Return what a failure of the library means.

        Args:
            subject: What was looked at.
            error: The failure.
            endpoint: Who was asked; None for the local model.
        """
        if isinstance(error, ConfigurationError):
            message, *rest = failure_lines(error, endpoint=endpoint)
            return cls(subject, message.removeprefix("error: "), rest[0] if rest else None, exit_code(error))
        hint = (advice(error, endpoint=endpoint) or "").removesuffix(SEE_DOCTOR).rstrip()
        return cls(subject, summary(error), hint or None, exit_code(error))


class Checklist:
    """Writes one line for each thing that was looked at, and below it what to do.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def ok(self, subject: str, message: str) -> None:
        """Note that something is as it should be."""
        self._write("ok", subject, message, None)

    def detail(self, message: str) -> None:
        """Add a line to what was noted last."""
        self._console.line(_INDENT + message)

    def warning(self, subject: str, message: str, advice: str | None) -> None:
        """Note something that may be meant as it is."""
        self._write("warn", subject, message, advice)

    def failed(self, problem: DiagnosisError) -> None:
        """Note what is wrong."""
        self._write("FAIL", problem.subject, problem.message, problem.advice)

    def _write(self, verdict: str, subject: str, message: str, advice: str | None) -> None:
        self._console.line(f"{verdict:<4}  {subject:<12}{message}")
        if advice:
            self._console.line(_INDENT + advice)
