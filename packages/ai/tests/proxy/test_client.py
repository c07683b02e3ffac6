"""`AsyncProxyClient` and `ProxyClient`: against a proxy of ours, and against one of tinyagent's kind."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest
from proxy_kit import END, TOKEN, Proxied, RunProxy
from starlette.types import ASGIApp, Receive, Scope, Send
from web_server import Serve

from raptscallions_ai import (
    AiError,
    AnnotationChunk,
    AsyncProxyClient,
    AuthenticationError,
    BudgetExceededError,
    Caller,
    ChatMessage,
    ChatResult,
    ConfigurationError,
    ContentChunk,
    ContextLengthError,
    ImageChunk,
    InvalidResponseError,
    ModelNotAvailableError,
    OpenRouterClient,
    PermissionDeniedError,
    ProviderError,
    ProxyClient,
    RateLimitError,
    ReasoningChunk,
    RestartedChunk,
    StreamChunk,
    StreamInterruptedError,
    TimeoutError,
    Timeouts,
    ToolCall,
    Usage,
    image,
    proxy_app,
    system,
    tool,
    user,
)
from raptscallions_ai._dialects.decoder import AnswerDecoder
from raptscallions_ai._dialects.fold import Fold
from raptscallions_ai._dialects.proxy.dialect import ProxyDialect
from raptscallions_ai.errors import NotSupportedError
from raptscallions_ai.proxy import Replay, bearer_tokens, token_hash
from raptscallions_ai.proxy.agent_wire import AgentEvents
from raptscallions_ai.testing import Cut, FakeGateway, Gate, Hang, Reply, ScriptedClient, chunk, sse
from raptscallions_ai.testing.script import Script
from raptscallions_ai.wrappers import Budget

pytestmark = pytest.mark.requirement("E04-T029.AC3")

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
        upstream_cost=Decimal("0.5"),
        raw={"prompt_tokens": 10, "completion_tokens": 5, "x": {"y": 1.5}},
    ),
    model="openai/gpt-4o",
    provider="OpenAI",
    id="gen-1",
    finish_reason="tool_calls",
    native_finish_reason="tool_use",
    tool_calls=(
        ToolCall("call_1", "weather", '{"city":"Rome"}', {"extra_content": {"s": "x"}}),
        ToolCall("2", "t", "{}"),
    ),
    reasoning="Hm.",
    reasoning_details=({"type": "reasoning.encrypted", "data": "abc", "index": 0},),
    annotations=({"type": "url_citation", "url_citation": {"url": "https://example.com"}},),
    images=({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},),
    refusal="But no.",
    logprobs=({"token": "S", "logprob": -0.1},),
    native={"dialect": "anthropic", "origin": "o", "model": "m", "content": [{"type": "text", "text": "Sunny."}]},
    extra={"thinking_blocks": [{"a": 1}]},
)


@pytest.fixture
async def client(proxied: Proxied, short_delays: None) -> AsyncIterator[AsyncProxyClient]:
    async with AsyncProxyClient(proxied.url, proxied.token) as client:
        yield client


async def test_nothing_is_lost_on_the_way(run_proxy: RunProxy) -> None:
    proxied = run_proxy(ScriptedClient(WHOLE))
    async with AsyncProxyClient(proxied.url, proxied.token) as client:
        stream = client.stream_chat("Hi")
        chunks = [each async for each in stream]
        result = await stream.result()
    kinds = [each.type for each in chunks]
    assert kinds == ["reasoning", "content", *["tool_call"] * 4, "annotation", "image", "refusal", "done"]
    for name in (field for field in ChatResult.__dataclass_fields__ if field not in ("attempts", "duration")):
        if name != "time_to_first_chunk":
            assert getattr(result, name) == getattr(WHOLE, name), name
    assert [attempt.gateway for attempt in result.attempts] == [proxied.url]


ERRORS: list[AiError] = [
    RateLimitError(7),
    ProviderError("no answer", status_code=503),
    PermissionDeniedError("not there", error_type="region_restricted"),
    ModelNotAvailableError("a/b"),
    ContextLengthError(max_tokens=8, requested_tokens=9),
    BudgetExceededError("cost", allowed=Decimal("1.50"), used=Decimal("1.51")),
    TimeoutError(5, phase="idle"),
    InvalidResponseError("no good"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("before", [[], ["Half"]], ids=["before", "within"])
async def test_errors_arrive_as_they_left(run_proxy: RunProxy, error: AiError, before: list[str]) -> None:
    proxied = run_proxy(ScriptedClient([*before, error]))
    async with AsyncProxyClient(proxied.url, proxied.token, max_retries=0) as client:
        with pytest.raises(type(error)) as caught:
            await client.chat("Hi")
    arrived = caught.value
    assert type(arrived) is type(error)
    assert (arrived.message, arrived.status_code, arrived.retryable, arrived.retry_after) == (
        *(error.message, error.status_code, error.retryable),
        error.retry_after,
    )
    assert len(arrived.details.pop("reference")) == 12
    assert arrived.details == error.details
    own = {"model", "max_tokens", "requested_tokens", "limit", "allowed", "used", "phase", "timeout_ms"} & vars(
        error
    ).keys()
    assert {name: getattr(arrived, name) for name in own} == {name: getattr(error, name) for name in own}
    assert (arrived.partial is not None and arrived.partial.content) == ("Half" if before else False)
    assert len(arrived.attempts) == 1


async def test_a_token_that_the_proxy_does_not_know(proxied: Proxied) -> None:
    async with AsyncProxyClient(proxied.url, "another") as client:
        with pytest.raises(AuthenticationError, match="does not know you"):
            await client.chat("Hi")


async def test_a_retry(client: AsyncProxyClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(503)
    fake_gateway.stream("Hello")
    result = await client.chat("Hi")
    assert [attempt.error for attempt in result.attempts] == ["ProviderError", None]


async def test_a_retry_joins_the_answer_that_is_already_being_given(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway, short_delays: None
) -> None:
    gate = Gate()
    fake_gateway.reply(sse(chunk("One")), gate, sse(chunk(" two")), END)
    proxied = run_proxy(upstream)
    async with AsyncProxyClient(
        proxied.url, proxied.token, on_interrupt="restart", timeout=Timeouts(idle=0.3)
    ) as client:
        stream = client.stream_chat("Hi")
        kinds: list[str] = []
        async for each in stream:
            kinds.append(each.type)
            if each.type == "restarted":
                gate.open()
    assert kinds == ["content", "restarted", "content", "content", "done"]
    assert stream.partial.content == "One two"
    assert len(fake_gateway.requests) == 1


async def test_a_key_of_ones_own(client: AsyncProxyClient, fake_gateway: FakeGateway) -> None:
    headers = {"Idempotency-Key": "mine"}
    assert await client.chat("Hi", extra_headers=headers) is not None
    await client.chat("Hi", extra_headers=headers)
    assert len(fake_gateway.requests) == 1
    with pytest.raises(AiError, match="given to another request"):
        await client.chat("Ho", extra_headers=headers, max_retries=0)


async def test_another_model_is_another_request(client: AsyncProxyClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(503)
    fake_gateway.stream("Hello")
    result = await client.chat("Hi", model="a", fallback_models=["b"], max_retries=0)
    assert [request.json["model"] for request in fake_gateway.requests] == ["a", "b"]
    assert result.content == "Hello"


async def test_everything_that_is_asked_for_gets_there(client: AsyncProxyClient, fake_gateway: FakeGateway) -> None:
    signed = ChatMessage(
        "assistant",
        "Sunny.",
        tool_calls=(ToolCall("c1", "weather", '{"city":"Rome"}'),),
        reasoning_details=({"type": "reasoning.text", "text": "Hm", "signature": "s"},),
    )
    messages: list[Any] = [
        system("Be brief."),
        user(["What is this?", image("https://example.com/a.png")], name="ann"),
        signed,
        {"role": "tool", "tool_call_id": "c1", "content": "18 degrees"},
        {"role": "assistant", "content": "It is sunny.", "reasoning": "Easy."},
        {"role": "user", "content": [{"type": "file", "file": {"filename": "a", "file_data": "data:;base64,AA=="}}]},
        {"role": "system", "content": "Be kind."},
    ]
    options: dict[str, Any] = {
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["x"],
        "reasoning": {"effort": "high"},
        "response_format": {"type": "json_object"},
        "tool_choice": "auto",
        "tools": [{"type": "function", "function": {"name": "t", "parameters": {"type": "object"}, "strict": True}}],
    }
    await client.chat(messages, **options)
    (request,) = fake_gateway.requests
    sent = request.json
    assert {name: sent[name] for name in options if name != "tools"} == {
        n: v for n, v in options.items() if n != "tools"
    }
    assert sent["tools"][0]["function"]["strict"] is True
    expected: list[dict[str, Any]] = [each.to_dict() if isinstance(each, ChatMessage) else each for each in messages]
    expected[1]["content"] = [{"type": "text", "text": "What is this?"}, expected[1]["content"][1]]
    assert sent["messages"] == expected


async def test_tools(client: AsyncProxyClient, fake_gateway: FakeGateway) -> None:
    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"Sunny in {city}"

    fake_gateway.stream("", tool_calls=[ToolCall("call_1", "weather", '{"city": "Paris"}')])
    fake_gateway.stream("It is sunny.")
    run = await client.run_tools("Weather in Paris?", tools=[weather]).result()
    assert run.content == "It is sunny."
    assert fake_gateway.requests[1].json["messages"][-1]["content"] == "Sunny in Paris"


async def test_the_models(run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    proxied = run_proxy(upstream, models={"fast": "fake/model-1", "smart": "fake/model-2"})
    async with AsyncProxyClient(proxied.url, proxied.token, model="smart") as client:
        assert await client.list_models() == ["fast", "smart"]
        await client.chat("Hi")
        with pytest.raises(PermissionDeniedError, match="you may ask fast, smart"):
            await client.chat("Hi", model="dear")
    async with AsyncProxyClient(proxied.url, proxied.token) as client:
        await client.chat("Hi")
    assert [request.json["model"] for request in fake_gateway.requests if request.method == "POST"] == [
        "fake/model-2",
        "fake/model-1",
    ]


async def test_over_budget_in_mid_answer(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream(*["four char words "] * 40, interval_s=0.001)
    proxied = run_proxy(upstream, caller=Caller("alice", budget=Budget(tokens=40)))
    async with AsyncProxyClient(proxied.url, proxied.token) as client:
        with pytest.raises(BudgetExceededError) as caught:
            await client.chat("Hi")
    assert (caught.value.limit, caught.value.allowed) == ("tokens", 40)
    assert caught.value.partial is not None
    assert caught.value.partial.content.startswith("four char words")


async def test_deadlines_are_not_moved_by_keep_alives(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse(chunk("One")), Hang())
    proxied = run_proxy(upstream, keep_alive=0.02)
    async with AsyncProxyClient(proxied.url, proxied.token, timeout=Timeouts(first_chunk=5, idle=0.2)) as client:
        with pytest.raises(TimeoutError) as caught:
            await client.chat("Hi")
    assert caught.value.phase == "idle"


async def test_an_answer_that_restarts_behind_the_proxy_is_an_error(run_proxy: RunProxy) -> None:
    script = [ContentChunk("Once"), RestartedChunk(ChatResult(content="Once"), RateLimitError(3)), ContentChunk("So")]
    proxied = run_proxy(ScriptedClient(script))
    async with AsyncProxyClient(proxied.url, proxied.token, max_retries=0) as client:
        with pytest.raises(RateLimitError):
            await client.chat("Hi")


def test_without_async(proxied: Proxied, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hello", " there")
    with ProxyClient(proxied.url, proxied.token) as client:
        assert [each.content for each in client.stream_chat("Hi") if each.type == "content"] == ["Hello", " there"]
        assert client.list_models()


@pytest.mark.parametrize(
    ("url", "token", "why"), [("http://example.com", "t", "proxy_url"), ("https://a", "a b", "auth_token")]
)
def test_what_is_wrong_with_url_or_token(url: str, token: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=f"  {why}: must") as caught:
        AsyncProxyClient(url, token)
    assert [*caught.value.details["variables"]] == [why]


# A server of tinyagent's kind, by hand


PLAIN: list[dict[str, Any]] = [
    {"type": "start"},
    {"type": "thinking_start", "contentIndex": 0},
    {"type": "thinking_delta", "contentIndex": 0, "delta": "Hm"},
    {"type": "thinking_end", "contentIndex": 0, "contentSignature": "s"},
    {"type": "text_start", "contentIndex": 1},
    {"type": "text_delta", "contentIndex": 1, "delta": "Hel"},
    {"type": "text_delta", "contentIndex": 1, "delta": "lo \u2028 \u0085"},
    {"type": "text_end", "contentIndex": 1},
    {"type": "toolcall_start", "contentIndex": 2, "id": "c1", "toolName": "weather"},
    {"type": "toolcall_delta", "contentIndex": 2, "delta": '{"city":'},
    {"type": "toolcall_start", "contentIndex": 3, "id": "c2", "toolName": "time"},
    {"type": "toolcall_delta", "contentIndex": 2, "delta": '"Rome"}'},
    {"type": "toolcall_end", "contentIndex": 2},
    {"type": "news", "anything": [1]},
    {"type": "done", "reason": "toolUse", "usage": {"input": 7, "output": 3, "cacheRead": 2, "cost": {"total": 0.01}}},
]


def plain_bytes(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n" for event in events)


@pytest.fixture
def plain(fake_gateway: FakeGateway) -> Script:
    return fake_gateway.route("POST", "/api/stream")


@pytest.fixture
async def plain_client(fake_gateway: FakeGateway) -> AsyncIterator[AsyncProxyClient]:
    url = fake_gateway.base_url.removesuffix("/api/v1")
    async with AsyncProxyClient(url, TOKEN, model="m", max_retries=0) as client:
        yield client


def replies(*parts: Any) -> Reply:
    return Reply(parts, 200, {"content-type": "text/event-stream"})


async def test_a_plain_proxy(plain: Script, plain_client: AsyncProxyClient, fake_gateway: FakeGateway) -> None:
    plain.add(replies(plain_bytes(*PLAIN)))
    result = await plain_client.chat([system("Be brief."), user("Hi")], temperature=0.5, max_tokens=7)
    assert (result.content, result.reasoning) == ("Hello \u2028 \u0085", "Hm")
    assert (result.finish_reason, result.native_finish_reason) == ("tool_calls", "toolUse")
    assert result.tool_calls == (ToolCall("c1", "weather", '{"city":"Rome"}'), ToolCall("c2", "time", ""))
    assert (result.usage.prompt_tokens, result.usage.completion_tokens, result.usage.cached_tokens) == (9, 3, 2)
    assert result.usage.cost == Decimal("0.01")
    (request,) = fake_gateway.requests
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.json == {
        "model": {"provider": "", "id": "m", "api": "", "thinking_level": "off"},
        "context": {
            "system_prompt": "Be brief.",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        },
        "options": {"temperature": 0.5, "maxTokens": 7},
    }


async def test_a_plain_proxy_that_tells_no_usage(plain: Script, plain_client: AsyncProxyClient) -> None:
    plain.add(replies(plain_bytes(*PLAIN[4:6], {"type": "done", "reason": "stop"})))
    result = await plain_client.chat("Hi")
    assert (result.content, result.usage.reported) == ("Hel", False)


async def test_a_plain_proxy_is_asked_for_no_more_than_it_knows(
    plain: Script, plain_client: AsyncProxyClient, fake_gateway: FakeGateway
) -> None:
    plain.add(replies(plain_bytes(*PLAIN)), times=3)
    with pytest.raises(NotSupportedError, match="has passed over the others"):
        await plain_client.chat("Hi", top_p=0.5)
    assert (await plain_client.chat("Hi")).content.startswith("Hello")
    with pytest.raises(NotSupportedError, match="leave out the others"):
        await plain_client.chat("Hi", seed=1)
    assert len(fake_gateway.requests) == 2


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"reason": "error", "errorMessage": "the model fell over"}, ProviderError),
        ({"reason": "error", "errorMessage": "maximum context length is 8 tokens"}, ContextLengthError),
        ({"reason": "aborted"}, ProviderError),
        ({"failure": {"type": "RateLimitError", "message": 7}}, ProviderError),
        ({"failure": {"type": "SystemExit", "message": "x"}, "errorMessage": "upstream failed"}, ProviderError),
    ],
)
async def test_failures_of_a_plain_proxy(
    plain: Script, plain_client: AsyncProxyClient, event: dict[str, Any], expected: type[AiError]
) -> None:
    plain.add(replies(plain_bytes(*PLAIN[:6], {"type": "error", **event, "usage": {"input": 3, "output": 1}})))
    with pytest.raises(expected) as caught:
        await plain_client.chat("Hi")
    assert caught.value.partial is not None
    assert (caught.value.partial.content, caught.value.partial.usage.prompt_tokens) == ("Hel", 3)


async def test_what_is_no_stream(plain: Script, plain_client: AsyncProxyClient) -> None:
    plain.add(Reply((b'{"ok": true}',), 200, {"content-type": "application/json"}))
    with pytest.raises(InvalidResponseError, match="one JSON document"):
        await plain_client.chat("Hi")
    plain.add(Reply((b'{"error": "the model fell over"}',), 200, {"content-type": "application/json"}))
    with pytest.raises(ProviderError, match="fell over"):
        await plain_client.chat("Hi")
    plain.add(replies(b"data: {broken\n\n", plain_bytes(*PLAIN)))
    with pytest.raises(InvalidResponseError, match="not valid JSON"):
        await plain_client.chat("Hi")


def cut_everywhere(data: bytes) -> Iterator[bytes]:
    """Yield all beginnings that are not the whole."""
    end = data.rindex(b"\n\n")
    return (data[:length] for length in range(end))


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "plain"])
async def test_a_stream_that_is_cut_anywhere_is_an_error(ours: bool) -> None:
    if ours:
        encoder = AgentEvents(camel_case=False)
        data = b"".join([encoder.chunk(each) async for each in ScriptedClient(WHOLE).stream_chat("Hi")])
    else:
        data = plain_bytes(*PLAIN)

    def read(part: bytes) -> tuple[ChatResult | None, AiError | None]:
        fold = Fold(model="m", require_usage=True, redact=str)
        decoder = AnswerDecoder(fold, ProxyDialect(unnamed="-").reader(fold), max_bytes=1 << 20)
        decoder.feed(part)
        _, result = decoder.close()
        return result, decoder.failure

    result, failure = read(data)
    assert result is not None, failure
    for part in cut_everywhere(data):
        result, failure = read(part)
        assert result is None, part[-60:]
        assert isinstance(failure, InvalidResponseError)


async def test_a_cut_on_the_wire_keeps_the_text(plain: Script, plain_client: AsyncProxyClient) -> None:
    plain.add(replies(plain_bytes(*PLAIN[:6]), Cut()))
    with pytest.raises(StreamInterruptedError) as caught:
        await plain_client.chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Hel"


async def test_an_event_that_is_lost_on_the_way_is_found(serve: Serve) -> None:
    """A middlebox that drops an event makes an answer that looks complete everywhere else."""
    app: ASGIApp = proxy_app(
        ScriptedClient(["One", " two", " three"]), authenticate=bearer_tokens({token_hash(TOKEN): Caller("alice")})
    )

    async def lossy(scope: Scope, receive: Receive, send: Send) -> None:
        async def dropping(message: Any) -> None:
            if message["type"] == "http.response.body":
                events = message.get("body", b"").split(b"\n\n")
                message = {**message, "body": b"\n\n".join(event for event in events if b'" two"' not in event)}
            await send(message)

        await app(scope, receive, dropping)

    async with AsyncProxyClient(serve(lossy).url, TOKEN, max_retries=0) as client:
        with pytest.raises(InvalidResponseError, match="its pieces are not what its result says"):
            await client.chat("Hi")


async def test_leaving_stops_upstream(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse(chunk("One")), Hang())
    proxied = run_proxy(upstream, replay=Replay(linger=0.05))
    async with AsyncProxyClient(proxied.url, proxied.token) as client:
        async for _ in client.stream_chat("Hi"):
            break
        assert await fake_gateway.requests[0].closed()


async def test_many_pieces(run_proxy: RunProxy) -> None:
    pieces: list[StreamChunk] = [ReasoningChunk("r"), *[ContentChunk(f"{number} ") for number in range(300)]]
    pieces += [AnnotationChunk({"type": "file"}), ImageChunk({"type": "image_url"})]
    proxied = run_proxy(ScriptedClient(pieces))
    async with AsyncProxyClient(proxied.url, proxied.token) as client:
        result = await client.chat("Hi")
    assert result.content.split() == [str(number) for number in range(300)]
    assert len(result.annotations) == len(result.images) == 1
