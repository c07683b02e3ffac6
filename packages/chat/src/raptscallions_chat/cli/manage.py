"""Commands for operators: tokens, tenants, keys, erasure, and what is wrong with the surroundings."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from raptscallions_chat.auth.tokens import ApiTokens
from raptscallions_chat.cli.app import app, fail, read_settings
from raptscallions_chat.cli.diagnosis import diagnose
from raptscallions_chat.credentials.envelope import KeyRing, UnknownKeyError, WrongKeyError
from raptscallions_chat.credentials.vault import CredentialVault
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.keeping.offline import erase_offline
from raptscallions_chat.store.database import Database
from raptscallions_chat.store.migrate import MigrationNeededError, check
from raptscallions_chat.tenants.audit import AuditLog
from raptscallions_chat.tenants.directory import TenantDirectory

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine
    from typing import Any

    from raptscallions_chat.settings import ChatSettings

__all__ = ["app", "tenants", "tokens"]

tokens = typer.Typer(help="API tokens: make, list and revoke them.", no_args_is_help=True)
tenants = typer.Typer(help="Tenants: make them, list them, and say who belongs to them.", no_args_is_help=True)
app.add_typer(tokens, name="tokens")
app.add_typer(tenants, name="tenants")

_ACTOR = "cli"
TenantOption = Annotated[str, typer.Option(help="A tenant's id, name, or path of names.")]


@tokens.command("create")
def create_token(
    user: Annotated[str, typer.Argument(help="The user who acts with it.")],
    tenant: TenantOption = ROOT_TENANT,
    name: Annotated[str, typer.Option(help="What it is called.")] = "cli",
    scope: Annotated[list[str] | None, typer.Option(help="read, chat or admin; everything without it.")] = None,
    days: Annotated[int | None, typer.Option(help="How long it is valid; until it is revoked without it.")] = None,
) -> None:
    """Make a token and print it; nobody can read it again."""

    async def work() -> None:
        async with _opened() as (database, _):
            found = await TenantDirectory(database).find(tenant)
            lifetime = None if days is None else timedelta(days=days)
            made = await ApiTokens(database).create(found.id, user, name, scopes=scope or (), lifetime=lifetime)
            text, token = made
            await AuditLog(database).record(found.id, _ACTOR, "token.create", token.id)
            typer.echo(text)

    _run(work())


@tokens.command("list")
def list_tokens(tenant: TenantOption = ROOT_TENANT) -> None:
    """List the tokens of a tenant."""

    async def work() -> None:
        async with _opened() as (database, _):
            found = await TenantDirectory(database).find(tenant)
            for token in await ApiTokens(database).of_tenant(found.id):
                state = "revoked" if token.revoked_at else f"until {token.expires_at or 'it is revoked'}"
                typer.echo(f"{token.id}  {token.user_id}  {token.name}  {state}")

    _run(work())


@tokens.command("revoke")
def revoke_token(token_id: str, tenant: TenantOption = ROOT_TENANT) -> None:
    """End a token; it is refused within five seconds."""

    async def work() -> None:
        async with _opened() as (database, _):
            found = await TenantDirectory(database).find(tenant)
            if not await ApiTokens(database).revoke(found.id, token_id):
                raise ChatError("not_found", "There is no such token.")
            await AuditLog(database).record(found.id, _ACTOR, "token.revoke", token_id)
            typer.echo("revoked")

    _run(work())


@tenants.command("create")
def create_tenant(name: str, below: Annotated[str, typer.Option(help="The tenant above it.")] = ROOT_TENANT) -> None:
    """Make a tenant and print its id."""

    async def work() -> None:
        async with _opened() as (database, _):
            directory = TenantDirectory(database)
            made = await directory.create(name, (await directory.find(below)).id)
            await AuditLog(database).record(made.parent_id or made.id, _ACTOR, "tenant.create", made.id)
            typer.echo(made.id)

    _run(work())


@tenants.command("list")
def list_tenants() -> None:
    """List all tenants, each below the one that it belongs to."""

    async def work() -> None:
        async with _opened() as (database, _):
            for tenant in await TenantDirectory(database).tree():
                depth = len(tenant.line) - 1
                closed = "  (closed)" if tenant.archived_at else ""
                typer.echo(f"{'  ' * depth}{tenant.name}  {tenant.id}{closed}")

    _run(work())


@tenants.command("member")
def put_member(
    tenant: Annotated[str, typer.Argument(help="A tenant's id, name, or path of names.")],
    user: str,
    role: Annotated[str, typer.Argument(help="member, manager or admin.")] = "member",
) -> None:
    """Make a user a member of a tenant, or change the role."""

    async def work() -> None:
        async with _opened() as (database, _):
            directory = TenantDirectory(database)
            found = await directory.find(tenant)
            await directory.put_member(found.id, user, role)
            await AuditLog(database).record(found.id, _ACTOR, "member.put", user, role=role)
            typer.echo(f"{user} is {role} of {found.name}")

    _run(work())


@app.command("rotate-keys")
def rotate_keys() -> None:
    """Wrap all credentials with the first key of CHAT_KEYS; the service may run meanwhile."""

    async def work() -> None:
        async with _opened() as (database, settings):
            if settings.keys is None:
                fail("CHAT_KEYS is not set, so that there are no credentials to rotate.")
            ring = KeyRing.parse(settings.keys.get_secret_value())
            vault = CredentialVault(database, ring)
            count = await vault.rotate()
            typer.echo(f"{count} credentials are now under {ring.first}; older keys may be taken out of CHAT_KEYS.")

    _run(work())


@app.command()
def erase(
    user: Annotated[str, typer.Argument(help="The user to erase.")],
    tenant: TenantOption = ROOT_TENANT,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a user: conversations, files, tokens; what it cost stays in the books without a name."""
    if not yes and not typer.confirm(f"Erase everything of {user}? It cannot be brought back"):
        raise typer.Exit(1)

    async def work() -> None:
        async with _opened() as (database, settings):
            found = await TenantDirectory(database).find(tenant)
            receipt = await erase_offline(settings, database, found.id, user, _ACTOR)
            told = ", ".join(f"{count} {what}" for what, count in receipt.deleted.items())
            typer.echo(f"receipt {receipt.id}: {told}; in the books as {receipt.erased_as}")
            if receipt.held:
                typer.echo(f"{receipt.held} conversations are kept because of a legal hold.")
            if receipt.pending:
                typer.echo("An answer is still being written; erase again a little later.")

    _run(work())


@app.command()
def doctor() -> None:
    """Look whether everything that the service needs is there, and say what to do about what is not."""
    if not asyncio.run(diagnose(read_settings())):
        sys.exit(1)


@asynccontextmanager
async def _opened() -> AsyncGenerator[tuple[Database, ChatSettings]]:
    settings = read_settings()
    database = Database(settings.database_url)
    try:
        await check(database)
        yield database, settings
    finally:
        await database.aclose()


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except (ChatError, MigrationNeededError, UnknownKeyError, WrongKeyError) as error:
        fail(str(error))
