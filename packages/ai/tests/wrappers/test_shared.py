"""Limits and budgets over a real Redis: kept by all processes together, and what happens while Redis is away."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

import pytest
from redis import Redis
from redis.exceptions import ConnectionError

from raptscallions_ai import BudgetExceededError, RateLimitError
from raptscallions_ai.models import ModelInfo
from raptscallions_ai.prices import Pricing
from raptscallions_ai.testing import ScriptedClient
from raptscallions_ai.wrappers import (
    Amount,
    BudgetedClient,
    RateLimitedClient,
    RedisAwayError,
    SharedBudget,
    SharedRateLimiter,
)

PRICES = [ModelInfo(id="scripted", pricing=Pricing(prompt=Decimal("0.001"), completion=Decimal("0.01")))]


class RedisServer:
    """A Redis of the tests' own, which can be killed and started again."""

    def __init__(self) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = cast("Any", Redis).from_url(self.url)
        for _ in range(200):
            try:
                client.ping()
                break
            except ConnectionError:
                time.sleep(0.02)
        client.close()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        assert os.environ.get("CI") != "true"
        pytest.skip("needs the program redis-server")
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


async def calls_in(limiter: SharedRateLimiter, seconds: float, tokens: int = 0) -> int:
    count, ends = 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        await limiter.acquire(tokens)
        count += 1
    return count


@pytest.mark.requirement("E06-T005.AC1", "E06-T005.AC2")
async def test_processes_keep_a_limit_together_and_ask_redis_seldom(redis_server: RedisServer, name: str) -> None:
    limiters = [
        SharedRateLimiter(redis_server.url, name, requests_per_minute=6000, tenant=tenant) for tenant in ("a", "b")
    ]
    begun = time.monotonic()
    counts = await asyncio.gather(*[calls_in(limiter, 1.2) for limiter in limiters])
    seconds = time.monotonic() - begun
    assert sum(counts) <= 100 * seconds * 1.02 + 135
    assert min(counts) >= 25
    assert all(limiter.trips <= 4 + seconds + 1 for limiter in limiters)
    for limiter in limiters:
        limiter.close()


PROCESS = """
import asyncio, json, sys, time
shift = float(sys.argv[3])
for clock in ("time", "monotonic"):
    setattr(time, clock, lambda real=getattr(time, clock): real() + shift)
from raptscallions_ai.wrappers import SharedRateLimiter

async def main() -> None:
    limiter = SharedRateLimiter(sys.argv[1], sys.argv[2], requests_per_minute=6000, tenant=sys.argv[4])
    await limiter.acquire()
    print("ready", flush=True)
    sys.stdin.readline()
    begun, count, steady, trips = time.monotonic(), 0, 0, limiter.trips
    while (now := time.monotonic()) < begun + 20:
        await limiter.acquire()
        count += 1
        steady += now >= begun + 4
    print(json.dumps([count, steady, limiter.trips - trips, time.monotonic() - begun]))

asyncio.run(main())
"""


@pytest.mark.long
@pytest.mark.requirement("E06-T005.AC1")
def test_two_processes_and_tenants_whose_clocks_differ_keep_limit_and_shares(
    redis_server: RedisServer, name: str
) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, redis_server.url, name, shift, tenant],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for shift, tenant in (("0", "a"), ("5", "b"))
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [json.loads(process.communicate()[0]) for process in processes]
    seconds = max(one[3] for one in told)
    assert sum(one[0] for one in told) <= 100 * seconds * 1.02 + 135
    steady = [one[1] for one in told]
    assert steady == pytest.approx([sum(steady) / 2] * 2, rel=0.05)
    assert sum(steady) >= 0.95 * 100 * 16
    assert all(one[2] <= 20 + 4 for one in told)


async def test_tokens_count_and_what_a_call_really_used(redis_server: RedisServer, name: str) -> None:
    limiter = SharedRateLimiter(redis_server.url, name, tokens_per_minute=60_000)
    assert await limiter.acquire(600) == 600
    limiter.release(5_000_000, expected=600)
    with pytest.raises(RateLimitError, match="no free slot before"):
        await limiter.acquire(1, max_wait=0.05)
    limiter.close()


async def test_a_call_larger_than_the_limit_is_let_through_and_paid_for_later(
    redis_server: RedisServer, name: str
) -> None:
    limiter = SharedRateLimiter(redis_server.url, name, tokens_per_minute=6000)
    assert await limiter.acquire(500) == 500
    with pytest.raises(RateLimitError):
        await limiter.acquire(500, max_wait=0.05)
    limiter.close()


@pytest.mark.requirement("E06-T005.AC4")
async def test_while_redis_is_away_each_process_goes_on_with_its_part(redis_server: RedisServer, name: str) -> None:
    first, second = (SharedRateLimiter(redis_server.url, name, requests_per_minute=6000) for _ in range(2))
    await first.acquire()
    await second.acquire()
    await first.acquire()
    redis_server.kill()
    begun = time.monotonic()
    count = await calls_in(first, 0.3)
    assert 0 < count <= 50 * (time.monotonic() - begun) + 140
    redis_server.start()
    async with asyncio.timeout(20):
        while cast("Any", Redis).from_url(redis_server.url).dbsize() == 0:
            await first.acquire()
    first.close()
    second.close()


@pytest.mark.requirement("E06-T005.AC4")
async def test_a_process_that_never_reached_redis_takes_the_limit_for_itself(name: str) -> None:
    limiter = SharedRateLimiter("redis://127.0.0.1:1/0", name, requests_per_minute=60_000)
    async with asyncio.timeout(5):
        assert await calls_in(limiter, 0.2) > 0
    limiter.close()


