"""`AsyncAnthropicClient` over real sockets."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import BaseModel

from raptscallions_ai import OpenRouterClient, tool
from raptscallions_ai.client.anthropic import AsyncAnthropicClient
from raptscallions_ai.errors import (
    AiError,
    AuthenticationError,
    ConfigurationError,
    ContextLengthError,
    InsufficientCreditsError,
    ModelNotAvailableError,
    NotSupportedError,
    ProviderError,
    RateLimitError,
    StreamInterruptedError,
)
from raptscallions_ai.messages.message import user
from raptscallions_ai.sync.engines import AnthropicClient
from raptscallions_ai.testing import FakeAnthropic, FakeGateway
from raptscallions_ai.testing.replies import Cut
from raptscallions_ai.testing.wire import chunk, sse
from raptscallions_ai.tools.tool_call import ToolCall


async def test_an_answer_streams(claude: AsyncAnthropicClient, anthropic: FakeAnthropic) -> None:
    anthropic.stream("Hel", "lo", reasoning=["Hm"])
    text = [piece async for piece in claude.chat_stream("Hi", system="Be brief.", max_tokens=9)]
    assert text == ["Hel", "lo"]
    (request,) = anthropic.requests
    assert request.path == "/v1/messages"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.headers["authorization"] == f"Bearer {anthropic.api_key}"
    assert request.json == {
        "model": anthropic.model,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "system": [{"type": "text", "text": "Be brief."}],
        "max_tokens": 9,
        "stream": True,
    }


async def test_the_result(claude: AsyncAnthropicClient, anthropic: FakeAnthropic) -> None:
    anthropic.stream("Hello", reasoning=["Hm"])
    result = await claude.chat("Hi")
    assert (result.content, result.reasoning, result.finish_reason) == ("Hello", "Hm", "stop")
    assert (result.input_tokens, result.output_tokens, result.total_tokens) == (10, 2, 12)
    assert result.usage.cost is None
    assert result.raw["choices"][0]["message"]["content"] == "Hello"
    assert result.native is not None
    assert result.native["dialect"] == "anthropic"


async def test_one_body_instead_of_a_stream(claude: AsyncAnthropicClient, anthropic: FakeAnthropic) -> None:
    result = await claude.chat("Hi", stream=False)
    assert result.content == "Hello from the fake gateway."
    assert anthropic.requests[0].json["stream"] is False


@tool
def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"Sunny in {city}"


async def test_a_run_with_tools_sends_blocks_back_as_they_came(
    claude: AsyncAnthropicClient, anthropic: FakeAnthropic
) -> None:
    anthropic.stream("Let me see.", reasoning=["Hm"], tool_calls=[ToolCall("toolu_1", "weather", '{"city": "Paris"}')])
    anthropic.stream("It is sunny.")
    run = await claude.run_tools("Weather in Paris?", tools=[weather]).result()
    assert run.content == "It is sunny."
    _, assistant, results = anthropic.requests[1].json["messages"]
    assert [block["type"] for block in assistant["content"]] == ["thinking", "text", "tool_use"]
    assert results["content"] == [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sunny in Paris"}]


class City(BaseModel):
    name: str


async def test_an_object_through_a_tool_where_schemas_are_not_enforced(
    claude: AsyncAnthropicClient, anthropic: FakeAnthropic
) -> None:
    anthropic.stream(tool_calls=[ToolCall("toolu_1", "raptscallions_answer", '{"name": "Paris"}')])
    result = await claude.parse("Where?", City)
    assert result.parsed == City(name="Paris")


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (401, None, "invalid x-api-key", AuthenticationError),
        (429, None, "Too many requests", RateLimitError),
        (529, None, "Overloaded", ProviderError),
        (402, None, "No credit", InsufficientCreditsError),
        (404, None, "model: claude-none", ModelNotAvailableError),
        (400, None, "prompt is too long: 213462 tokens > 200000 maximum", ContextLengthError),
    ],
)
async def test_failures(
    claude: AsyncAnthropicClient,
    anthropic: FakeAnthropic,
    status: int,
    kind: str | None,
    message: str,
    expected: type[AiError],
) -> None:
    anthropic.error(status, message, times=None)
    with pytest.raises(expected) as caught:
        await claude.chat("Hi", max_retries=0)
    assert caught.value.gateway_status == status
    if isinstance(caught.value, ContextLengthError):
        assert (caught.value.requested_tokens, caught.value.max_tokens) == (213462, 200000)


@pytest.mark.requirement("E04-T022.AC3")
async def test_a_limit_of_spending_is_no_throttle(claude: AsyncAnthropicClient, anthropic: FakeAnthropic) -> None:
    error = {"type": "rate_limit_error", "message": "x", "details": {"error_code": "enforced_spend_limit_reached"}}
    anthropic.route("POST", "/v1/messages").json({"type": "error", "error": error}, status=429, times=None)
    with pytest.raises(InsufficientCreditsError):
        await claude.chat("Hi")
    assert len(anthropic.requests) == 1


async def test_a_cut_keeps_the_text_and_is_never_an_answer(
    claude: AsyncAnthropicClient, anthropic: FakeAnthropic
) -> None:
    anthropic.reply(sse(chunk("Hel")), Cut())
    with pytest.raises(StreamInterruptedError) as caught:
        await claude.chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Hel"


async def test_an_option_without_counterpart_is_refused_before_anything_is_sent(
    claude: AsyncAnthropicClient, anthropic: FakeAnthropic
) -> None:
    with pytest.raises(NotSupportedError, match="seed"):
        await claude.chat("Hi", seed=1)
    assert anthropic.requests == []


async def test_tokens_are_counted_by_the_host(claude: AsyncAnthropicClient, anthropic: FakeAnthropic) -> None:
    assert await claude.count_tokens([user("Hi")], system="Be brief.") == 12
    (request,) = anthropic.requests
    assert request.path == "/v1/messages/count_tokens"
    assert sorted(request.json) == ["messages", "model", "system"]


async def test_what_the_list_of_models_tells_is_used(claude: AsyncAnthropicClient, anthropic: FakeAnthropic) -> None:
    (model,) = await claude.models()
    assert (model.id, model.context_length, model.max_completion_tokens) == ("claude-fake-1", 200_000, 32_000)
    assert await claude.list_models() == ["claude-fake-1"]
    await claude.chat("Hi", reasoning_effort="high")
    body = anthropic.requests[-1].json
    assert body["max_tokens"] == 32_000
    assert body["thinking"] == {"type": "adaptive"}
    assert body["output_config"] == {"effort": "high"}


async def test_the_other_header_and_betas(anthropic: FakeAnthropic) -> None:
    async with AsyncAnthropicClient(
        anthropic.api_key, base_url=anthropic.base_url, auth="x-api-key", betas=["a-2026", "b-2026"]
    ) as client:
        await client.chat("Hi")
    headers = anthropic.requests[0].headers
    assert headers["x-api-key"] == anthropic.api_key
    assert "authorization" not in headers
    assert headers["anthropic-beta"] == "a-2026,b-2026"


async def test_a_call_moves_to_another_engine(anthropic: FakeAnthropic, fake_gateway: FakeGateway) -> None:
    anthropic.error(529, "Overloaded", times=None)
    fake_gateway.stream("From there.")
    async with (
        OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model) as other,
        AsyncAnthropicClient(anthropic.api_key, base_url=anthropic.base_url, fallback_clients=[other]) as client,
    ):
        result = await client.chat("Hi", max_retries=0)
    assert result.content == "From there."
    assert [attempt.error for attempt in result.attempts] == ["ProviderError", None]


@pytest.mark.requirement("E04-T025.AC1")
async def test_a_conversation_moves_between_engines(anthropic: FakeAnthropic, fake_gateway: FakeGateway) -> None:
    anthropic.stream("One.", reasoning=["Hm"])
    async with (
        OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model) as router,
        AsyncAnthropicClient(anthropic.api_key, base_url=anthropic.base_url) as client,
    ):
        first = await client.chat("Hi")
        messages = [user("Hi"), first.to_message(), user("And?")]
        second = await router.chat(messages)
        messages += [second.to_message(), user("On.")]
        await client.chat(messages)
    sent_there = fake_gateway.requests[0].json["messages"]
    assert all("native" not in message for message in sent_there)
    back = anthropic.requests[1].json["messages"]
    assert back[1]["content"] == first.to_message().to_dict()["native"]["content"]


def test_without_await(anthropic: FakeAnthropic) -> None:
    anthropic.stream("Hel", "lo")
    with AnthropicClient(anthropic.api_key, base_url=anthropic.base_url) as client:
        assert list(client.chat_stream("Hi", system="Be brief.")) == ["Hel", "lo"]
        assert client.chat("Hi").content == "Hello from the fake gateway."
        assert client.count_tokens("Hi") == 12


def test_a_missing_key_is_reported_with_its_variables() -> None:
    with pytest.raises(ConfigurationError, match="ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN"):
        AsyncAnthropicClient()


def test_the_variables_of_the_host(monkeypatch: pytest.MonkeyPatch, anthropic: FakeAnthropic) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", anthropic.api_key)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", anthropic.base_url)
    with AnthropicClient() as client:
        assert client.base_url == anthropic.base_url
        assert client.chat("Hi").finish_reason == "stop"


@pytest.mark.requirement("E04-T022.AC5")
def test_a_call_and_its_failure_never_load_an_sdk(anthropic: FakeAnthropic) -> None:
    script = (
        "import asyncio, sys\n"
        "from raptscallions_ai.client.anthropic import AsyncAnthropicClient\n"
        "async def main():\n"
        f"    async with AsyncAnthropicClient({anthropic.api_key!r}, base_url={anthropic.base_url!r}) as client:\n"
        "        await client.chat('Hi')\n"
        "        try:\n"
        "            await client.chat('Hi', max_retries=0)\n"
        "        except Exception as error:\n"
        "            print(type(error).__name__)\n"
        "asyncio.run(main())\n"
        "print(sorted({'openai', 'anthropic', 'aiohttp', 'httpx2'} & set(sys.modules)))\n"
    )
    anthropic.stream("Hi")
    anthropic.error(500, "Broken", times=None)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["ProviderError", "[]"]


async def test_betas_of_a_call_are_added_to_those_of_the_client(anthropic: FakeAnthropic) -> None:
    async with AsyncAnthropicClient(anthropic.api_key, base_url=anthropic.base_url, betas=["a-2026"]) as client:
        await client.chat("Hi", extra_headers={"Anthropic-Beta": "b-2026", "Anthropic-Version": "2026-10-21"})
    headers = anthropic.requests[0].headers
    assert (headers["anthropic-beta"], headers["anthropic-version"]) == ("a-2026,b-2026", "2026-10-21")


async def test_what_a_model_can_do_is_told_as_a_flag_or_as_an_object(anthropic: FakeAnthropic) -> None:
    able = {"image_input": {"supported": True}, "pdf_input": False, "structured_outputs": {"supported": False}}
    listed = {"data": [{"id": "m", "max_tokens": 9, "capabilities": able}], "has_more": False}
    anthropic.route("GET", "/v1/models").json(listed)
    async with AsyncAnthropicClient(anthropic.api_key, "m", base_url=anthropic.base_url) as client:
        (model,) = await client.models()
        assert model.input_modalities == ("text", "image")
        schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
        await client.chat("Hi", response_format=schema)
    assert "output_config" not in anthropic.requests[-1].json
