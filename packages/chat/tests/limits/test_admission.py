"""Limits that a send must keep."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import ROOT_TENANT, Principal
from raptscallions_chat.limits.admission import Limits
from raptscallions_chat.limits.budgets import Budgets
from raptscallions_chat.settings import ChatSettings
from raptscallions_chat.store.database import Database, utc_now
from raptscallions_chat.store.sql_store import SqlStore
from raptscallions_chat.tenants.directory import TenantDirectory

Happened = Callable[..., Awaitable[str]]
ANN, BOB = Principal(ROOT_TENANT, "ann"), Principal(ROOT_TENANT, "bob")


async def admit(database: Database, principal: Principal, conversation_id: str = "", **settings: object) -> None:
    """Let a user send, as a service with these settings does."""
    directory = TenantDirectory(database)
    limits = Limits(directory, ChatSettings.explicit(**settings), Budgets(database, directory))
    if (guard := await limits.admit(principal)) is not None:
        conversation: Any = SimpleNamespace(id=conversation_id)
        await database.writing(lambda connection: guard(connection, conversation))


async def refused(database: Database, principal: Principal, conversation_id: str = "", **settings: object) -> ChatError:
    with pytest.raises(ChatError) as caught:
        await admit(database, principal, conversation_id, **settings)
    return caught.value


async def test_messages_a_minute(database: Database, happened: Happened) -> None:
    now = utc_now()
    for seconds in (70, 40, 20):
        await happened("ann", at=now - timedelta(seconds=seconds))
    await admit(database, ANN, messages_per_minute=3)
    error = await refused(database, ANN, messages_per_minute=2)
    assert (error.code, error.status_code, error.retryable) == ("rate_limited", 429, True)
    assert error.retry_after == pytest.approx(20, abs=3)
    await admit(database, BOB, messages_per_minute=2)
    await admit(database, ANN, messages_per_minute=0)


async def test_runs_at_a_time(database: Database, happened: Happened) -> None:
    long_ago = utc_now() - timedelta(hours=1)
    run_id = await happened("ann", at=long_ago, status="running")
    await happened("ann", status="queued")
    await happened("ann", at=long_ago)
    await admit(database, ANN, runs_per_user=3)
    error = await refused(database, ANN, runs_per_user=2)
    assert (error.code, error.status_code) == ("too_many_runs", 429)
    # What waits in a conversation that is being answered is no further answer at the same time.
    conversation_id = (await SqlStore(database).get_run(run_id)).conversation_id
    await admit(database, ANN, conversation_id, runs_per_user=2)
    await admit(database, BOB, runs_per_user=2)
    await admit(database, ANN, runs_per_user=0)


async def test_a_tenant_has_limits_of_its_own_for_each_user_and_for_all(
    database: Database, happened: Happened, directory: TenantDirectory
) -> None:
    school = await directory.create("school")
    await directory.change(school.id, settings={"messages_per_minute": 1})
    class_ = await directory.create("class", school.id)
    await happened("ann", tenant_id=class_.id)
    ann, bob = Principal(class_.id, "ann"), Principal(class_.id, "bob")
    assert (await refused(database, ann)).code == "rate_limited"
    await admit(database, bob)
    await directory.change(class_.id, settings={"messages_per_minute": 0, "tenant_messages_per_minute": 1})
    assert (await refused(database, bob)).message.startswith("The tenant may")
    await directory.change(class_.id, settings={"messages_per_minute": 0, "tenant_messages_per_minute": "many"})
    await admit(database, bob)


async def test_budgets_of_a_user_a_tenant_and_those_above(
    database: Database, happened: Happened, directory: TenantDirectory
) -> None:
    school = await directory.create("school")
    class_ = await directory.create("class", school.id)
    ann, bob = Principal(class_.id, "ann"), Principal(class_.id, "bob")
    await happened("ann", tenant_id=class_.id, costs=(Decimal("0.5"), None))
    budgets = Budgets(database, directory)
    await budgets.put(class_.id, window="day", limit_usd=Decimal("0.6"), user_id="ann")
    await admit(database, ann)
    mine = await budgets.put(class_.id, window="day", limit_usd=Decimal("0.5"), user_id="ann")
    error = await refused(database, ann)
    assert (error.code, error.status_code, error.message) == (
        "budget_exceeded",
        402,
        "Your budget for the day is used up.",
    )
    assert error.retry_after is not None
    await admit(database, bob)
    await budgets.put(school.id, window="total", limit_usd=Decimal("0.4"))
    error = await refused(database, bob)
    assert (error.message, error.retry_after) == ("The tenant's budget for all time is used up.", None)
    assert await budgets.of_tenant(class_.id) == [(mine, Decimal("0.5"))]
    await budgets.remove(class_.id, mine.id)
    with pytest.raises(ChatError, match="no such budget"):
        await budgets.remove(class_.id, mine.id)


async def test_a_budget_of_yesterday_does_not_count_today(
    database: Database, happened: Happened, directory: TenantDirectory
) -> None:
    await happened("ann", at=utc_now() - timedelta(days=40), costs=(Decimal(9),))
    budgets = Budgets(database, directory)
    for window in ("day", "month"):
        await budgets.put(ROOT_TENANT, window=window, limit_usd=Decimal(1))
    await admit(database, ANN)


async def test_a_budget_is_warned_of_once(
    database: Database, happened: Happened, directory: TenantDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    await happened("ann", costs=(Decimal(5),))
    budgets = Budgets(database, directory)
    await budgets.put(ROOT_TENANT, window="month", limit_usd=Decimal(10), alert_usd=Decimal(4))
    root = await directory.get(ROOT_TENANT)
    with caplog.at_level(logging.WARNING, "raptscallions_chat"):
        await budgets.check(root, "ann")
        await budgets.check(root, "bob")
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == ["5 USD of 10 are spent"]


@pytest.mark.parametrize(("window", "limit"), [("week", "1"), ("day", "-1"), ("day", "NaN"), ("day", "Infinity")])
async def test_budgets_that_make_no_sense_are_refused(
    database: Database, directory: TenantDirectory, window: str, limit: str
) -> None:
    with pytest.raises(ChatError) as caught:
        await Budgets(database, directory).put(ROOT_TENANT, window=window, limit_usd=Decimal(limit))
    assert caught.value.code == "invalid_request"
