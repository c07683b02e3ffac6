"""Every row of docs/parity.md: what the TypeScript sibling does, and where it is wrong, done better."""

from __future__ import annotations

import asyncio
import json

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import (
    AiError,
    AiSettings,
    AppError,
    AuthenticationError,
    ChatResult,
    ConnectionError,
    ContentChunk,
    DoneChunk,
    InvalidResponseError,
    ModelNotAvailableError,
    OpenRouterClient,
    RateLimitError,
    StreamChunk,
    TimeoutError,
    Timeouts,
    Usage,
    get_settings,
    openrouter_client,
    reset_settings,
    user,
)
from raptscallions_ai.testing import FakeGateway, Hang, chunk, sse, usage


@pytest.mark.requirement("E04-T002.AC2")
async def test_constructor_takes_the_siblings_five_options(fake_gateway: FakeGateway) -> None:
    fake_gateway.error(503, times=2).stream("Hi")
    async with OpenRouterClient(
        api_key="sk-test-1", base_url=fake_gateway.base_url, default_model="openai/gpt-4o", timeout=20.0, max_retries=2
    ) as client:
        result = await client.chat("Hi")
    assert result.content == "Hi"
    assert len(fake_gateway.requests) == 3
    last = fake_gateway.requests[-1]
    assert last.headers["authorization"] == "Bearer sk-test-1"
    assert (last.path, last.json["model"]) == ("/api/v1/chat/completions", "openai/gpt-4o")


