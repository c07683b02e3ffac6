"""A `Budget` refuses calls and stops answers, and calls at the same time cannot run away with it."""

from __future__ import annotations

import asyncio
import gc
import pickle
from decimal import Decimal
from typing import Any

import pytest

from raptscallions_ai import (
    AiError,
    AuthenticationError,
    BudgetExceededError,
    OpenRouterClient,
    StreamInterruptedError,
    tool,
    user,
)
from raptscallions_ai.models import ModelInfo
from raptscallions_ai.prices import Pricing
from raptscallions_ai.testing import Answer, Cut, FakeGateway, Hang, ScriptedClient, chunk, sse, usage
from raptscallions_ai.wrappers import Amount, Budget, BudgetedClient, TrackedClient

pytestmark = pytest.mark.requirement("E04-T005.AC8")
PRICES = [ModelInfo(id="fake/model-1", pricing=Pricing(prompt=Decimal("0.01"), completion=Decimal("0.1")))]


async def test_a_call_is_refused_when_the_money_is_spent(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    budget = Budget(cost="0.50")
    budgeted = BudgetedClient(client, budget)
    for _ in range(2):
        fake_gateway.stream("Hi", usage=usage(cost=0.3))
        await budgeted.chat("Hi")
    assert budget.spent == Amount(Decimal("0.6"), 30, 2)
    with pytest.raises(BudgetExceededError) as caught:
        await budgeted.chat("Hi")
    error = caught.value
    assert (error.limit, error.allowed, error.used) == ("cost", Decimal("0.50"), Decimal("0.6"))
    assert (error.status_code, error.retryable, error.partial, error.retry_after) == (402, False, None, None)
    assert error.message == "The budget of 0.50 USD is not enough for this call"
    assert error.to_dict()["details"] == {"limit": "cost", "allowed": "0.50", "used": "0.6"}
    assert isinstance(error, AiError)
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)
    assert len(fake_gateway.requests) == 2


@pytest.mark.parametrize(
    ("cost", "upstream", "own_key", "spent"),
    [(0, 0.8, True, "0.8"), (0.04, 0.8, True, "0.84"), (0.4, 0.4, False, "0.4"), (0.4, None, False, "0.4")],
)
@pytest.mark.requirement("E04-T018.AC2")
async def test_what_a_key_of_ones_own_paid_counts(
    client: OpenRouterClient, fake_gateway: FakeGateway, cost: float, upstream: float | None, own_key: bool, spent: str
) -> None:
    told = {**usage(cost=cost), "is_byok": own_key, "cost_details": {"upstream_inference_cost": upstream}}
    fake_gateway.stream("Hi", usage=told, times=None)
    budget = Budget(cost="0.5")
    await BudgetedClient(client, budget).chat("Hi")
    assert budget.spent.cost == Decimal(spent)
    tracked = TrackedClient(client)
    await tracked.chat("Hi")
    assert tracked.get_usage().spend == Decimal(spent)
    if budget.spent.cost > Decimal("0.5"):
        with pytest.raises(BudgetExceededError):
            await BudgetedClient(client, budget).chat("Hi")


