"""What OpenTelemetry is told of calls: the names of its conventions, and never what was said unless asked to."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes import error_attributes, server_attributes
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import REGISTRY, generate_latest

from raptscallions_ai import (
    AuthenticationError,
    ChatClient,
    OpenRouterClient,
    StreamInterruptedError,
    ToolCall,
    assistant,
    get_provider,
    system,
    tool_result,
    user,
)
from raptscallions_ai.answer import ChunkSource
from raptscallions_ai.testing import Answer, Cut, FakeGateway, Hang, ScriptedClient, chunk, sse, usage
from raptscallions_ai.wrappers import AroundSource, ChatCall, TracedClient, WrappedClient
from raptscallions_ai.wrappers.telemetry import describe_server

pytestmark = pytest.mark.requirement("E04-T005.AC9")

PROVIDERS = {
    "openrouter": "openrouter",
    "anthropic": "anthropic",
    "ollama": "ollama",
    "openai": "openai",
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "xai": "x_ai",
    "groq": "groq",
    "vllm": "vllm",
}


class Telemetry:
    """Providers that keep what they are told."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._metrics = InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider = MeterProvider([self._metrics])

    def around(self, client: ChatClient, **options: Any) -> TracedClient:
        return TracedClient(client, tracer_provider=self.tracer_provider, meter_provider=self.meter_provider, **options)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    @property
    def points(self) -> dict[str, list[Any]]:
        data = self._metrics.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    kept = Telemetry()
    yield kept
    kept.tracer_provider.shutdown()
    kept.meter_provider.shutdown()


async def test_a_call_is_a_span_by_the_conventions(
    client: OpenRouterClient, fake_gateway: FakeGateway, telemetry: Telemetry
) -> None:
    fake_gateway.stream(
        "Hello", usage=usage(10, 5, cached_tokens=4, reasoning_tokens=2, cost=0.25), model="fake/model-2"
    )
    await telemetry.around(client).chat(
        "my PIN",
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        max_tokens=100,
        seed=7,
        stop="x",
        session_id="conversation-1",
        response_format={"type": "json_object"},
    )
    (span,) = telemetry.spans
    assert (span.name, span.kind, span.status.status_code) == ("chat fake/model-1", SpanKind.CLIENT, StatusCode.UNSET)
    attributes = dict(span.attributes or {})
    assert attributes.pop("gen_ai.response.time_to_first_chunk") > 0  # pyright: ignore[reportOperatorIssue] - a float
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "fake/model-1",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 40,
        "gen_ai.request.frequency_penalty": 0.1,
        "gen_ai.request.presence_penalty": 0.2,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("x",),
        "gen_ai.conversation.id": "conversation-1",
        "gen_ai.output.type": "json",
        "server.address": "127.0.0.1",
        "server.port": int(fake_gateway.base_url.split(":")[2].split("/")[0]),
        "gen_ai.response.id": Answer().id,
        "gen_ai.response.model": "fake/model-2",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "raptscallions_ai.attempts": 1,
        "raptscallions_ai.cost": 0.25,
        "raptscallions_ai.cost_source": "reported",
    }


