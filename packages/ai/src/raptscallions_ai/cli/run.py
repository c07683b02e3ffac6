"""One run of a command: whatever happens in it ends in readable lines and an exit code, never in a traceback."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Self

import typer

from raptscallions_ai.cli.exit_codes import ExitCode
from raptscallions_ai.cli.failures import UsageError, exit_code, failure_lines
from raptscallions_ai.cli.output import Console
from raptscallions_ai.errors import AiError

if TYPE_CHECKING:
    from types import TracebackType

    from raptscallions_ai.cli.environment import Endpoint

__all__ = ["Run"]

_log = logging.getLogger("raptscallions_ai")


class Run:
    """What a command runs in: its console, and where its failures are reported.

    Leaving it with an exception prints what a person needs to know and exits with the code of that failure.

    Args:
        debug: Whether to show tracebacks, and the library's whole log, on stderr.
        json: Whether stdout is JSON lines, the last of which tells a failure.

    Attributes:
        endpoint: Who is asked; None for the local model, and before that is known.
    """

    def __init__(self, *, debug: bool, json: bool = False) -> None:
        self.console: Console = Console()
        self.debug = debug
        self.json = json
        self.endpoint: Endpoint | None = None
        self._log_handler = _NoteHandler(self.console, debug=debug)

    def report(self, error: AiError) -> None:
        """Tell a failure on stderr, below the text that had arrived."""
        if self.debug:
            self._trace(error)
        for line in failure_lines(error, endpoint=self.endpoint):
            self.console.note(line)

    def __enter__(self) -> Self:
        _log.addHandler(self._log_handler)
        _log.setLevel(logging.DEBUG if self.debug else logging.WARNING)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _log.removeHandler(self._log_handler)
        if isinstance(error, Exception | KeyboardInterrupt) and not isinstance(error, typer.Exit):
            raise typer.Exit(self._end(error)) from None

    def _end(self, error: Exception | KeyboardInterrupt) -> ExitCode:
        try:
            code = self._exit_code_of(error)
        except BrokenPipeError:
            code = ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.PIPE_CLOSED
        except OSError:  # the failure to report is that nothing can be written
            code = ExitCode.FAILURE
        self.console.abandon()
        return code

    def _exit_code_of(self, error: Exception | KeyboardInterrupt) -> ExitCode:
        if isinstance(error, BrokenPipeError):
            return ExitCode.PIPE_CLOSED
        if isinstance(error, AiError):
            return self._report_failure(error)
        if isinstance(error, KeyboardInterrupt):
            self.console.note("interrupted")
            return ExitCode.INTERRUPTED
        if isinstance(error, UsageError):
            self.console.note(f"error: {error}")
            return ExitCode.USAGE
        if self.debug:
            self._trace(error)
        elif not isinstance(error, OSError):
            # Its message may quote what was asked or answered.
            self.console.note(f"error: unexpected {type(error).__name__}; --debug shows where")
        if isinstance(error, OSError):
            self.console.note(f"error: {error.strerror or type(error).__name__}")
        return ExitCode.FAILURE

    def _report_failure(self, error: AiError) -> ExitCode:
        if self.json:
            from raptscallions_ai.cli.json_lines import error_object, json_text

            self.console.line(json_text(error_object(error)))
        self.report(error)
        return exit_code(error)

    def _trace(self, error: BaseException) -> None:
        for line in traceback.format_exception(error):
            self.console.note(line.rstrip("\n"))


class _NoteHandler(logging.Handler):
    """Shows the library's warnings, such as that it tries again; the command itself reports failures."""

    def __init__(self, console: Console, *, debug: bool) -> None:
        super().__init__()
        self._console = console
        self._debug = debug

    def emit(self, record: logging.LogRecord) -> None:
        # A log file is better served by the error alone, which counts the attempts.
        if self._debug or (record.levelno == logging.WARNING and self._console.is_watched):
            self._console.note(record.getMessage(), dim=True)
