"""What a well-behaved gateway's answer becomes, through the public client and over real sockets."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from raptscallions_ai import (
    AiError,
    AnnotationChunk,
    ChatMessage,
    ContentChunk,
    DoneChunk,
    ImageChunk,
    OpenRouterClient,
    ReasoningChunk,
    StreamInterruptedError,
    ToolCall,
    WaitingChunk,
    assistant,
    system,
    tool_result,
    user,
)
from raptscallions_ai.testing import Cut, FakeGateway, Gate, chunk, completion, sse, usage
from raptscallions_ai.testing.wire import COMMENT, DONE


@pytest.mark.requirement("E04-T002.AC6")
async def test_text_chunks_then_exactly_one_done(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hello", " world")
    chunks = [chunk async for chunk in client.stream_chat("Hi")]
    assert [chunk.type for chunk in chunks] == ["content", "content", "done"]
    assert [chunk.content for chunk in chunks if chunk.type == "content"] == ["Hello", " world"]
    done = chunks[-1]
    assert isinstance(done, DoneChunk)
    assert done.result.content == "Hello world"
    assert done.result.finish_reason == "stop"
    assert done.usage is done.result.usage


@pytest.mark.requirement("E04-T002.AC7")
async def test_usage_and_cost_are_exact(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    details = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "cost": 0.0133176,
        "is_byok": True,
        "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 12},
        "cost_details": {"upstream_inference_cost": 0.0130001},
    }
    fake_gateway.stream("Hi", usage=details)
    used = (await client.chat("Hi")).usage
    assert (used.prompt_tokens, used.completion_tokens, used.total_tokens) == (100, 20, 120)
    assert (used.cached_tokens, used.cache_write_tokens, used.reasoning_tokens) == (64, 8, 12)
    assert (used.cost, used.upstream_cost) == (Decimal("0.0133176"), Decimal("0.0130001"))
    assert (used.cost_source, used.is_byok, used.reported) == ("reported", True, True)
    assert used.raw["cost_details"] == {"upstream_inference_cost": 0.0130001}


async def test_text_stream_yields_plain_text(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hel", "lo", reasoning=["hm"])
    assert [text async for text in client.stream_chat("Hi").text_stream] == ["Hel", "lo"]


async def test_result_drains_and_can_be_asked_for_again(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hello", " world")
    stream = client.stream_chat("Hi")
    assert (await anext(stream)) == ContentChunk("Hello")
    result = await stream.result()
    assert result.content == "Hello world"
    assert await stream.result() is result
    assert stream.partial is result
    assert len(fake_gateway.requests) == 1


async def test_each_chunk_arrives_before_the_next_is_sent(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    gate = Gate()
    fake_gateway.reply(sse(chunk("one")), gate, sse(chunk(" two", finish_reason="stop")), sse(usage_only()), DONE)
    stream = client.stream_chat("Hi")
    assert await anext(stream) == ContentChunk("one")
    assert not gate.is_open
    assert stream.partial.content == "one"
    gate.open()
    assert (await stream.result()).content == "one two"


async def test_reasoning_is_streamed_and_its_blocks_survive_the_round_trip(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    def thinking(**block: Any) -> bytes:
        delta = {"role": "assistant", "content": "", "reasoning_details": [{"index": 0, **block}]}
        return sse({"id": "gen-1", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})

    fake_gateway.reply(
        thinking(type="reasoning.text", text="Let me", format="anthropic-claude-v1"),
        thinking(type="reasoning.text", text=" think."),
        sse(chunk("42")),
        thinking(type="reasoning.text", signature="c2ln"),
        sse(chunk("", finish_reason="stop")),
        sse(usage_only()),
        DONE,
    )
    chunks = [chunk async for chunk in client.stream_chat("Hi")]
    assert [c.content for c in chunks if isinstance(c, ReasoningChunk)] == ["Let me", " think."]
    result = chunks[-1].result if isinstance(chunks[-1], DoneChunk) else None
    assert result is not None
    assert result.reasoning == "Let me think."
    block = {
        "index": 0,
        "type": "reasoning.text",
        "text": "Let me think.",
        "format": "anthropic-claude-v1",
        "signature": "c2ln",
    }
    assert result.reasoning_details == (block,)
    await client.chat([user("Hi"), result.to_message(), user("And?")])
    assert fake_gateway.requests[-1].json["messages"][1] == {
        "role": "assistant",
        "content": "42",
        "reasoning_details": [block],
    }


async def test_tool_calls_are_streamed_in_pieces_and_put_together(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    calls = [ToolCall("call_1", "weather", '{"city": "Paris"}'), ToolCall("call_2", "weather", '{"city": "Rome"}')]
    fake_gateway.stream(tool_calls=calls)
    stream = client.stream_chat("Weather?", tools=[{"type": "function", "function": {"name": "weather"}}])
    pieces: dict[int, str] = {}
    async for piece in stream:
        if piece.type == "tool_call":
            pieces[piece.index] = pieces.get(piece.index, "") + piece.arguments
    result = await stream.result()
    assert result.tool_calls == tuple(calls)
    assert pieces == {0: calls[0].raw_arguments, 1: calls[1].raw_arguments}
    assert (result.finish_reason, result.has_tool_calls, result.content) == ("tool_calls", True, "")
    assert [call.arguments["city"] for call in result.tool_calls] == ["Paris", "Rome"]
    await client.chat([user("Weather?"), result.to_message(), tool_result("call_1", "12 C")])
    sent = fake_gateway.requests[-1].json["messages"]
    assert sent[1]["tool_calls"][0] == calls[0].to_dict()
    assert sent[2] == {"role": "tool", "content": "12 C", "tool_call_id": "call_1"}


async def test_annotations_and_images(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    citation = {"type": "url_citation", "url_citation": {"url": "https://example.org", "title": "Example"}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    delta = {"content": "See", "annotations": [citation], "images": [image]}
    fake_gateway.reply(
        sse({"choices": [{"index": 0, "delta": delta}]}), sse(chunk("", finish_reason="stop")), sse(usage_only()), DONE
    )
    chunks = [chunk async for chunk in client.stream_chat("Hi")]
    assert AnnotationChunk(citation) in chunks
    pictures = [chunk for chunk in chunks if isinstance(chunk, ImageChunk)]
    assert [picture.url for picture in pictures] == ["data:image/png;base64,AAAA"]
    result = await client.stream_chat("again").result()
    assert result.images == ()


async def test_keep_alives_are_shown_only_if_asked_for(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    gate = Gate()
    fake_gateway.reply(COMMENT, gate, sse(chunk("Hi", finish_reason="stop")), sse(usage_only()), DONE, times=2)
    stream = client.stream_chat("Hi", include_waiting=True)
    assert await anext(stream) == WaitingChunk()
    gate.open()
    assert [chunk.type async for chunk in stream] == ["content", "done"]
    assert [chunk.type async for chunk in client.stream_chat("Hi")] == ["content", "done"]


@pytest.mark.requirement("E04-T002.AC1")
async def test_chat_streams_by_default_and_can_ask_for_one_body(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    streamed = await client.chat("Hi")
    whole = await client.chat("Hi", stream=False)
    assert [request.wants_stream for request in fake_gateway.requests] == [True, False]
    assert streamed.content == whole.content != ""
    assert (streamed.usage, streamed.finish_reason) == (whole.usage, whole.finish_reason)


async def test_a_gateway_that_answers_a_stream_with_one_body_is_understood(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.json(completion("All at once"), times=2)
    chunks = [chunk async for chunk in client.stream_chat("Hi")]
    assert [chunk.type for chunk in chunks] == ["content", "done"]
    assert (await client.chat("Hi")).content == "All at once"


@pytest.mark.requirement("E04-T002.AC3")
async def test_the_request_is_what_was_asked_for(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    messages = [system("Be brief."), {"role": "user", "content": "Hi"}, assistant("Well"), ChatMessage("user", "Yes?")]
    await client.chat(
        messages,
        model="openai/gpt-4o",
        max_tokens=5,
        temperature=0.0,
        top_p=0.5,
        extra_body={"top_a": 0.1},
        extra_headers={"X-Session-Id": "s1"},
        extra_query={"debug": "1"},
    )
    request = fake_gateway.requests[0]
    assert list(json.loads(request.body)) == [
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "temperature",
        "top_p",
        "top_a",
    ]
    assert request.json["stream_options"] == {"include_usage": True}
    assert request.json["model"] == "openai/gpt-4o"
    assert (request.json["temperature"], request.json["max_tokens"]) == (0.0, 5)
    assert [message["role"] for message in request.json["messages"]] == ["system", "user", "assistant", "user"]
    assert request.headers["x-session-id"] == "s1"
    assert "debug" in str(request.query)
    assert request.headers["authorization"] == f"Bearer {fake_gateway.api_key}"


async def test_misuse_is_reported_before_anything_is_sent(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    misuse: dict[str, Any] = {"max_token": 5}
    with pytest.raises(TypeError, match="max_token"):
        client.stream_chat("Hi", **misuse)
    with pytest.raises(TypeError, match=r"messages\[0\]"):
        client.stream_chat([5])  # pyright: ignore[reportArgumentType] - the misuse that is tested
    with pytest.raises(ValueError, match="role"):
        client.stream_chat([{"content": "Hi"}])
    with pytest.raises(ValueError, match="timeout"):
        client.stream_chat("Hi", timeout=-1)
    with pytest.raises(ValueError, match="control characters"):
        client.stream_chat("Hi", extra_headers={"X-A": "a\r\nAuthorization: evil"})
    assert fake_gateway.requests == []


async def test_two_tasks_cannot_read_one_stream(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    import asyncio

    gate = Gate()
    fake_gateway.reply(gate, sse(chunk("Hi", finish_reason="stop")), sse(usage_only()), DONE)
    stream = client.stream_chat("Hi")
    first = asyncio.ensure_future(stream.result())
    await fake_gateway.until(lambda: len(fake_gateway.requests) == 1)
    with pytest.raises(AiError, match="another task"):
        await anext(stream)
    gate.open()
    assert (await first).content == "Hi"


def usage_only() -> dict[str, Any]:
    return {"id": "gen-1", "choices": [], "usage": usage()}


@pytest.mark.requirement("E04-T005.AC9")
async def test_chunks_can_be_read_as_many_as_there_are(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("a")) + sse(chunk("b")) + sse(chunk("c")), Cut())
    stream, seen = client.stream_chat("Hi"), list[str]()
    with pytest.raises(StreamInterruptedError):
        while chunks := await stream.read():
            seen += [piece.content for piece in chunks if piece.type == "content"]
    assert "".join(seen) == "abc"
    with pytest.raises(StreamInterruptedError):
        await stream.result()


@pytest.mark.requirement("E04-T005.AC9")
async def test_there_is_nothing_to_read_behind_the_end(client: OpenRouterClient) -> None:
    stream = client.stream_chat("Hi")
    whole = [piece async for piece in stream]
    assert whole[-1].type == "done"
    assert await stream.read() == ()
    left = client.stream_chat("Hi")
    await left.aclose()
    assert await left.read() == ()
