"""The command `raptscallions-ai`; it needs the extra `cli`: ``pip install 'raptscallions-ai[cli]'``.

Its exit codes are documented in `raptscallions_ai.cli.exit_codes`.
"""

from __future__ import annotations

import sys

from raptscallions_ai._guards.imports import missing_extra

__all__ = ["main"]


def main() -> None:
    """Run the command with the arguments of the process, and exit with one of its exit codes."""
    try:
        from raptscallions_ai.cli.app import app
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("typer", "rich"):
            raise
        sys.stderr.write(f"{missing_extra('cli', missing)}\n")
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
    app(prog_name="raptscallions-ai")
