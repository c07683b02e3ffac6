"""What the service needs around it, looked at piece by piece."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import typer

from raptscallions_ai import ConfigurationError, OpenRouterClient
from raptscallions_chat.credentials.envelope import KeyRing
from raptscallions_chat.credentials.vault import CredentialVault
from raptscallions_chat.settings import unknown_variables
from raptscallions_chat.store.database import Database
from raptscallions_chat.store.migrate import MigrationNeededError, check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from raptscallions_chat.settings import ChatSettings

__all__ = ["diagnose"]

_PATIENCE_S = 5.0


class _Problem(Exception):
    """Something is not as it must be."""


async def diagnose(settings: ChatSettings) -> bool:
    """Print what is well and what is not; return whether the service can work."""
    checks: list[tuple[str, Callable[[ChatSettings], Awaitable[str]]]] = [
        ("settings", _settings),
        ("database", _database),
        ("Redis", _redis),
        ("files", _files),
        ("keys", _keys),
        ("AI", _ai),
    ]
    well = True
    for name, look in checks:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                told = await look(settings)
            typer.echo(f"ok    {name}: {told}")
        except _Problem as problem:
            well = False
            typer.echo(f"WRONG {name}: {problem}")
        except TimeoutError:
            well = False
            typer.echo(f"WRONG {name}: no answer within {_PATIENCE_S:g} seconds")
        except Exception as error:
            well = False
            typer.echo(f"WRONG {name}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    return well


async def _settings(settings: ChatSettings) -> str:
    unknown = unknown_variables()
    if unknown:
        raise _Problem(f"unknown variables: {', '.join(unknown)}")
    if settings.auth != ("dev",) and settings.session_secret is None:
        raise _Problem("set CHAT_SESSION_SECRET, or sign-ins end with each process and differ between them")
    where = "this machine only" if settings.is_loopback else "everybody who can reach it"
    return f"auth by {', '.join(settings.auth)}, listening for {where}"


async def _database(settings: ChatSettings) -> str:
    database = Database(settings.database_url, pool_size=1, pool_timeout=_PATIENCE_S)
    try:
        await check(database)
    except MigrationNeededError as error:
        if database.is_sqlite:
            return "will be made or brought up to date by `serve`"
        raise _Problem(str(error)) from None
    finally:
        await database.aclose()
    return "reachable, and its tables are those of this version"


async def _redis(settings: ChatSettings) -> str:
    if settings.redis_url is None:
        return "not set: everything is in one process"
    from redis.asyncio import Redis

    redis = Redis.from_url(settings.redis_url, socket_connect_timeout=_PATIENCE_S)  # pyright: ignore[reportUnknownMemberType] - redis-py leaves **kwargs untyped
    try:
        server: dict[str, Any] = await redis.info("server")  # pyright: ignore[reportUnknownMemberType] - as above
        version = str(server["redis_version"])
    finally:
        await redis.aclose()
    if int(version.partition(".")[0]) < 7:
        raise _Problem(f"version {version}; 7.0 or newer is needed")
    return f"version {version}"


async def _files(settings: ChatSettings) -> str:
    folder = Path(unquote(urlsplit(settings.storage_url).path))

    def write() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"x")

    try:
        await asyncio.to_thread(write)
    except OSError as error:
        raise _Problem(f"the folder of CHAT_STORAGE_URL cannot be written: {error.strerror}") from None
    return "the folder can be written"


async def _keys(settings: ChatSettings) -> str:
    if settings.keys is None:
        return "CHAT_KEYS is not set: tenants can have no credentials of their own"
    ring = KeyRing.parse(settings.keys.get_secret_value())
    database = Database(settings.database_url, pool_size=1, pool_timeout=_PATIENCE_S)
    try:
        used = await CredentialVault(database, ring).key_names()
    finally:
        await database.aclose()
    if missing := used - set(ring.names):
        raise _Problem(f"credentials are under {', '.join(sorted(missing))}, which CHAT_KEYS does not have")
    if used - {ring.first}:
        return f"some credentials are under an older key; `rotate-keys` puts them under {ring.first}"
    return f"{ring.first} encrypts"


async def _ai(settings: ChatSettings) -> str:
    try:
        client = OpenRouterClient()
    except ConfigurationError as error:
        if settings.keys is not None:
            return "no AI_API_KEY: only tenants with a credential get answers"
        raise _Problem(f"{error.message.splitlines()[-1].strip()}; `serve --local` needs none") from None
    try:
        return f"{client.resolve_model()} at {client.base_url}"
    finally:
        await client.aclose()