def test_what_is_wrong_is_said_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="needs requests_per_minute or tokens_per_minute"):
        SharedRateLimiter("redis://localhost", name)
    with pytest.raises(ValueError, match="weight must be a number above 0"):
        SharedRateLimiter("redis://localhost", name, requests_per_minute=1, weight=0)
    with pytest.raises(ValueError, match="cost must be an amount in USD"):
        SharedBudget("redis://localhost", name, cost=-1)
    with pytest.raises(ValueError, match="window must be"):
        SharedBudget("redis://localhost", name, cost=1, window=0)


def kept(server: RedisServer, name: str) -> Decimal:
    """What Redis holds to be spent or set aside, in USD."""
    import msgspec

    packed = cast("Any", Redis).from_url(server.url).get(f"raptscallions:budget:{name}")
    state: Any = msgspec.msgpack.decode(packed)
    return Decimal(state["spent"] + sum(dict(state["held"] or {}).values())) / 10**9


@pytest.mark.requirement("E06-T005.AC3")
async def test_whatever_happens_processes_never_set_more_aside_than_there_is(
    redis_server: RedisServer, name: str
) -> None:
    chance = random.Random(19)
    budgets = [SharedBudget(redis_server.url, name, cost="10", lease="0.05") for _ in range(3)]
    open_: list[tuple[SharedBudget, Decimal]] = []
    spent, refused = Decimal(0), 0
    for _ in range(600):
        budget = chance.choice(budgets)
        if open_ and chance.random() < 0.4:
            owner, reserved = open_.pop(chance.randrange(len(open_)))
            cost = reserved * Decimal(chance.randrange(101)) / 100
            owner.book(Amount(cost), reserved=Amount(reserved))
            spent += cost
        else:
            wanted = Decimal(chance.randrange(1, 300)) / 1000
            try:
                await budget.admit(Amount(wanted))
            except BudgetExceededError:
                refused += 1
            else:
                open_.append((budget, wanted))
        assert spent + sum(reserved for _, reserved in open_) <= 10
        assert kept(redis_server, name) <= 10
    assert refused > 0
    for owner, reserved in open_:
        owner.book(Amount(), reserved=Amount(reserved))
    for budget in budgets:
        await budget.aclose()
    assert kept(redis_server, name) == spent, "what was told is what was spent"


@pytest.mark.requirement("E06-T005.AC3")
async def test_what_a_dead_process_had_set_aside_is_spent_until_somebody_says_otherwise(
    redis_server: RedisServer, name: str
) -> None:
    dead, living = (SharedBudget(redis_server.url, name, cost=1, lease="0.01") for _ in range(2))
    await dead.admit(Amount(Decimal("0.7")))
    with pytest.raises(BudgetExceededError):
        await living.admit(Amount(Decimal("0.5")))
    owners = await living.owners()
    assert owners[dead.owner] >= Decimal("0.7")
    await living.settle_owner(dead.owner, "0.2")
    await living.admit(Amount(Decimal("0.5")))
    assert dead.owner not in await living.owners()
    await living.aclose()


async def test_a_budget_begins_again_with_its_window(redis_server: RedisServer, name: str) -> None:
    budget = SharedBudget(redis_server.url, name, cost=1, window=1)
    await budget.admit(Amount(Decimal(1)))
    budget.book(Amount(Decimal(1)), reserved=Amount(Decimal(1)))
    with pytest.raises(BudgetExceededError) as caught:
        await budget.admit(Amount(Decimal("0.5")))
    assert caught.value.retry_after is not None and caught.value.retry_after <= 1
    async with asyncio.timeout(10):
        while True:
            try:
                await budget.admit(Amount(Decimal("0.5")))
                break
            except BudgetExceededError:
                await asyncio.sleep(0.1)
    await budget.aclose()


@pytest.mark.requirement("E06-T005.AC4")
async def test_while_redis_is_away_money_comes_from_what_is_held_and_calls_wait_for_more(
    redis_server: RedisServer, name: str
) -> None:
    budget = SharedBudget(redis_server.url, name, cost=1, lease="0.1")
    hasty = SharedBudget(redis_server.url, name, cost=1, lease="0.1", max_wait=0)
    await budget.admit(Amount(Decimal("0.2")))
    redis_server.kill()
    await budget.admit(Amount(Decimal("0.1")))
    with pytest.raises(BudgetExceededError, match="cannot be reached"):
        await hasty.admit(Amount(Decimal("0.1")))
    waiting = asyncio.create_task(budget.admit(Amount(Decimal("0.2"))))
    with pytest.raises(RedisAwayError):
        await budget.owners()
    assert not waiting.done()
    redis_server.start()
    async with asyncio.timeout(20):
        await waiting
    assert kept(redis_server, name) >= Decimal("0.5"), "a Redis that has forgotten everything is told again"
    await budget.aclose()


async def test_clients_keep_to_them(redis_server: RedisServer, name: str) -> None:
    budget = SharedBudget(redis_server.url, name, cost="1", prices=PRICES, lease="0.001")
    limiter = SharedRateLimiter(redis_server.url, name, requests_per_minute=6000, tokens_per_minute=10**6)
    inner = ScriptedClient("Hi there", model="scripted", repeat=True)
    client = RateLimitedClient(BudgetedClient(inner, budget), limiter)
    await client.chat("Hello", max_tokens=20)
    spent = budget.spent
    assert budget.reserved.cost == 0 and 0 < budget.spent.cost < Decimal("0.3")
    with pytest.raises(BudgetExceededError):
        await client.chat("Hello", max_tokens=1000)
    assert budget.spent == spent
    stream = client.stream_chat("Hello")
    async for _ in stream:
        break
    await stream.aclose()
    assert budget.reserved.cost == 0
    limiter.close()
    await client.aclose()
    await budget.aclose()
