"""An answer that pauses (`pause_turn`) is sent back and goes on, and the caller sees one answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import (
    BadRequestError,
    DoneChunk,
    OpenRouterClient,
    ProviderError,
    StreamChunk,
    StreamInterruptedError,
    TimeoutError,
    Timeouts,
    user,
)
from raptscallions_ai.client.anthropic import AsyncAnthropicClient
from raptscallions_ai.testing import Cut, FakeAnthropic, FakeGateway, Hang, Reply, sse

pytestmark = [pytest.mark.requirement("E04-T022.AC3"), pytest.mark.usefixtures("short_delays")]

SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "fruit"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]}
QUESTION = {"role": "user", "content": [{"type": "text", "text": "Look it up"}]}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def part(*blocks: dict[str, Any], stop: str | None = "pause_turn", **message: Any) -> bytes:
    """Return the events of one part of an answer; without a stop reason it has no end."""
    start = {"id": f"msg_{len(blocks)}", "model": "claude-fake-1", "usage": {"input_tokens": 10}, **message}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(blocks):
        events += [
            {"type": "content_block_start", "index": index, "content_block": block},
            {"type": "content_block_stop", "index": index},
        ]
    if stop is not None:
        events += [
            {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ]
    return b"".join(sse(event, event=event["type"]) for event in events)


def pausing(*blocks: dict[str, Any], **more: Any) -> Reply:
    return Reply((part(*blocks, **more),))


async def collected(chunks: AsyncIterator[StreamChunk]) -> list[StreamChunk]:
    return [chunk async for chunk in chunks]


async def test_the_answer_goes_on_in_the_same_stream(claude: AsyncAnthropicClient, anthropic: FakeAnthropic) -> None:
    anthropic.add(pausing(text("I look. "), SEARCH))
    anthropic.add(pausing(FOUND, text(" Apples."), stop="end_turn"))
    chunks = await collected(claude.stream_chat("Look it up"))
    assert [chunk.type for chunk in chunks] == ["content", "content", "done"]
    done = chunks[-1]
    assert isinstance(done, DoneChunk)
    result = done.result
    assert (result.content, result.finish_reason) == ("I look.  Apples.", "stop")
    assert (result.input_tokens, result.output_tokens, result.total_tokens) == (20, 10, 30)
    assert [attempt.error for attempt in result.attempts] == [None, None]
    assert result.native is not None
    assert result.native["content"] == [text("I look. "), SEARCH, FOUND, text(" Apples.")]


async def test_what_goes_back_is_exactly_what_came(claude: AsyncAnthropicClient, anthropic: FakeAnthropic) -> None:
    thinking = {"type": "thinking", "thinking": "Hm", "signature": "sig=="}
    anthropic.add(pausing(thinking, SEARCH))
    anthropic.add(pausing(FOUND))
    anthropic.add(pausing(text("Apples."), stop="end_turn"))
    result = await claude.chat("Look it up", tools=[{"type": "web_search_20250305", "name": "web_search"}])
    first, second, third = (request.json for request in anthropic.requests)
    assert second["messages"] == [QUESTION, {"role": "assistant", "content": [thinking, SEARCH]}]
    assert third["messages"] == [QUESTION, {"role": "assistant", "content": [thinking, SEARCH, FOUND]}]
    rest = [{name: value for name, value in body.items() if name != "messages"} for body in (first, second, third)]
    assert rest[0] == rest[1] == rest[2]
    assert result.to_message().to_dict()["native"]["content"] == [thinking, SEARCH, FOUND, text("Apples.")]


async def test_code_goes_on_in_the_container_that_it_ran_in(
    claude: AsyncAnthropicClient, anthropic: FakeAnthropic
) -> None:
    anthropic.add(pausing(SEARCH, container={"id": "container_1", "expires_at": "2026-12-01T00:00:00Z"}))
    anthropic.add(pausing(text("Done."), stop="end_turn"))
    result = await claude.chat("Look it up")
    anthropic.add(pausing(text("Again."), stop="end_turn"))
    await claude.chat([user("Look it up"), result.to_message(), user("Again")])
    assert [request.json.get("container") for request in anthropic.requests] == [None, "container_1", None]


async def test_an_answer_in_one_document_goes_on(claude: AsyncAnthropicClient, anthropic: FakeAnthropic) -> None:
    anthropic.json({"id": "a", "type": "message", "content": [text("One, ")], "stop_reason": "pause_turn", "usage": {}})
    anthropic.json({"id": "b", "type": "message", "content": [text("two.")], "stop_reason": "end_turn", "usage": {}})
    assert (await claude.chat("Count", stream=False, require_usage=False)).content == "One, two."


async def test_an_answer_that_never_stops_pausing_is_handed_over(
    claude: AsyncAnthropicClient, anthropic: FakeAnthropic
) -> None:
    anthropic.add(pausing(text("And ")), times=9)
    result = await claude.chat("Go on")
    assert (result.finish_reason, result.content) == ("pause", "And " * 9)
    assert len(anthropic.requests) == 9
    anthropic.stream("so on.")
    await claude.chat([{"role": "user", "content": "Go on"}, result.to_message()])
    assert anthropic.requests[-1].json["messages"][-1]["content"] == [text("And ")] * 9


async def test_a_failure_before_the_rest_is_tried_again_with_what_there_is(
    claude: AsyncAnthropicClient, anthropic: FakeAnthropic
) -> None:
    anthropic.add(pausing(text("I look.")))
    anthropic.error(529, "Overloaded")
    anthropic.add(pausing(text(" Apples."), stop="end_turn"))
    chunks = await collected(claude.stream_chat("Look it up"))
    assert [chunk.type for chunk in chunks] == ["content", "content", "done"]
    assert anthropic.requests[1].json == anthropic.requests[2].json
    done = chunks[-1]
    assert isinstance(done, DoneChunk)
    assert [attempt.error for attempt in done.result.attempts] == [None, "ProviderError", None]
    assert done.usage.total_tokens == 30


async def test_a_failure_has_all_that_came(claude: AsyncAnthropicClient, anthropic: FakeAnthropic) -> None:
    anthropic.add(pausing(text("I look.")))
    anthropic.add(Reply((part(text(" App"), stop=None), Cut())))
    with pytest.raises(StreamInterruptedError) as caught:
        await claude.chat("Look it up", max_retries=0)
    partial = caught.value.partial
    assert partial is not None
    assert (partial.content, partial.input_tokens, partial.output_tokens) == ("I look. App", 20, 5)
    assert len(caught.value.attempts) == 2


async def test_a_refusal_of_the_rest_is_final_and_quotes_nothing(
    claude: AsyncAnthropicClient, anthropic: FakeAnthropic
) -> None:
    said = "The oldest orchard of the whole valley belongs to nobody."
    anthropic.add(pausing(text(said)))
    anthropic.error(400, f"messages.1: cannot go on after '{said}'")
    with pytest.raises(BadRequestError) as caught:
        await claude.chat("Look it up")
    assert caught.value.partial is not None
    assert caught.value.partial.content == said
    assert "orchard" not in str(caught.value)
    assert len(anthropic.requests) == 2


async def test_silence_after_a_pause_ends_at_the_limit_of_the_first_content(
    claude: AsyncAnthropicClient, anthropic: FakeAnthropic
) -> None:
    anthropic.add(pausing(text("I look.")))
    anthropic.reply(Hang())
    with pytest.raises(TimeoutError) as caught:
        await claude.chat("Look it up", timeout=Timeouts(first_chunk=0.2, idle=30), max_retries=0)
    assert caught.value.phase == "first_chunk"
    assert caught.value.partial is not None
    assert caught.value.partial.content == "I look."


async def test_the_limit_of_the_whole_call_holds_over_pauses(
    claude: AsyncAnthropicClient, anthropic: FakeAnthropic
) -> None:
    anthropic.add(pausing(text("I look.")))
    anthropic.reply(Hang())
    with pytest.raises(TimeoutError) as caught:
        await claude.chat("Look it up", timeout=Timeouts(first_chunk=30, idle=30, total=0.3))
    assert caught.value.phase == "total"


async def test_leaving_between_the_parts_keeps_what_came(
    claude: AsyncAnthropicClient, anthropic: FakeAnthropic
) -> None:
    anthropic.add(pausing(text("I look.")))
    anthropic.reply(Hang())
    stream = claude.stream_chat("Look it up")
    async for _ in stream:
        reading = asyncio.ensure_future(stream.result())
        assert await anthropic.until(lambda: len(anthropic.requests) == 2)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        break
    assert stream.partial.content == "I look."
    assert await anthropic.requests[1].closed()
    assert (await stream.settle()).total_tokens == 15


@pytest.fixture
async def claude_and_another(
    anthropic: FakeAnthropic, fake_gateway: FakeGateway, new_client: ClientFactory
) -> AsyncIterator[AsyncAnthropicClient]:
    other: OpenRouterClient = new_client()
    async with AsyncAnthropicClient(
        anthropic.api_key, anthropic.model, base_url=anthropic.base_url, fallback_clients=[other], max_retries=0
    ) as client:
        yield client


async def test_another_engine_cannot_go_on_and_begins_anew(
    claude_and_another: AsyncAnthropicClient, anthropic: FakeAnthropic, fake_gateway: FakeGateway
) -> None:
    anthropic.add(pausing(text("I look.")))
    anthropic.error(500, "Broken", times=None)
    fake_gateway.stream("Apples.", usage={"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "cost": 0.5})
    chunks = await collected(claude_and_another.stream_chat("Look it up"))
    assert [chunk.type for chunk in chunks] == ["content", "restarted", "content", "done"]
    done = chunks[-1]
    assert isinstance(done, DoneChunk)
    assert done.result.content == "Apples."
    assert (done.usage.total_tokens, done.usage.cost, done.usage.cost_source) == (19, Decimal("0.5"), "unknown")
    assert [message["role"] for message in fake_gateway.requests[0].json["messages"]] == ["user"]


async def test_who_wants_no_restart_gets_the_failure(
    claude_and_another: AsyncAnthropicClient, anthropic: FakeAnthropic, fake_gateway: FakeGateway
) -> None:
    anthropic.add(pausing(text("I look.")))
    anthropic.error(500, "Broken", times=None)
    with pytest.raises(ProviderError) as caught:
        await claude_and_another.chat("Look it up", on_interrupt="fail")
    assert caught.value.partial is not None
    assert caught.value.partial.content == "I look."
    assert fake_gateway.requests == []


async def test_a_rest_that_breaks_off_begins_anew(claude: AsyncAnthropicClient, anthropic: FakeAnthropic) -> None:
    anthropic.add(pausing(text("I look.")))
    anthropic.add(Reply((part(text(" App"), stop=None), Cut())))
    anthropic.add(pausing(text("Apples."), stop="end_turn"))
    chunks = await collected(
        claude.stream_chat("Look it up", on_interrupt="continue", model="claude-sonnet-4-20250514")
    )
    assert [chunk.type for chunk in chunks] == ["content", "content", "restarted", "content", "done"]
    assert anthropic.requests[2].json["messages"] == [QUESTION]
    done = chunks[-1]
    assert isinstance(done, DoneChunk)
    assert done.result.content == "Apples."


async def test_the_word_alone_is_no_pause(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("One.", finish_reason="pause")
    result = await new_client().chat("Hi")
    assert (result.finish_reason, len(fake_gateway.requests)) == ("pause", 1)
