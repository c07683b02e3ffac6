"""What has been used, added up by model, user or day; money exactly, on both databases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sqlalchemy import BigInteger, ColumnElement, Double, case, cast, func, select, type_coerce
from sqlalchemy.dialects.postgresql import TIMESTAMP

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.records import UsageTotal
from raptscallions_chat.store.schema import tenants, usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_chat.store.database import Database

__all__ = ["By", "Scope", "UsageReport", "UsageRow", "UsageSums", "moments", "spent_in"]

By: TypeAlias = Literal["model", "user", "day"]

# SQLite keeps money as text, and adds it up as whole picodollars: exact up to 9,000 USD a call.
_PICO = Decimal(10) ** 12
_TOKENS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "cache_write_tokens")


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose usage.

    Attributes:
        tenant_path: The tenant's path; with `user_id` None, those below it count, too.
        tenant_id: The tenant.
        user_id: One user of the tenant; None for all.
    """

    tenant_id: str
    tenant_path: str
    user_id: str | None = None

    def condition(self) -> ColumnElement[bool]:
        """Return which rows of `usage` are meant."""
        if self.user_id is not None:
            return (usage.c.tenant_id == self.tenant_id) & (usage.c.user_id == self.user_id)
        below = tenants.c.path.startswith(self.tenant_path + "/", autoescape=True)
        return usage.c.tenant_id.in_(select(tenants.c.id).where((tenants.c.id == self.tenant_id) | below))


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one model, user or day used.

    Attributes:
        key: The model, the user, or the day as `2026-11-30`; None for a model that nobody named.
        runs: How many runs there were.
        usage: What they used together.
    """

    key: str | None
    runs: int
    usage: UsageTotal


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage of a time, row by row and as a whole."""

    rows: list[UsageRow]
    total: UsageRow


def moments(start: str | None, end: str | None, now: datetime) -> tuple[datetime, datetime]:
    """Return the time from `start` to `end`: dates, of which the last is included, or times with their zone.

    Without a start it is the 30 days before the end, without an end the time until now.

    Raises:
        ChatError: `invalid_request`: one is neither a date nor a time, or the end is before the start.
    """
    until = now if end is None else _moment(end, "to", days=1)
    since = until - timedelta(days=30) if start is None else _moment(start, "from", days=0)
    if until < since:
        raise ChatError("invalid_request", "`to` must not be before `from`")
    return since, until


class UsageSums:
    """Adds usage up.

    Args:
        database: Where it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(self, scope: Scope, since: datetime, until: datetime, by: By) -> UsageReport:
        """Return what was used in a time, grouped: the dearest model or user first, days in order."""
        key = self._key(by).label("key")
        where = (scope.condition(), usage.c.created_at >= since, usage.c.created_at < until)
        query = select(key, *self._sums()).where(*where).group_by(key)
        async with self._database.read() as connection:
            rows = [self._row(row) for row in (await connection.execute(query)).mappings()]
            total = (await connection.execute(select(*self._sums()).where(*where))).mappings().one()
        if by == "day":
            rows.sort(key=lambda row: row.key or "")
        else:
            rows.sort(key=lambda row: (-(row.usage.cost or 0), -row.usage.total_tokens, row.key or ""))
        return UsageReport(rows, self._row({"key": None, **total}))

    async def spent(self, scope: Scope, since: datetime | None) -> Decimal:
        """Return what is known to have been spent since a time, in USD."""
        query = select(self._cost()).where(scope.condition())
        if since is not None:
            query = query.where(usage.c.created_at >= since)
        async with self._database.read() as connection:
            return self._money((await connection.execute(query)).scalar_one()) or Decimal(0)

    def _sums(self) -> list[ColumnElement[Any]]:
        counts = [func.coalesce(func.sum(usage.c[name]), 0).label(name) for name in _TOKENS]
        return [
            *counts,
            func.count(usage.c.run_id.distinct()).label("runs"),
            func.count().label("generations"),
            self._cost().label("cost"),
            _count(usage.c.cost_source == "unknown").label("unknown"),
            _count(usage.c.cost_source == "priced").label("priced"),
            _count(~usage.c.final).label("open"),
        ]

    def _cost(self) -> ColumnElement[Any]:
        if not self._database.is_sqlite:
            return func.sum(usage.c.cost)
        picodollars = cast(func.round(cast(usage.c.cost, Double) * float(_PICO)), BigInteger)
        return type_coerce(func.sum(picodollars), BigInteger)

    def _key(self, by: By) -> ColumnElement[Any]:
        if by == "model":
            return usage.c.model
        if by == "user":
            return usage.c.user_id
        if self._database.is_sqlite:
            return func.substr(usage.c.created_at, 1, 10, type_=None)
        in_utc = cast(func.timezone("UTC", usage.c.created_at), TIMESTAMP)
        return func.to_char(in_utc, "YYYY-MM-DD")

    def _money(self, value: Decimal | int | None) -> Decimal | None:
        return value / _PICO if isinstance(value, int) else value

    def _row(self, row: Mapping[Any, Any]) -> UsageRow:
        tokens = {name: int(row[name]) for name in _TOKENS}
        source = "unknown" if row["unknown"] or not row["generations"] else "priced" if row["priced"] else "reported"
        total = UsageTotal(
            **tokens,
            total_tokens=tokens["prompt_tokens"] + tokens["completion_tokens"],
            cost=self._money(row["cost"]),
            cost_source=source,
            final=not row["open"],
            generations=row["generations"],
        )
        return UsageRow(row["key"], row["runs"], total)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _moment(text: str, name: str, *, days: int) -> datetime:
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), time(), UTC) + timedelta(days=days)
        found = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign in a URL is a space
    except (ValueError, OverflowError):
        raise ChatError("invalid_request", f"`{name}` must be a date such as 2026-11-30, or a time with zone") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def spent_in(window: str, now: datetime) -> datetime | None:
    """Return when a window began, in UTC: of a `day`, a `month`, or None for `total`."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return {"day": midnight, "month": midnight.replace(day=1), "total": None}[window]