async def test_no_figure_of_a_gateway_wipes_a_budget(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    budget = Budget(cost="0.5", tokens=100)
    for told in (usage(cost=0.3), usage(cost=-5), usage(-100, -100), usage(10**15, 1)):
        fake_gateway.stream("Hi", usage=told)
        await BudgetedClient(client, budget).chat("Hi")
    assert (budget.spent.cost, budget.spent.requests) == (Decimal("0.3003"), 4)
    assert 15 <= budget.spent.tokens <= 100


async def test_an_answer_is_stopped_in_the_middle_and_kept(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    pieces = ["x" * 40] * 5
    fake_gateway.reply(*(sse(chunk(piece, id="gen-1")) for piece in pieces), Hang())
    budget = Budget(tokens=35)
    seen, stream = list[str](), BudgetedClient(client, budget).stream_chat("Hi")
    with pytest.raises(BudgetExceededError) as caught:
        async for piece in stream:
            assert piece.type == "content"
            seen.append(piece.content)
    error = caught.value
    assert error.partial is not None
    assert error.partial.content == "".join(seen) == stream.partial.content
    assert len(seen) >= 3
    assert (error.limit, error.request_id) == ("tokens", "gen-1")
    assert await fake_gateway.requests[-1].closed()
    assert fake_gateway.requests[-1].disconnected
    assert budget.reserved == Amount()
    assert budget.spent.tokens >= 35
    with pytest.raises(BudgetExceededError):
        await stream.result()


async def test_money_is_counted_while_an_answer_grows(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(*(sse(chunk("four")) for _ in range(50)), Hang())
    budget = Budget(cost=1, prices=PRICES)
    with pytest.raises(BudgetExceededError) as caught:
        await BudgetedClient(client, budget).chat("Hi")
    assert caught.value.limit == "cost"
    assert caught.value.partial is not None
    assert len(caught.value.partial.content) >= 4 * 10
    assert budget.spent.cost > 1


async def test_an_answer_that_is_complete_is_never_taken_away(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    budget = Budget(tokens=10)
    result = await BudgetedClient(ScriptedClient("word " * 100, ["x"]), Budget(tokens=10**6)).chat("Hi")
    assert result.finish_reason == "stop"
    fake_gateway.add(Answer(("word " * 100,), usage=usage(10, 100)).json())
    assert (await BudgetedClient(client, budget).chat("Hi", stream=False)).finish_reason == "stop"
    assert budget.spent.tokens == 110


async def test_calls_at_the_same_time_cannot_overshoot_wildly(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    for _ in range(20):
        fake_gateway.stream(*["word "] * 200, interval_s=0.001)
    budget = Budget(tokens=400)
    budgeted = BudgetedClient(client, budget)
    results = await asyncio.gather(*(budgeted.chat("Hi") for _ in range(20)), return_exceptions=True)
    assert any(isinstance(result, BudgetExceededError) for result in results)
    assert budget.reserved == Amount()
    # Each of them may have one more read's worth than it should, and no more.
    assert budget.spent.tokens < 400 + 20 * 20


async def test_calls_are_refused_while_others_hold_what_is_left() -> None:
    budget = Budget(requests=1)
    budgeted = BudgetedClient(ScriptedClient(["a", "b"], repeat=True), budget)
    stream = budgeted.stream_chat("Hi")
    await anext(stream)
    assert budget.reserved.requests == 1
    with pytest.raises(BudgetExceededError, match="1 requests"):
        await budgeted.chat("Hi")
    await stream.aclose()
    assert (budget.reserved.requests, budget.spent.requests) == (0, 1)


@pytest.mark.parametrize("way", ["complete", "failed", "left", "closed", "forgotten", "cancelled", "never read"])
async def test_whatever_becomes_of_a_call_it_holds_nothing(
    client: OpenRouterClient, fake_gateway: FakeGateway, way: str
) -> None:
    budget = Budget(tokens=1000)
    budgeted = BudgetedClient(client, budget)
    ending: tuple[Any, ...] = {"complete": (), "failed": (Cut(),)}.get(way, (Hang(),))
    if way == "complete":
        fake_gateway.stream("Hello")
    else:
        fake_gateway.reply(sse(chunk("Hello")), *ending)
    stream = budgeted.stream_chat("Hi")
    if way == "complete":
        await stream.result()
    elif way == "failed":
        with pytest.raises(StreamInterruptedError):
            await stream.result()
    elif way == "left":
        async for _ in stream:
            break
    elif way == "cancelled":
        task = asyncio.create_task(stream.result())
        await fake_gateway.until(lambda: fake_gateway.open_responses == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    elif way != "never read":
        await anext(stream)
        if way == "closed":
            await stream.aclose()
    del stream
    gc.collect()
    assert budget.reserved == Amount()
    assert budget.spent.requests == (0 if way == "never read" else 1)
    assert (budget.spent.tokens > 0) == (way != "never read")


async def test_a_call_that_was_refused_counts_only_as_a_request(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    budget = Budget(cost=1, prices=PRICES)
    fake_gateway.error(401)
    with pytest.raises(AuthenticationError):
        await BudgetedClient(client, budget).chat("Hi")
    assert (budget.spent, budget.reserved) == (Amount(requests=1), Amount())


async def test_what_one_budget_refuses_the_one_around_it_does_not_count() -> None:
    outer = Budget(requests=5)
    client = BudgetedClient(BudgetedClient(ScriptedClient("Hi"), Budget(requests=0)), outer)
    with pytest.raises(BudgetExceededError):
        await client.chat("Hi")
    assert (outer.spent, outer.reserved) == (Amount(), Amount())


async def test_settling_puts_the_real_figures_in_the_place_of_estimates(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    budget = Budget(cost=1000, prices=PRICES)
    fake_gateway.reply(sse(chunk("Hello world", id="gen-1")), Hang())
    stream = BudgetedClient(client, budget).stream_chat("Hi")
    async for _ in stream:
        break
    assert budget.spent.cost > Decimal("0.1")
    settled = await stream.settle()
    await stream.settle()
    assert budget.spent == Amount(settled.cost or Decimal(0), settled.total_tokens, 1)


async def test_a_correction_after_a_reset_gives_nothing_away(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    budget = Budget(cost=1000, prices=PRICES)
    fake_gateway.reply(sse(chunk("Hello world " * 100, id="gen-1")), Hang())
    stream = BudgetedClient(client, budget).stream_chat("Hi")
    async for _ in stream:
        break
    budget.reset()
    await stream.settle()
    assert budget.spent == Amount()


async def test_answers_that_are_not_streamed_need_room_for_all_of_it() -> None:
    budgeted = BudgetedClient(ScriptedClient("Hi", repeat=True), Budget(tokens=100))
    with pytest.raises(BudgetExceededError):
        await budgeted.chat("Hi", stream=False, max_tokens=100)
    with pytest.raises(BudgetExceededError):
        await budgeted.chat("Hi", stream=False, max_completion_tokens=100)
    assert (await budgeted.chat("Hi", stream=False, max_tokens=50)).content == "Hi"
    assert (await budgeted.chat("Hi", max_tokens=100)).content == "Hi"


def now() -> str:
    return "noon"


async def test_images_and_tools_are_part_of_what_is_sent() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "data:,"}}, {"type": "text", "text": "Hi"}]
    budgeted = BudgetedClient(ScriptedClient("Hi", repeat=True), Budget(tokens=500))
    with pytest.raises(BudgetExceededError):
        await budgeted.chat([user(parts)])
    with pytest.raises(BudgetExceededError):
        await budgeted.chat("Hi", tools=[{"type": "function", "function": {"name": "f", "description": "x" * 4000}}])
    with pytest.raises(BudgetExceededError):
        await budgeted.chat("Hi", tools=[tool(description="x" * 4000)(now)])


async def test_a_window_opens_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("raptscallions_ai.wrappers.budget.monotonic", lambda: now)
    budget = Budget(requests=1, window=60)
    budgeted = BudgetedClient(ScriptedClient("Hi", repeat=True), budget)
    await budgeted.chat("Hi")
    now = 130.0
    with pytest.raises(BudgetExceededError) as caught:
        await budgeted.chat("Hi")
    assert caught.value.retry_after == 30
    now = 160.0
    assert budget.spent == Amount()
    await budgeted.chat("Hi")
    with pytest.raises(BudgetExceededError):
        await budgeted.chat("Hi")


async def test_a_reset_forgets_what_was_spent() -> None:
    budget = Budget(requests=1)
    budgeted = BudgetedClient(ScriptedClient("Hi", repeat=True), budget)
    await budgeted.chat("Hi")
    budget.reset()
    await budgeted.chat("Hi")
    assert budget.spent.requests == 1


async def test_a_stopped_call_counts_as_failed_in_a_tracker() -> None:
    client = TrackedClient(BudgetedClient(ScriptedClient(["word "] * 50), Budget(tokens=20)))
    with pytest.raises(BudgetExceededError):
        await client.chat("Hi")
    assert (client.get_usage().failed_calls, client.get_usage().unmeasured_calls) == (1, 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "at least one"),
        ({"cost": "much"}, "cost"),
        ({"cost": -1}, "cost"),
        ({"cost": float("inf")}, "cost"),
        ({"tokens": -1}, "tokens"),
        ({"tokens": 1.5}, "tokens"),
        ({"requests": True}, "requests"),
        ({"requests": 1, "window": 0}, "window"),
    ],
)
def test_what_is_no_budget_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Budget(**wrong)


def test_a_budget_shows_its_limits() -> None:
    assert repr(Budget(cost=0.5, requests=3, window=60)) == "Budget(cost=0.5, requests=3, window=60)"
