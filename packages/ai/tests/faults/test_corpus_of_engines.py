"""The catalogue over every dialect: the same fault gives the same error, as retryable, with the same partial answer."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from fault_checks import check, hear, outcome_of

from raptscallions_ai import AsyncAnthropicClient, AsyncOllamaClient, AsyncOpenAICompatClient
from raptscallions_ai.client.engine import EngineClient
from raptscallions_ai.testing import FakeAnthropic, FakeGateway, FakeOllama
from raptscallions_ai.testing.faults import FAULTS, Category, Expected, Fault
from raptscallions_ai.testing.faults.dialects import DIFFERENCES, Dialect, expected_in
from raptscallions_ai.testing.faults.trial import address
from raptscallions_ai.testing.wire import MODEL

SIDE_BY_SIDE = 8  # most of a fault is waiting
ENGINES: dict[Dialect, tuple[Callable[[], FakeGateway], Callable[[str, str, int], EngineClient]]] = {
    "openai": (FakeGateway, lambda url, key, retries: AsyncOpenAICompatClient(key, url, MODEL, max_retries=retries)),
    "anthropic": (
        FakeAnthropic,
        lambda url, key, retries: AsyncAnthropicClient(key, MODEL, base_url=url, max_retries=retries),
    ),
    "ollama": (
        FakeOllama,
        lambda url, key, retries: AsyncOllamaClient(MODEL, host=url, api_key=key, max_retries=retries),
    ),
}


def client_for(dialect: Dialect, fault: Fault, url: str, key: str) -> EngineClient:
    limit = {} if fault.max_event_bytes is None else {"AI_MAX_EVENT_BYTES": str(fault.max_event_bytes)}
    with patch.dict(os.environ, limit):  # read when the client is built, and no later
        return ENGINES[dialect][1](url, key, fault.max_retries)


async def play(fault: Fault, expected: Expected, dialect: Dialect) -> None:
    async with ENGINES[dialect][0]() as server:
        fault.play(server)
        with address(fault, server) as url:
            async with client_for(dialect, fault, url, server.api_key) as client:
                heard = await hear(fault, client, server)
                await check(fault, expected, heard, client, server)
        assert fault.judge(outcome_of(heard)) == "ok" or expected != fault.expected
        assert await server.until(lambda: server.open_connections == 0)


@pytest.mark.requirement("E04-T027.AC2")
@pytest.mark.parametrize("category", list(Category))
@pytest.mark.parametrize("dialect", list(ENGINES))
async def test_faults(dialect: Dialect, category: Category, subtests: pytest.Subtests) -> None:
    places = asyncio.Semaphore(SIDE_BY_SIDE)

    async def played(fault: Fault, expected: Expected) -> None:
        async with places:
            await play(fault, expected, dialect)

    faults = [
        (fault, expected)
        for fault in FAULTS
        if fault.category is category
        and (fault.address != "ignores" or sys.platform == "linux")
        and (expected := expected_in(fault, dialect)) is not None
    ]
    outcomes: list[Any] = await asyncio.gather(
        *(played(fault, expected) for fault, expected in faults), return_exceptions=True
    )
    for (fault, _), outcome in zip(faults, outcomes, strict=True):
        with subtests.test(fault=fault.id):
            if outcome is not None:
                raise outcome


def test_every_difference_is_of_faults_that_there_are_and_has_a_reason() -> None:
    known = {fault.id for fault in FAULTS}
    for difference in DIFFERENCES:
        assert set(difference.faults) <= known, difference.reason
        assert difference.reason.endswith("."), difference.faults
        assert "openai" not in difference.dialects
    said = [
        (dialect, fault)
        for each in DIFFERENCES
        for dialect in each.dialects
        for fault in each.faults
        if each.instead is None
    ]
    assert len(said) == len(set(said)), "one reason is enough"


@pytest.mark.parametrize(("dialect", "least"), [("openai", 1.0), ("anthropic", 0.85), ("ollama", 0.75)])
def test_most_faults_can_be_in_every_dialect(dialect: Dialect, least: float) -> None:
    assert sum(expected_in(fault, dialect) is not None for fault in FAULTS) >= least * len(FAULTS)