@pytest.mark.requirement("E04-T002.AC3")
@pytest.mark.requirement("E04-T002.AC4")
async def test_stream_chat_takes_the_siblings_options(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    stream = client.stream_chat(
        [user("Hi")], model="openai/gpt-4o", max_tokens=7, temperature=0.25, top_p=0.5, timeout=20.0
    )
    await stream.result()
    await client.stream_chat([user("Hi")]).result()
    sent, plain = (request.json for request in fake_gateway.requests)
    assert sent["stream"] is True
    assert {name: sent[name] for name in ("model", "max_tokens", "temperature", "top_p")} == {
        "model": "openai/gpt-4o",
        "max_tokens": 7,
        "temperature": 0.25,
        "top_p": 0.5,
    }
    assert plain["model"] == fake_gateway.model
    assert not {"max_tokens", "temperature", "top_p", "timeout"} & plain.keys()


@pytest.mark.requirement("E04-T002.AC6")
async def test_chunks_are_content_then_one_done(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hello", " world")
    stream = client.stream_chat("Hi")
    chunks: list[StreamChunk] = [chunk async for chunk in stream]
    assert [chunk.type for chunk in chunks] == ["content", "content", "done"]
    assert chunks[:2] == [ContentChunk("Hello"), ContentChunk(" world")]
    assert isinstance(chunks[2], DoneChunk)
    assert chunks[2].result is await stream.result()


@pytest.mark.requirement("E04-T002.AC10")
async def test_result_has_the_siblings_fields(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hello", " world", model="openai/gpt-4o-2024-08-06", finish_reason="length")
    result = await client.chat("Hi", model="openai/gpt-4o")
    assert type(result) is ChatResult
    assert (result.content, result.model, result.finish_reason) == (
        "Hello world",
        "openai/gpt-4o-2024-08-06",
        "length",
    )
    assert type(result.usage) is Usage


@pytest.mark.requirement("E04-T002.AC7")
async def test_usage_has_the_siblings_counts(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hello", usage=usage(12, 34))
    chunks = [chunk async for chunk in client.stream_chat("Hi")]
    done = chunks[-1]
    assert isinstance(done, DoneChunk)
    used = done.usage
    assert (used.prompt_tokens, used.completion_tokens, used.total_tokens) == (12, 34, 46)


@pytest.mark.requirement("E04-T002.AC8")
async def test_settings_are_read_once_checked_and_forgotten_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AiError, match="AI_API_KEY: is required but not set"):
        get_settings()
    monkeypatch.setenv("AI_API_KEY", "sk-test-1")
    first = get_settings()
    assert isinstance(first, AiSettings)
    assert (first.gateway_url, first.default_model, first.request_timeout_ms, first.max_retries) == (
        "https://openrouter.ai/api/v1",
        "anthropic/claude-sonnet-4-20250514",
        120_000,
        2,
    )
    monkeypatch.setenv("AI_GATEWAY_URL", "https://gateway.example/v1/")
    monkeypatch.setenv("AI_DEFAULT_MODEL", "openai/gpt-4o")
    assert get_settings() is first
    reset_settings()
    second = get_settings()
    assert (second.gateway_url, second.default_model) == ("https://gateway.example/v1", "openai/gpt-4o")
    assert "sk-test-1" not in repr(second)


@pytest.mark.requirement("E04-T002.AC4")
@pytest.mark.requirement("E04-T002.AC8")
async def test_the_module_level_client_reads_the_environment_on_first_use(
    fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not read yet" in repr(openrouter_client)
    monkeypatch.setenv("AI_API_KEY", fake_gateway.api_key)
    monkeypatch.setenv("AI_GATEWAY_URL", fake_gateway.base_url)
    monkeypatch.setenv("AI_DEFAULT_MODEL", "openai/gpt-4o")
    try:
        await openrouter_client.chat("Hi")
    finally:
        await openrouter_client.aclose()
    assert fake_gateway.requests[0].json["model"] == "openai/gpt-4o"
    assert "not read yet" in repr(openrouter_client)


@pytest.mark.requirement("E04-T002.AC5")
def test_errors_have_the_siblings_messages_codes_and_statuses() -> None:
    connection, rate, timeout = ConnectionError(), RateLimitError(30), TimeoutError(5000)
    authentication, invalid, model = (
        AuthenticationError(),
        InvalidResponseError("No choices"),
        ModelNotAvailableError("x"),
    )
    every = (AiError(), connection, rate, timeout, authentication, invalid, model)
    assert [(error.message, error.code, error.status_code) for error in every] == [
        ("Unknown error occurred", "AI_ERROR", 500),
        ("Failed to connect to AI gateway", "AI_ERROR", 503),
        ("AI API rate limit exceeded", "AI_ERROR", 429),
        ("AI request timed out after 5000ms", "AI_ERROR", 504),
        ("AI API authentication failed - check API key", "AI_ERROR", 401),
        ("Invalid AI API response: No choices", "AI_ERROR", 502),
        ("Model not available: x", "AI_ERROR", 400),
    ]
    assert all(isinstance(error, AppError) for error in every)
    assert rate.to_dict() == {
        "message": "AI API rate limit exceeded",
        "code": "AI_ERROR",
        "status_code": 429,
        "details": {"retry_after": 30},
    }
    assert timeout.details["timeout_ms"] == 5000
    assert model.details == {"model": "x"}
    assert json.loads(json.dumps(AiError().to_dict()))["details"] is None


@pytest.mark.requirement("E04-T002.AC5")
async def test_gateway_statuses_become_the_siblings_errors(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    expected: dict[int, type[AiError]] = {
        401: AuthenticationError,
        403: AuthenticationError,
        429: RateLimitError,
        504: TimeoutError,
    }
    raised: dict[int, type[AiError]] = {}
    for status in expected:
        fake_gateway.error(status)
        with pytest.raises(AiError) as caught:
            await client.chat("Hi")
        raised[status] = type(caught.value)
    assert raised == expected
    fake_gateway.error(404, "No endpoints found for made/up.")
    with pytest.raises(ModelNotAvailableError, match=r"^Model not available: made/up$"):
        await client.chat("Hi", model="made/up")
    fake_gateway.stream("Hello", usage=None)
    with pytest.raises(
        InvalidResponseError, match=r"^Invalid AI API response: No usage metadata in response$"
    ) as no_usage:
        await client.chat("Hi")
    assert no_usage.value.partial is not None
    assert no_usage.value.partial.content == "Hello"


@pytest.mark.requirement("E04-T002.AC5")
async def test_a_timeout_is_never_a_plain_error(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    with pytest.raises(TimeoutError) as caught:
        await client.chat("Hi", timeout=Timeouts(idle=0.2))
    assert not isinstance(caught.value, ConnectionError)
    assert (caught.value.status_code, caught.value.phase) == (504, "idle")
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Hello"


async def test_a_cancelled_call_is_not_reported_as_a_timeout(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    stream = client.stream_chat("Hi")
    assert await anext(stream) == ContentChunk("Hello")
    reading = asyncio.create_task(stream.result())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    [request] = fake_gateway.requests
    assert await request.closed()
    assert request.disconnected
    assert stream.partial.content == "Hello"


async def test_usage_is_always_asked_for(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    await client.stream_chat("Hi").result()
    await client.chat("Hi")
    assert [request.json["stream_options"] for request in fake_gateway.requests] == [{"include_usage": True}] * 2


@pytest.mark.requirement("E04-T002.AC5")
async def test_an_error_inside_the_stream_is_the_same_error_as_before_it(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.error(429, "Slow down")
    with pytest.raises(RateLimitError) as before:
        await client.chat("Hi")
    fake_gateway.reply(sse(chunk("Hello")), sse(chunk(error={"code": 429, "message": "Slow down"})))
    with pytest.raises(RateLimitError) as inside:
        await client.chat("Hi")
    assert (inside.value.status_code, inside.value.message) == (before.value.status_code, before.value.message)
    assert before.value.partial is None
    assert inside.value.partial is not None
    assert inside.value.partial.content == "Hello"


async def test_the_timeout_reported_is_the_calls_own(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(Hang())
    client = new_client(timeout=60.0)
    with pytest.raises(TimeoutError, match=r"^AI request timed out after 150ms$") as caught:
        await client.chat("Hi", timeout=Timeouts(first_chunk=0.15))
    assert caught.value.details == {"timeout_ms": 150, "phase": "first_chunk"}
