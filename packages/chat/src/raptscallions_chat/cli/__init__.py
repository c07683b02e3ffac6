"""The command `raptscallions-chat`."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command with the arguments of the process."""
    from raptscallions_chat.cli.manage import app

    app(prog_name="raptscallions-chat")
