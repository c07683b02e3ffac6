"""The commands."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from raptscallions_ai import ConfigurationError
from raptscallions_chat.settings import ChatSettings, warn_of_unknown_variables
from raptscallions_chat.store.database import Database
from raptscallions_chat.store.migrate import MigrationNeededError, upgrade

__all__ = ["app", "fail", "read_settings"]

app = typer.Typer(
    help="A chat runtime that loses no answer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def fail(message: str) -> NoReturn:
    """End with a message on stderr."""
    typer.echo(message, err=True)
    sys.exit(2)


def read_settings(**given: Any) -> ChatSettings:
    """Return the environment's settings, over which go those that were given; ends with a message if they are wrong."""
    warn_of_unknown_variables()
    try:
        return ChatSettings(**{name: value for name, value in given.items() if value is not None})
    except ConfigurationError as error:
        fail(str(error))


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; CHAT_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 for any free one; CHAT_PORT.")] = None,
    local: Annotated[bool, typer.Option("--local", help="Answer with a small model on this machine.")] = False,
    migrate: Annotated[bool, typer.Option("--migrate", help="Bring PostgreSQL's tables up to date first.")] = False,
) -> None:
    """Serve conversations over HTTP, until SIGTERM or Ctrl-C."""
    from raptscallions_chat.cli.serve import serve_until_told

    settings = read_settings(host=host, port=port)
    try:
        with asyncio.Runner(loop_factory=_new_event_loop()) as runner:
            runner.run(serve_until_told(settings, local=local, migrate=migrate))
    except (MigrationNeededError, ConfigurationError) as error:
        fail(str(error))


def _new_event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, which takes about half the time for the same events; None where there is none."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@app.command("migrate")
def migrate_command() -> None:
    """Bring the database's tables up to date."""

    async def work() -> str:
        settings = read_settings()
        database = Database(settings.database_url)
        try:
            return await upgrade(database)
        finally:
            await database.aclose()

    typer.echo(f"The database is at revision {asyncio.run(work())}.")