async def test_every_name_is_one_of_the_conventions(
    client: OpenRouterClient, fake_gateway: FakeGateway, telemetry: Telemetry
) -> None:
    known = {
        value
        for module in (gen_ai_attributes, gen_ai_metrics, error_attributes, server_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    used = usage(10, 5, reasoning_tokens=1, prompt_tokens_details={"cached_tokens": 1, "cache_write_tokens": 3})
    fake_gateway.stream("Hi", usage=used)
    fake_gateway.error(401)
    traced = telemetry.around(client, capture_content=True)
    await traced.chat("Hi", seed=1, stop=["x"], modalities=["image"], session_id="x")
    with pytest.raises(AuthenticationError):
        await traced.chat("Hi")
    told = {name for span in telemetry.spans for name in span.attributes or {}} | telemetry.points.keys()
    told |= {name for points in telemetry.points.values() for point in points for name in point.attributes}
    assert {name for name in told if not name.startswith("raptscallions_ai.")} <= known
    assert "gen_ai.usage.cache_creation.input_tokens" in told


@pytest.mark.parametrize(("name", "told"), PROVIDERS.items())
async def test_each_engine_has_the_name_that_the_conventions_give_it(
    name: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.delenv("AI_GATEWAY_URL", raising=False)
    async with get_provider(name, api_key="k", model="m") as client:
        assert WrappedClient(client).provider_name == told
        assert describe_server(client.base_url, client.provider_name)["gen_ai.provider.name"] == told


async def test_what_is_measured(client: OpenRouterClient, fake_gateway: FakeGateway, telemetry: Telemetry) -> None:
    fake_gateway.stream("Hello", usage=usage(10, 5, cost=0.25))
    fake_gateway.add(Answer(("Hi",), usage=usage(1, 2, cost=0.5)).json())
    traced = telemetry.around(client, provider_name="mine")
    await traced.chat("Hi")
    await traced.chat("Hi", stream=False)
    points = telemetry.points
    (duration,) = points["gen_ai.client.operation.duration"]
    (first,) = points["gen_ai.client.operation.time_to_first_chunk"]
    assert (duration.count, first.count) == (2, 1)
    assert 0 < first.sum < duration.sum
    tokens = {point.attributes["gen_ai.token.type"]: point for point in points["gen_ai.client.token.usage"]}
    assert {kind: (point.count, point.sum) for kind, point in tokens.items()} == {"input": (2, 11), "output": (2, 7)}
    assert [point.value for point in points["raptscallions_ai.client.cost"]] == [0.75]
    assert dict(duration.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "mine",
        "gen_ai.request.model": "fake/model-1",
        "gen_ai.response.model": "fake/model-1",
        "server.address": "127.0.0.1",
        "server.port": duration.attributes["server.port"],
    }
    assert list(tokens["input"].explicit_bounds[:3]) == [1, 4, 16]


async def test_a_failed_call_says_how(
    client: OpenRouterClient, fake_gateway: FakeGateway, telemetry: Telemetry
) -> None:
    fake_gateway.reply(sse(chunk("Hel", usage=usage(cost=0.25))), Cut())
    with pytest.raises(StreamInterruptedError):
        await telemetry.around(client).chat("Hi")
    (span,) = telemetry.spans
    attributes = span.attributes or {}
    assert (span.status.status_code, attributes["error.type"]) == (StatusCode.ERROR, "StreamInterruptedError")
    assert attributes["gen_ai.usage.output_tokens"] == 5
    (duration,) = telemetry.points["gen_ai.client.operation.duration"]
    assert duration.attributes["error.type"] == "StreamInterruptedError"


@pytest.mark.parametrize("way", ["break", "close", "forget", "cancel", "opened"])
async def test_the_span_of_a_call_that_is_left_ends(
    client: OpenRouterClient, fake_gateway: FakeGateway, telemetry: Telemetry, way: str
) -> None:
    fake_gateway.reply(sse(chunk("Hel")), Hang())
    stream = telemetry.around(client).stream_chat("Hi")
    if way == "break":
        async for _ in stream:
            break
    elif way == "cancel":
        task = asyncio.create_task(stream.result())
        await fake_gateway.until(lambda: fake_gateway.open_responses == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    elif way == "opened":
        async with stream:
            assert telemetry.spans == ()
    else:
        await anext(stream)
        if way == "close":
            await stream.aclose()
    del stream
    gc.collect()
    await asyncio.sleep(0)
    (span,) = telemetry.spans
    assert (span.status.status_code, "error.type" in (span.attributes or {})) == (StatusCode.UNSET, False)
    (duration,) = telemetry.points["gen_ai.client.operation.duration"]
    assert duration.count == 1


def test_a_stream_that_outlives_its_loop_ends_its_span(telemetry: Telemetry) -> None:
    stream = telemetry.around(ScriptedClient(["a", "b"])).stream_chat("Hi")

    async def read() -> None:
        await anext(stream)

    asyncio.run(read())
    assert telemetry.spans == ()
    stream.abandon()
    assert len(telemetry.spans) == 1


async def test_a_stream_that_is_never_read_has_no_span(telemetry: Telemetry) -> None:
    stream = telemetry.around(ScriptedClient("a")).stream_chat("Hi")
    await stream.aclose()
    del stream
    assert telemetry.spans == ()


async def test_spans_stand_in_their_places(telemetry: Telemetry) -> None:
    seen: list[str] = []

    class Asked(AroundSource):
        async def begin(self) -> None:
            span = trace.get_current_span()
            assert isinstance(span, ReadableSpan)
            seen.append(span.name)

    class Asking(WrappedClient):
        def source(self, call: ChatCall) -> ChunkSource:
            return Asked(self.ask(call))

    tracer = telemetry.tracer_provider.get_tracer("mine")
    with tracer.start_as_current_span("request") as parent:
        await telemetry.around(Asking(ScriptedClient("a"))).chat("Hi", stream=False)
    assert seen == ["chat scripted/model"]
    call = next(span for span in telemetry.spans if span.name == "chat scripted/model")
    assert call.parent is not None
    assert call.parent.span_id == parent.get_span_context().span_id


async def test_what_was_said_is_reported_only_if_asked_for(telemetry: Telemetry) -> None:
    conversation = [
        system("Be brief."),
        user([{"type": "text", "text": "my PIN"}, {"type": "image_url", "image_url": {"url": "data:,"}}]),
        assistant(tool_calls=[ToolCall("call_1", "now", "{}")]),
        tool_result("call_1", "noon"),
    ]
    await telemetry.around(ScriptedClient("a secret")).chat(conversation)
    await telemetry.around(ScriptedClient("a secret"), capture_content=True).chat(conversation)
    silent, told = telemetry.spans
    assert "PIN" not in silent.to_json()
    assert "secret" not in silent.to_json()
    attributes: dict[str, Any] = dict(told.attributes or {})
    assert json.loads(attributes["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "my PIN"}, {"type": "image_url"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "call_1", "name": "now", "arguments": "{}"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "noon"}]},
    ]
    assert json.loads(attributes["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "a secret"}], "finish_reason": "stop"}
    ]


@pytest.mark.parametrize(
    ("base_url", "provider"),
    [
        ("https://openrouter.ai/api/v1", ("openrouter", "openrouter.ai", 443)),
        ("https://eu.openrouter.ai/api/v1", ("openrouter", "eu.openrouter.ai", 443)),
        ("https://notopenrouter.ai/v1", ("openai", "notopenrouter.ai", 443)),
    ],
)
def test_who_is_asked(base_url: str, provider: tuple[str, str, int]) -> None:
    from raptscallions_ai.wrappers.telemetry import describe_server

    told = describe_server(base_url, None)
    assert (told["gen_ai.provider.name"], told["server.address"], told["server.port"]) == provider
    assert describe_server(None, None) == {"gen_ai.provider.name": "openai"}


async def test_prometheus_reads_it() -> None:
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    scripted = ScriptedClient("one two three", repeat=True)
    try:
        await TracedClient(scripted, meter_provider=provider).chat("Hi")
        page = generate_latest(REGISTRY).decode()
    finally:
        provider.shutdown()
    counted = [line for line in page.splitlines() if line.startswith("gen_ai_client_token_usage")]
    assert [
        line for line in counted if "_sum{" in line and 'gen_ai_token_type="output"' in line and line.endswith(" 3.0")
    ]
    assert "gen_ai_client_operation_duration_seconds_count{" in page


async def test_without_an_sdk_nothing_is_recorded_and_nothing_fails() -> None:
    assert (await TracedClient(ScriptedClient("Hi")).chat("Hi")).content == "Hi"


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    with pytest.raises(ImportError, match=r"missing: pip install 'raptscallions-ai\[otel\]\'"):
        TracedClient(ScriptedClient())
