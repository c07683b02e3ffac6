"""What was used, added up exactly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.limits.usage import By, Scope, UsageSums, moments, spent_in
from raptscallions_chat.store.database import Database
from raptscallions_chat.tenants.directory import TenantDirectory

Happened = Callable[..., Awaitable[str]]
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
EVER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
ROOT = Scope(ROOT_TENANT, ROOT_TENANT)


async def test_usage_is_grouped_by_model_user_or_day(database: Database, happened: Happened) -> None:
    await happened("ann", at=NOON, model="a/cheap", costs=(Decimal("0.1"), Decimal("0.2")))
    await happened("ann", at=NOON - timedelta(hours=13), model="b/dear", costs=(Decimal("1.5"),), source="priced")
    await happened("bob", at=NOON, model=None, costs=(None,))
    sums = UsageSums(database)
    seen: dict[By, list[tuple[str | None, int, str | None, str, bool]]] = {}
    groups: tuple[By, ...] = ("model", "user", "day")
    for by in groups:
        report = await sums.report(ROOT, *EVER, by)
        seen[by] = [
            (row.key, row.runs, _text(row.usage.cost), row.usage.cost_source, row.usage.final) for row in report.rows
        ]
        assert (report.total.runs, _text(report.total.usage.cost), report.total.usage.total_tokens) == (3, "1.8", 60)
    assert seen["model"] == [
        ("b/dear", 1, "1.5", "priced", True),
        ("a/cheap", 1, "0.3", "reported", True),
        (None, 1, None, "unknown", False),
    ]
    assert seen["user"] == [("ann", 2, "1.8", "priced", True), ("bob", 1, None, "unknown", False)]
    assert seen["day"] == [("2026-11-29", 1, "1.5", "priced", True), ("2026-11-30", 2, "0.3", "unknown", False)]


def _text(cost: Decimal | None) -> str | None:
    return None if cost is None else f"{cost.normalize():f}"


async def test_money_is_added_up_exactly(database: Database, happened: Happened) -> None:
    amounts = [Decimal("0.1"), Decimal("0.2"), Decimal("0.000000000001"), Decimal("1234.567890123"), Decimal("1e-9")]
    for _ in range(20):
        await happened(costs=tuple(amounts))
    report = await UsageSums(database).report(ROOT, *EVER, "user")
    assert report.total.usage.cost == sum(amounts) * 20
    assert await UsageSums(database).spent(ROOT, None) == sum(amounts) * 20


async def test_a_scope_is_one_user_or_a_tenant_with_all_below(
    database: Database, happened: Happened, directory: TenantDirectory
) -> None:
    school = await directory.create("school")
    class_ = await directory.create("class", school.id)
    other = await directory.create("other")
    for tenant in (school, class_, other):
        await happened("ann", tenant_id=tenant.id, costs=(Decimal(1),))
        await happened("bob", tenant_id=tenant.id, costs=(Decimal(1),))
    sums = UsageSums(database)
    assert await sums.spent(Scope(school.id, school.path), None) == 4
    assert await sums.spent(Scope(school.id, school.path, "ann"), None) == 1
    assert await sums.spent(Scope(class_.id, class_.path), None) == 2
    assert await sums.spent(Scope(class_.id, class_.path, "nobody"), None) == 0
    assert await sums.spent(ROOT, datetime.now(UTC) + timedelta(days=1)) == 0


async def test_nothing_used_is_a_report_of_nothing(database: Database) -> None:
    report = await UsageSums(database).report(ROOT, *EVER, "day")
    assert (report.rows, report.total.runs, report.total.usage.cost) == ([], 0, None)


@pytest.mark.parametrize(
    ("start", "end", "since", "until"),
    [
        (None, None, "2026-10-31T12:00:00+00:00", "2026-11-30T12:00:00+00:00"),
        ("2026-11-01", "2026-11-30", "2026-11-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00"),
        ("2026-11-01T10:00:00Z", None, "2026-11-01T10:00:00+00:00", "2026-11-30T12:00:00+00:00"),
        ("2026-11-01T10:00:00 02:00", None, "2026-11-01T10:00:00+02:00", "2026-11-30T12:00:00+00:00"),
    ],
)
def test_the_last_day_is_included(start: str | None, end: str | None, since: str, until: str) -> None:
    assert [each.isoformat() for each in moments(start, end, NOON)] == [since, until]


@pytest.mark.parametrize(("start", "end"), [("yesterday", None), (None, "9999-12-31"), ("2026-11-30", "2026-11-01")])
def test_what_is_no_time_is_refused(start: str | None, end: str | None) -> None:
    with pytest.raises(ChatError) as caught:
        moments(start, end, NOON)
    assert caught.value.code == "invalid_request"


def test_windows_begin_by_the_calendar() -> None:
    assert spent_in("day", NOON) == datetime(2026, 11, 30, tzinfo=UTC)
    assert spent_in("month", NOON) == datetime(2026, 11, 1, tzinfo=UTC)
    assert spent_in("total", NOON) is None
