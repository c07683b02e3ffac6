"""The command `raptscallions-ai`; it needs the extra `cli`: ``pip install 'raptscallions-ai[cli]'``.

Its exit codes are documented in `raptscallions_ai.cli.exit_codes`.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command with the arguments of the process, and exit with one of its exit codes."""
    try:
        from raptscallions_ai.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich"):
            raise
        sys.stderr.write("The command line is an extra: pip install 'raptscallions-ai[cli]'\n")
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
    app(prog_name="raptscallions-ai")
