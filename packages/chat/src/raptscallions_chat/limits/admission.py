"""Whether a user may send: how many messages a minute, how many answers at a time, how much money."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import runs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_chat.domain.commands import Guard
    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.domain.records import Conversation
    from raptscallions_chat.limits.budgets import Budgets
    from raptscallions_chat.settings import ChatSettings
    from raptscallions_chat.tenants.directory import Tenant, TenantDirectory

__all__ = ["Limits"]

_WINDOW = timedelta(minutes=1)


class Limits:
    """The limits of the settings, or of the nearest tenant that has its own; 0 is off.

    A tenant's `settings` may have `messages_per_minute` and `runs_per_user` for each of its users, and
    `tenant_messages_per_minute` for all of them together. Runs are counted in the database, so that limits hold over
    all processes, and a restart forgets nothing.

    Args:
        tenants: The tree.
        settings: The service's own limits.
        budgets: What may be spent.
    """

    def __init__(self, tenants: TenantDirectory, settings: ChatSettings, budgets: Budgets) -> None:
        self._tenants = tenants
        self._settings = settings
        self._budgets = budgets

    async def admit(self, principal: Principal) -> Guard | None:
        """Refuse who has nothing left to spend, and return what counts messages and answers in the send's transaction.

        Raises:
            ChatError: `budget_exceeded`; what is returned raises `rate_limited` and `too_many_runs`.
        """
        tenant = await self._tenants.get(principal.tenant_id)
        await self._budgets.check(tenant, principal.user_id)
        messages = await self._limit(tenant, "messages_per_minute", self._settings.messages_per_minute)
        at_a_time = await self._limit(tenant, "runs_per_user", self._settings.runs_per_user)
        together = await self._limit(tenant, "tenant_messages_per_minute", 0)
        if not (messages or at_a_time or together):
            return None

        async def guard(connection: AsyncConnection, conversation: Conversation) -> None:
            await _one_at_a_time(connection, tenant.id if together else f"{tenant.id} {principal.user_id}")
            if messages or at_a_time:
                await _check_user(connection, principal, conversation.id, messages, at_a_time)
            if together:
                await _check_tenant(connection, tenant, together)

        return guard

    async def _limit(self, tenant: Tenant, name: str, otherwise: int) -> int:
        value: Any = await self._tenants.setting(tenant, name)
        return value if type(value) is int and value >= 0 else otherwise


async def _one_at_a_time(connection: AsyncConnection, whose: str) -> None:
    """Let the sends of one user, or of one tenant, count one after the other; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(whose, 0))))


async def _check_user(
    connection: AsyncConnection, principal: Principal, conversation_id: str, messages: int, at_a_time: int
) -> None:
    mine = (runs.c.tenant_id == principal.tenant_id, runs.c.user_id == principal.user_id)
    now = utc_now()
    alive = runs.c.status.in_(["queued", "running"])
    query = select(runs.c.conversation_id, runs.c.queued_at, alive.label("alive"))
    query = query.where(*mine, (runs.c.queued_at > now - _WINDOW) | alive).order_by(runs.c.queued_at.desc())
    rows = (await connection.execute(query)).all()
    recent = [row.queued_at for row in rows if row.queued_at > now - _WINDOW]
    if messages and len(recent) >= messages:
        wait = (recent[messages - 1] + _WINDOW - now).total_seconds()
        raise ChatError(
            "rate_limited",
            f"You may send {messages} messages a minute; wait a little.",
            details={"limit": messages},
            retry_after=max(wait, 1.0),
        )
    # Answers of one conversation are written one after the other, however many wait there.
    others = {row.conversation_id for row in rows if row.alive} - {conversation_id}
    if at_a_time and len(others) >= at_a_time:
        raise ChatError(
            "too_many_runs",
            f"{len(others)} of your answers are being written; wait for one, or stop it.",
            details={"limit": at_a_time},
            retry_after=2.0,
        )


async def _check_tenant(connection: AsyncConnection, tenant: Tenant, together: int) -> None:
    since = utc_now() - _WINDOW
    query = select(func.count()).where(runs.c.tenant_id == tenant.id, runs.c.queued_at > since)
    if (await connection.execute(query)).scalar_one() >= together:
        raise ChatError(
            "rate_limited",
            f"The tenant may send {together} messages a minute; wait a little.",
            details={"limit": together},
            retry_after=5.0,
        )
