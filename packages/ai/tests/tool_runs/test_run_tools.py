"""`run_tools` over real sockets: what is sent, and that a run that ends early leaves neither connection nor task."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import (
    ChatMessage,
    OpenRouterClient,
    ProviderError,
    StreamInterruptedError,
    ToolCall,
    has_tool_call,
    tool,
)
from raptscallions_ai.structured import StreamingJson
from raptscallions_ai.testing import FakeGateway, Hang, chunk, sse, usage
from raptscallions_ai.testing.wire import DONE

pytestmark = pytest.mark.requirement("E04-T005.AC3")
PARIS = ToolCall("call_1", "weather", '{"city": "Paris"}')
ROME = ToolCall("call_2", "weather", '{"city": "Rome"}')


@tool
def weather(city: str) -> str:
    """Tell the temperature.

    Args:
        city: Name of the city.
    """
    return f"12 degrees in {city}"


@tool
async def endless() -> None:
    """Never ends."""
    await asyncio.Event().wait()


async def test_two_steps_on_the_wire(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Let me look.", tool_calls=[PARIS, ROME]).stream("12 degrees in both.")
    result = await client.run_tools("How warm is it?", tools=[weather], temperature=0).result()
    assert (result.content, result.stopped_by) == ("12 degrees in both.", None)
    assert result.usage.cost == Decimal("0.00030")
    assert [attempt.error for attempt in result.attempts] == [None, None]
    first, second = (request.json for request in fake_gateway.requests)
    assert first["tools"] == second["tools"] == [weather.to_dict()]
    assert second["messages"][1:] == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [PARIS.to_dict(), ROME.to_dict()],
        },
        {"role": "tool", "content": "12 degrees in Paris", "tool_call_id": "call_1"},
        {"role": "tool", "content": "12 degrees in Rome", "tool_call_id": "call_2"},
    ]


async def test_reasoning_blocks_go_back_byte_by_byte(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    block = {
        "type": "reasoning.text",
        "text": "é hm",
        "signature": "c2ln==",
        "format": "anthropic-claude-v1",
        "index": 0,
    }
    start = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    rest = {"index": 0, "function": {"arguments": '{"city": "Paris"}'}}
    fake_gateway.reply(
        sse(chunk(delta={"reasoning": "é hm", "reasoning_details": [block]})),
        sse(chunk(delta={"tool_calls": [start]})),
        sse(chunk(delta={"tool_calls": [rest]})),
        sse(chunk(finish_reason="tool_calls")),
        sse(chunk(choices=[], usage=usage())),
        DONE,
    ).stream("12 degrees.")
    await client.run_tools("Hi", tools=[weather]).result()
    assert fake_gateway.requests[1].json["messages"][1]["reasoning_details"] == [block]


async def test_arguments_can_be_shown_while_they_arrive(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream(tool_calls=[PARIS]).stream("12 degrees.")
    arguments, seen = StreamingJson(), list[object]()
    async for event in client.run_tools("Hi", tools=[weather]):
        if event.type == "tool_call":
            seen.append(dict(arguments.feed(event.arguments) or {}))
    assert seen == [{}, {}, {"city": "Paris"}]


async def test_an_answer_cut_by_its_token_limit_runs_nothing(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream(tool_calls=[PARIS], finish_reason="length")
    result = await client.run_tools("Hi", tools=[weather], max_tokens=5).result()
    assert (result.stopped_by, result.finish_reason) == ("unfinished_call", "length")
    assert result.messages[-1] == ChatMessage(
        "tool", "not run: the answer broke off before its end", tool_call_id="call_1"
    )
    assert len(fake_gateway.requests) == 1


async def test_a_failure_in_the_second_step_keeps_the_first(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream(tool_calls=[PARIS]).error(503, "overloaded").stream("12 degrees.")
    run = client.run_tools("Hi", tools=[weather])
    with pytest.raises(ProviderError):
        await run.result()
    assert run.usage.cost == Decimal("0.00015")
    assert run.usage.cost_source == "reported"
    assert (await client.run_tools(run.messages, tools=[weather]).result()).content == "12 degrees."
    assert fake_gateway.requests[2].json["messages"] == fake_gateway.requests[1].json["messages"]


async def test_an_answer_that_breaks_off_in_the_second_step(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream(tool_calls=[PARIS]).reply(sse(chunk("It is ")))
    run = client.run_tools("Hi", tools=[weather])
    with pytest.raises(StreamInterruptedError) as caught:
        await run.result()
    assert caught.value.partial is not None
    assert caught.value.partial.content == "It is "
    assert len(run.messages) == 3


async def test_cancelling_while_the_model_answers(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream(tool_calls=[PARIS]).reply(sse(chunk("It is ")), Hang())
    run, seen = client.run_tools("Hi", tools=[weather]), asyncio.Event()

    async def read() -> None:
        async for event in run:
            if event.type == "content":
                seen.set()

    task = asyncio.create_task(read())
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await fake_gateway.requests[1].closed()
    assert fake_gateway.requests[1].disconnected
    assert len(run.messages) == 3
    assert run.usage.cost_source == "unknown"


async def test_breaking_out_while_the_model_answers(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream(tool_calls=[PARIS]).reply(sse(chunk("It is ")), Hang())
    async for event in client.run_tools("Hi", tools=[weather]):
        if event.type == "content":
            break
    assert await fake_gateway.requests[1].closed()
    assert fake_gateway.requests[1].disconnected


async def test_a_deadline_of_the_caller_holds_for_tools_and_answers(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream(tool_calls=[ToolCall("call_1", "endless", "{}")])
    run = client.run_tools("Hi", tools=[endless])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as deadline:
            async for event in run:
                if event.type == "tool_started":  # however long it took to get there
                    deadline.reschedule(0)
    assert run.messages[-1] == ChatMessage("tool", "not finished: it was cancelled while it ran", tool_call_id="call_1")


async def test_many_runs_side_by_side(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    client = new_client()
    fake_gateway.stream(tool_calls=[PARIS, ROME], times=None)
    runs = [client.run_tools("Hi", tools=[weather], max_steps=2) for _ in range(20)]
    results = await asyncio.gather(*(run.result() for run in runs))
    assert {result.stopped_by for result in results} == {"max_steps"}
    assert {len(result.messages) for result in results} == {7}
    assert len(fake_gateway.requests) == 40


async def test_a_run_through_fallbacks_and_retries(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(503, retry_after=0).stream(tool_calls=[PARIS]).error(503, retry_after=0).stream("12 degrees.")
    run = new_client(max_retries=1).run_tools("Hi", tools=[weather], stop_when=has_tool_call("other"))
    result = await run.result()
    assert (result.content, len(result.attempts)) == ("12 degrees.", 4)
