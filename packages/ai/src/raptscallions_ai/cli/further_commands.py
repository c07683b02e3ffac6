"""Commands of other packages: those that an installed package offers as an entry point `raptscallions_ai.commands`."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["Commands"]

GROUP = "raptscallions_ai.commands"
"""The group of entry points; each names a `typer.Typer`, whose name is that of the command."""


class Commands(TyperGroup):
    """The commands of this package, then those of others, which are loaded when they are used."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return [*super().list_commands(ctx), *sorted(_offered())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; None if there is none of this name."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or (offered := _offered().get(cmd_name)) is None:
            return own
        command = typer.main.get_command(offered.load())
        command.name = cmd_name
        return command


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
