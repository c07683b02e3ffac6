"""Budgets in USD, of a tenant with all below it or of one user, for a day, a month or for ever."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.limits.usage import Scope, UsageSums, spent_in
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import budgets
from raptscallions_chat.tenants.cache import ShortCache

if TYPE_CHECKING:
    from raptscallions_chat.store.database import Database
    from raptscallions_chat.tenants.directory import Tenant, TenantDirectory

__all__ = ["WINDOWS", "Budget", "Budgets"]

WINDOWS = ("day", "month", "total")

_log = logging.getLogger("raptscallions_chat")


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be spent.

    Attributes:
        id: Its id.
        tenant_id: The tenant; those below it count, too, unless it is of one user.
        user_id: The user; None for all of the tenant.
        window: `day`, `month` (both by the calendar, in UTC) or `total`.
        limit_usd: The most that may be spent.
        alert_usd: From where on a warning is logged; None for never.
    """

    id: str
    tenant_id: str
    user_id: str | None
    window: str
    limit_usd: Decimal
    alert_usd: Decimal | None


class Budgets:
    """Budgets in the database, and whether they are kept.

    Spending is looked up at most every two seconds for each budget; what runs meanwhile, and costs that the gateway has
    not told yet, may carry it over the limit by so much.

    Args:
        database: Where they are.
        tenants: The tree.
    """

    def __init__(self, database: Database, tenants: TenantDirectory) -> None:
        self._database = database
        self._tenants = tenants
        self._sums = UsageSums(database)
        self._of_line: ShortCache[list[Budget]] = ShortCache()
        self._spent: ShortCache[Decimal] = ShortCache(seconds=2.0)
        self._warned: dict[str, datetime] = {}

    async def put(
        self,
        tenant_id: str,
        *,
        window: str,
        limit_usd: Decimal,
        user_id: str | None = None,
        alert_usd: Decimal | None = None,
    ) -> Budget:
        """Set a budget, or change it.

        Raises:
            ChatError: `not_found`: there is no such tenant; `invalid_request`: another window, or a negative limit.
        """
        if window not in WINDOWS:
            raise ChatError("invalid_request", f"a budget's window must be one of {', '.join(WINDOWS)}")
        if not limit_usd.is_finite() or limit_usd < 0 or (alert_usd is not None and not alert_usd.is_finite()):
            raise ChatError("invalid_request", "a budget must be an amount in USD, at least 0")
        await self._tenants.get(tenant_id)
        same = (budgets.c.tenant_id == tenant_id, budgets.c.user_id == user_id, budgets.c.window == window)
        values: dict[str, Any] = {"limit_usd": limit_usd, "alert_usd": alert_usd}
        place = {"tenant_id": tenant_id, "user_id": user_id, "window": window}
        async with self._database.write() as connection:
            changed = await connection.execute(update(budgets).values(values).where(*same).returning(budgets.c.id))
            id_ = changed.scalar_one_or_none()
            if id_ is None:
                id_ = new_id()
                row = {"id": id_, "created_at": utc_now(), **place, **values}
                await connection.execute(insert(budgets).values(row))
        self._of_line.forget()
        return Budget(id_, **place, **values)

    async def remove(self, tenant_id: str, budget_id: str) -> None:
        """Delete a budget.

        Raises:
            ChatError: `not_found`.
        """
        chosen = (budgets.c.id == budget_id, budgets.c.tenant_id == tenant_id)
        async with self._database.write() as connection:
            if not (await connection.execute(delete(budgets).where(*chosen))).rowcount:
                raise ChatError("not_found", "There is no such budget.")
        self._of_line.forget()

    async def of_tenant(self, tenant_id: str) -> list[tuple[Budget, Decimal]]:
        """Return the budgets of a tenant, each with what is spent of it."""
        tenant = await self._tenants.get(tenant_id)
        return [(budget, await self._spent_of(budget)) for budget in await self._look_up([tenant.id])]

    async def check(self, tenant: Tenant, user_id: str) -> None:
        """Refuse if a budget of the user, the tenant, or a tenant above is used up.

        Raises:
            ChatError: `budget_exceeded`.
        """
        for budget in await self._of_line.get(tenant.id, lambda: self._look_up(tenant.line)):
            applies = budget.user_id is None or (budget.user_id == user_id and budget.tenant_id == tenant.id)
            if not applies:
                continue
            spent = await self._spent.get(budget.id, lambda budget=budget: self._spent_of(budget))
            self._warn(budget, spent)
            if spent >= budget.limit_usd:
                whose = "your" if budget.user_id is not None else "the tenant's"
                raise ChatError(
                    "budget_exceeded",
                    f"{whose.capitalize()} budget for the {budget.window} is used up.".replace("the total", "all time"),
                    details={"window": budget.window, "limit_usd": f"{budget.limit_usd:f}"},
                    retry_after=_seconds_left(budget.window, utc_now()),
                )

    async def _look_up(self, line: list[str]) -> list[Budget]:
        query = select(budgets).where(budgets.c.tenant_id.in_(line)).order_by(budgets.c.id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [Budget(**{name: row[name] for name in Budget.__slots__}) for row in rows]

    async def _spent_of(self, budget: Budget) -> Decimal:
        tenant = await self._tenants.get(budget.tenant_id)
        scope = Scope(tenant.id, tenant.path, budget.user_id)
        return await self._sums.spent(scope, spent_in(budget.window, utc_now()))

    def _warn(self, budget: Budget, spent: Decimal) -> None:
        if budget.alert_usd is None or spent < budget.alert_usd:
            return
        began = spent_in(budget.window, utc_now()) or datetime.min.replace(tzinfo=UTC)
        if self._warned.get(budget.id) != began:
            self._warned[budget.id] = began
            _log.warning("budget %s of tenant %s: %s USD of %s are spent", *_told(budget, spent))


def _told(budget: Budget, spent: Decimal) -> tuple[str, str, str, str]:
    return budget.id, budget.tenant_id, f"{spent:f}", f"{budget.limit_usd:f}"


def _seconds_left(window: str, now: datetime) -> float | None:
    began = spent_in(window, now)
    if began is None:
        return None
    following = began + timedelta(days=1) if window == "day" else (began + timedelta(days=32)).replace(day=1)
    return (following - now).total_seconds()
