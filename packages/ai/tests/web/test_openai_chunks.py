"""OpenAI clients read an endpoint of ours: this library's own, and OpenAI's."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai.types.chat import ChatCompletionChunk
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp
from web_server import Serve

from raptscallions_ai import (
    AiError,
    ChatResult,
    ContentChunk,
    DoneChunk,
    ModelNotAvailableError,
    OpenRouterClient,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ReasoningChunk,
    RestartedChunk,
    StreamChunk,
    StreamInterruptedError,
    ToolCall,
    Usage,
    WaitingChunk,
)
from raptscallions_ai.testing import ChatScript, FakeGateway, Pause, ScriptedClient, chunk, sse, usage
from raptscallions_ai.testing.wire import DONE
from raptscallions_ai.web import ChatStreamResponse, ai_error_handler, openai_sse_body

pytestmark = pytest.mark.requirement("E04-T005.AC6")


def proxy(client: OpenRouterClient | ScriptedClient, **options: Any) -> ASGIApp:
    """An endpoint that any OpenAI client can ask."""

    async def completions(request: Request) -> Response:
        body = await request.json()
        return ChatStreamResponse(openai_sse_body(client.stream_chat(body["messages"]), **options))

    handlers: Any = {AiError: ai_error_handler}
    routes = [Route("/v1/chat/completions", completions, methods=["POST"])]
    return Starlette(routes=routes, exception_handlers=handlers)


async def through_it(serve: Serve, script: ChatScript, **options: Any) -> ChatResult:
    url = serve(proxy(ScriptedClient(script, model="openai/gpt-4o"), **options)).url
    async with OpenRouterClient("a-key", url + "/v1", "m", max_retries=0) as reader:
        return await reader.chat("Hi")


async def events_of(*chunks: StreamChunk, **options: Any) -> list[dict[str, Any]]:
    async def stream() -> AsyncGenerator[StreamChunk]:
        for chunk_ in chunks:
            yield chunk_

    text = b"".join([data async for data in openai_sse_body(stream(), **options)])
    assert text.endswith(DONE)
    lines = text.removesuffix(DONE).decode().splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


WHOLE = ChatResult(
    content="Sunny.",
    usage=Usage(
        10,
        5,
        15,
        reasoning_tokens=2,
        cached_tokens=4,
        cost=Decimal("0.00012345678901"),
        cost_source="reported",
        raw={"a": 1},
    ),
    model="openai/gpt-4o",
    finish_reason="tool_calls",
    native_finish_reason="end_turn",
    tool_calls=(ToolCall("call_1", "weather", '{"city":"Rome"}'), ToolCall("call_2", "time", "{}")),
    reasoning="Hm.",
    reasoning_details=({"type": "reasoning.encrypted", "data": "abc", "index": 0},),
    annotations=({"type": "url_citation", "url_citation": {"url": "https://example.com"}},),
    images=({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},),
    refusal="But no.",
)


async def test_nothing_is_lost_on_the_way_to_a_client_of_ours(serve: Serve) -> None:
    result = await through_it(serve, WHOLE)
    for field in (
        "content",
        "model",
        "finish_reason",
        "native_finish_reason",
        "tool_calls",
        "reasoning",
        "reasoning_details",
        "annotations",
        "images",
        "refusal",
    ):
        assert getattr(result, field) == getattr(WHOLE, field), field
    for field in ("prompt_tokens", "completion_tokens", "total_tokens", "reasoning_tokens", "cached_tokens", "cost"):
        assert getattr(result.usage, field) == getattr(WHOLE.usage, field), field


async def test_the_gateways_id_passes_through(
    client: OpenRouterClient, fake_gateway: FakeGateway, serve: Serve
) -> None:
    fake_gateway.stream("Hello", " world", id="gen-17", model="some/model")
    url = serve(proxy(client)).url
    async with OpenRouterClient("a-key", url + "/v1", "m") as reader:
        result = await reader.chat("Hi")
    assert (result.id, result.model, result.content) == ("gen-17", "some/model", "Hello world")


@pytest.mark.parametrize(
    "error",
    [
        RateLimitError(7),
        ProviderError("no answer", status_code=503),
        PermissionDeniedError("not there", error_type="region_restricted"),
        ModelNotAvailableError("a/b", error_type="model_not_found"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("before", [[], ["Half"]], ids=["before", "within"])
async def test_errors_keep_their_class_on_the_way(serve: Serve, error: AiError, before: list[str]) -> None:
    with pytest.raises(type(error)) as caught:
        await through_it(serve, [*before, error])
    assert caught.value.status_code == error.status_code
    assert (caught.value.partial is not None and caught.value.partial.content) == ("Half" if before else False)


async def test_a_closed_stream_is_an_error_for_the_reader() -> None:
    [content, error] = await events_of(ContentChunk("Hi"))
    assert "error" not in content
    assert error["error"]["type"] == "StreamInterruptedError"
    assert error["choices"][0]["finish_reason"] == "error"


async def test_text_that_cannot_be_taken_back_is_an_error() -> None:
    restarted = RestartedChunk(ChatResult(content="Hi"), RateLimitError(3))
    error = (await events_of(ContentChunk("Hi"), restarted))[-1]
    assert (error["error"]["type"], error["error"]["code"]) == ("RateLimitError", 429)


async def test_the_role_comes_once_and_all_chunks_have_one_id() -> None:
    done = DoneChunk(ChatResult(content="Hi", finish_reason="stop", usage=Usage(1, 2, 3, raw={"a": 1})))
    events = await events_of(ReasoningChunk("Hm"), ContentChunk("Hi"), WaitingChunk(), done)
    assert [event["choices"][0]["delta"] for event in events if event["choices"]] == [
        {"role": "assistant", "reasoning": "Hm"},
        {"content": "Hi"},
        {},
    ]
    assert len({(event["id"], event["model"], event["created"]) for event in events}) == 1
    assert events[0]["id"].startswith("chatcmpl-")
    assert events[-1]["choices"] == []
    assert events[-1]["usage"]["total_tokens"] == 3


async def test_usage_that_nobody_asked_for_or_reported_is_not_told() -> None:
    reported = DoneChunk(ChatResult(content="Hi", finish_reason="stop", usage=Usage(1, 2, 3, raw={"a": 1})))
    assert not any("usage" in event for event in await events_of(ContentChunk("Hi"), reported, include_usage=False))
    unknown = DoneChunk(ChatResult(content="Hi", finish_reason="stop"))
    assert not any("usage" in event for event in await events_of(ContentChunk("Hi"), unknown))


@pytest_asyncio.fixture
async def sdk(
    fake_gateway: FakeGateway, serve: Serve, request: pytest.FixtureRequest
) -> AsyncGenerator[openai.AsyncOpenAI]:
    """OpenAI's own client, asking our endpoint, which asks the fake gateway."""
    keep_alive: float = getattr(request, "param", 15.0)
    # Not the fixture `client`, whose watch on leaks sees what OpenAI's client leaves to the garbage collector.
    upstream = OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model, max_retries=0)
    url = serve(proxy(upstream, keep_alive=keep_alive)).url
    async with upstream, openai.AsyncOpenAI(api_key="a-key", base_url=url + "/v1", max_retries=0) as sdk:
        yield sdk


