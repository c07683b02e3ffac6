"""`UsageTracker` adds up what calls really used, however they ended."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
from decimal import Decimal

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import AuthenticationError, OpenRouterClient, ProviderError, StreamInterruptedError, Usage
from raptscallions_ai.models import ModelInfo
from raptscallions_ai.prices import Pricing
from raptscallions_ai.testing import Answer, Cut, FakeGateway, Hang, ScriptedClient, chunk, sse, usage
from raptscallions_ai.wrappers import TrackedClient, TrackedUsage, UsageTracker

pytestmark = pytest.mark.requirement("E04-T005.AC8")


@pytest.fixture
def tracked(client: OpenRouterClient) -> TrackedClient:
    return TrackedClient(client)


async def test_usage_and_cost_are_added_up(tracked: TrackedClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hi", usage=usage(10, 5, cached_tokens=3, reasoning_tokens=2, cost=0.25))
    fake_gateway.add(Answer(("Hi",), usage=usage(20, 7, cost=0.5)).json())
    assert tracked.get_usage().calls == 0
    await tracked.chat("Hi")
    await tracked.chat("Hi", stream=False)
    total = tracked.get_usage()
    assert (total.prompt_tokens, total.completion_tokens, total.total_tokens) == (30, 12, 42)
    assert (total.cached_tokens, total.reasoning_tokens) == (3, 2)
    assert (total.cost, total.cost_source, total.upstream_cost) == (Decimal("0.75"), "reported", Decimal("0.75"))
    assert (total.calls, total.failed_calls, total.left_calls, total.unmeasured_calls) == (2, 0, 0, 0)


async def test_a_reset_begins_anew(tracked: TrackedClient, fake_gateway: FakeGateway) -> None:
    await tracked.chat("Hi")
    before = tracked.reset_usage()
    assert before.calls == 1
    assert tracked.get_usage().calls == tracked.get_usage().total_tokens == 0
    await tracked.chat("Hi")
    assert tracked.get_usage() == before


async def test_each_tag_has_a_sum_of_its_own(tracked: TrackedClient, fake_gateway: FakeGateway) -> None:
    one, other = tracked.tagged("one"), tracked.tagged("other")
    for client, cost in ((one, 1), (other, 2), (one, 4), (tracked, 8)):
        fake_gateway.stream("Hi", usage=usage(cost=cost))
        await client.chat("Hi")
    tracker = tracked.tracker
    assert [tracker.get_usage(tag).cost for tag in (None, "one", "other", "nobody")] == [15, 5, 2, None]
    assert (one.get_usage().calls, tracked.get_usage().calls, tracker.tags) == (2, 4, ("one", "other"))
    assert one.reset_usage().cost == 5
    assert [tracker.get_usage(tag).cost for tag in (None, "one", "other")] == [15, None, 2]
    tracker.reset_usage()
    assert (tracker.get_usage().calls, tracker.tags) == (0, ())


async def test_closing_a_view_closes_nothing() -> None:
    scripted = ScriptedClient("Hi")
    tracked = TrackedClient(scripted)
    async with tracked.tagged("one").tagged("two") as view:
        assert view.tag == "two"
    assert not scripted.closed
    await tracked.aclose()
    assert scripted.closed


async def test_clients_can_share_a_tracker() -> None:
    tracker = UsageTracker()
    await TrackedClient(ScriptedClient("Hi"), tracker).chat("Hi")
    await TrackedClient(ScriptedClient("Hi"), tracker, tag="x").chat("Hi")
    assert (tracker.get_usage().calls, tracker.get_usage("x").calls) == (2, 1)
    assert repr(tracker) == "UsageTracker(2 calls)"


async def test_a_failed_call_counts_with_what_it_told(tracked: TrackedClient, fake_gateway: FakeGateway) -> None:
    spent = sse(chunk("Hel", usage=usage(cost=0.125)))
    fake_gateway.reply(spent, Cut())
    with pytest.raises(StreamInterruptedError):
        await tracked.chat("Hi")
    total = tracked.get_usage()
    assert (total.failed_calls, total.cost, total.total_tokens, total.unmeasured_calls) == (1, Decimal("0.125"), 15, 0)


@pytest.mark.usefixtures("short_delays")
async def test_attempts_that_were_made_again_count(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    tracked = TrackedClient(new_client(max_retries=1, on_interrupt="restart"))
    fake_gateway.reply(sse(chunk("Hel", usage=usage(cost=0.125))), Cut())
    fake_gateway.error(503, times=2)
    with pytest.raises(ProviderError) as caught:
        await tracked.chat("Hi")
    assert len(caught.value.attempts) >= 2
    assert (tracked.get_usage().cost, tracked.get_usage().calls) == (Decimal("0.125"), 1)


async def test_a_refused_call_costs_nothing_and_that_is_known(
    tracked: TrackedClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.error(401)
    with pytest.raises(AuthenticationError):
        await tracked.chat("Hi")
    total = tracked.get_usage()
    assert (total.calls, total.failed_calls, total.unmeasured_calls, total.cost) == (1, 1, 0, None)


async def test_a_call_that_was_left_is_unmeasured_until_it_is_settled(
    tracked: TrackedClient, fake_gateway: FakeGateway
) -> None:
    first = (await tracked.chat("Hi")).usage
    fake_gateway.reply(sse(chunk("Hel", id="gen-1")), Hang())
    stream = tracked.stream_chat("Hi")
    async for _ in stream:
        break
    total = tracked.get_usage()
    assert (total.left_calls, total.unmeasured_calls, total.cost_source) == (1, 1, "unknown")
    settled = await stream.settle()
    await stream.settle()
    assert settled.cost is not None
    after = tracked.get_usage()
    assert (after.calls, after.unmeasured_calls, after.cost_source) == (2, 0, "reported")
    assert (after.cost, after.total_tokens) == ((first + settled).cost, first.total_tokens + settled.total_tokens)


async def test_settling_after_a_reset_changes_no_sum(tracked: TrackedClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Hel", id="gen-1")), Hang())
    stream = tracked.stream_chat("Hi")
    async for _ in stream:
        break
    tracked.reset_usage()
    await stream.settle()
    total = tracked.get_usage()
    assert (total.calls, total.total_tokens, total.cost) == (0, 0, None)


async def test_what_costs_is_estimated_where_the_gateway_does_not_say(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    prices = [ModelInfo(id="fake/model-1", pricing=Pricing(prompt=Decimal("0.01"), completion=Decimal("0.1")))]
    tracked = TrackedClient(client, UsageTracker(prices=prices))
    fake_gateway.stream("Hi", usage=usage(10, 5, cost=None))
    fake_gateway.stream("Hi", usage=usage(10, 5, cost=1))
    fake_gateway.stream("Hi", usage=usage(10, 5, cost=None), model="another/name")
    for _ in range(3):
        await tracked.chat("Hi")
    total = tracked.get_usage()
    assert (total.cost, total.cost_source) == (Decimal("0.6") + 1 + Decimal("0.6"), "priced")


async def test_without_prices_the_sum_is_a_lower_bound(tracked: TrackedClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hi", usage=usage(cost=None))
    fake_gateway.stream("Hi", usage=usage(cost=1))
    await tracked.chat("Hi")
    await tracked.chat("Hi")
    total = tracked.get_usage()
    assert (total.cost, total.cost_source, total.unmeasured_calls) == (1, "unknown", 1)


async def test_streams_that_are_collected_as_garbage_count() -> None:
    tracked = TrackedClient(ScriptedClient(["a", "b"], repeat=True))
    for _ in range(3):
        stream = tracked.stream_chat("Hi")
        await anext(stream)
        del stream
    gc.collect()
    assert tracked.get_usage().left_calls == 3


def test_threads_do_not_lose_calls() -> None:
    tracked = TrackedClient(ScriptedClient("one two", repeat=True))

    async def work() -> None:
        await asyncio.gather(*(tracked.chat("Hi") for _ in range(50)))
        tracked.get_usage()

    threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tracked.get_usage().calls, tracked.get_usage().completion_tokens) == (200, 400)


def test_calls_that_were_made_elsewhere_can_be_recorded_and_totals_are_plain_values() -> None:
    tracker = UsageTracker()
    tracker.record(TrackedUsage(Usage(1, 2, 3, cost=Decimal(1), cost_source="reported", is_byok=True), tag="batch"))
    total = tracker.get_usage("batch")
    assert (total.total_tokens, total.is_byok) == (3, True)
    assert pickle.loads(pickle.dumps(total)) == total