async def ask(sdk: openai.AsyncOpenAI) -> list[ChatCompletionChunk]:
    stream = await sdk.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hi"}], stream=True, stream_options={"include_usage": True}
    )
    async with stream:
        return [piece async for piece in stream]


@pytest.mark.parametrize("sdk", [0.02], indirect=True, ids=["keep-alives all the time"])
async def test_openais_own_client_reads_it_keep_alives_included(
    sdk: openai.AsyncOpenAI, fake_gateway: FakeGateway
) -> None:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    steps = [sse(chunk("Hel")), Pause(0.1), sse(chunk("lo")), sse(chunk(delta={"tool_calls": [call]}))]
    fake_gateway.reply(*steps, sse(chunk(finish_reason="stop", usage=usage(10, 5))), DONE)
    pieces = await ask(sdk)
    deltas = [piece.choices[0].delta for piece in pieces if piece.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Hello"
    [name] = [call.function.name for delta in deltas for call in delta.tool_calls or () if call.function]
    assert name == "f"
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.total_tokens == 15


async def test_openais_own_client_raises_our_errors(sdk: openai.AsyncOpenAI, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(429, "Slow down").reply(sse(chunk("Half")))
    with pytest.raises(openai.RateLimitError, match="AI API rate limit exceeded"):
        await ask(sdk)
    with pytest.raises(openai.APIError, match="the stream ended without a finish reason"):
        await ask(sdk)


async def test_a_cut_line_between_us_and_the_reader_is_noticed(serve: Serve) -> None:
    async def cut() -> AsyncGenerator[StreamChunk]:
        yield ContentChunk("Half")
        raise KeyError("a bug")

    async def completions(request: Request) -> Response:
        return ChatStreamResponse(openai_sse_body(cut()))

    url = serve(Starlette(routes=[Route("/v1/chat/completions", completions, methods=["POST"])])).url
    async with OpenRouterClient("a-key", url + "/v1", "m", max_retries=0) as reader:
        with pytest.raises(AiError) as caught:
            await reader.chat("Hi")
    assert isinstance(caught.value, ProviderError | StreamInterruptedError)
    assert "a bug" not in str(caught.value)
