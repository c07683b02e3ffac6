"""The client against aimock, a third party's server that speaks OpenRouter's dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
import pytest_asyncio
from peer_servers import Aimock
from pydantic import BaseModel

from raptscallions_ai import (
    AuthenticationError,
    ChatMessage,
    ContentPolicyError,
    InsufficientCreditsError,
    InvalidOutputError,
    OpenRouterClient,
    ProviderError,
    RateLimitError,
    StreamInterruptedError,
    cached,
    file,
    image,
    system,
    tool,
    user,
)
from raptscallions_ai.errors import NotSupportedError
from raptscallions_ai.events import ToolCallEndEvent
from raptscallions_ai.models import RouteVariant, apply_variant

pytestmark = pytest.mark.timeout(300)  # the first run of all installs aimock


@pytest_asyncio.fixture
async def client(aimock: Aimock) -> AsyncIterator[OpenRouterClient]:
    async with OpenRouterClient(aimock.api_key, f"{aimock.url}/api/v1", "openai/gpt-4o", max_retries=0) as client:
        yield client


async def test_an_answer_in_openrouters_dialect(client: OpenRouterClient) -> None:
    kinds: list[str] = []
    stream = client.stream_chat("hello")
    async for piece in stream:
        kinds.append(piece.type)
    result = await stream.result()
    assert result.content == "Hello there, how can I help?"
    assert kinds[-1] == "done"
    assert kinds.count("content") > 3
    assert (result.provider, result.finish_reason, result.native_finish_reason) == ("OpenAI", "stop", "stop")
    assert (result.usage.total_tokens, result.usage.cached_tokens) == (16, 2)
    assert result.usage.cost == Decimal("0.000123")
    assert (result.id or "").startswith("gen-")


async def test_the_same_answer_in_one_body(client: OpenRouterClient) -> None:
    streamed, whole = await client.chat("hello"), await client.chat("hello", stream=False)
    assert (streamed.content, streamed.usage, streamed.model) == (whole.content, whole.usage, whole.model)


async def test_reasoning(client: OpenRouterClient) -> None:
    result = await client.chat("think", model="deepseek/deepseek-r1")
    assert (result.reasoning, result.content) == ("2 plus 2 is 4.", "4")


async def test_parallel_tool_calls(client: OpenRouterClient) -> None:
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
    result = await client.chat("weather", tools=[tool])
    assert result.finish_reason == "tool_calls"
    assert [call.arguments for call in result.tool_calls] == [{"city": "Paris"}, {"city": "Rome"}]
    assert len({call.id for call in result.tool_calls}) == 2


@pytest.mark.requirement("E04-T005.AC5")
async def test_parallel_tool_calls_in_brackets(client: OpenRouterClient) -> None:
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
    stream = client.stream_chat("weather", tools=[tool])
    events = [event async for event in stream.events()]
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[-1]) == ("start", "done")
    assert kinds.count("tool_call_start") == kinds.count("tool_call_end") == 2
    ends = [event.tool_call for event in events if isinstance(event, ToolCallEndEvent)]
    assert tuple(ends) == (await stream.result()).tool_calls


class City(BaseModel):
    name: str
    people: int
    rivers: list[str]


@pytest.mark.requirement("E04-T005.AC4")
async def test_an_object(client: OpenRouterClient) -> None:
    stream = client.stream_parse("describe Rome", City, provider={"require_parameters": True})
    rivers = [city.rivers async for city in stream]
    assert len(rivers) > 3
    assert (rivers[0], rivers[-1]) == ([], ["Tiber", "Aniene"])
    assert (await client.parse("describe Rome", City)).parsed == (await stream.result()).parsed


@pytest.mark.requirement("E04-T005.AC4")
async def test_an_object_that_is_repaired(client: OpenRouterClient) -> None:
    with pytest.raises(InvalidOutputError) as caught:
        await client.parse("describe Paris", City)
    assert [issue.path for issue in caught.value.errors] == [("people",)]
    result = await client.parse("describe Paris", City, repair=True)
    assert (result.parsed.people, len(result.attempts)) == (2_100_000, 2)


@pytest.mark.requirement("E04-T005.AC3")
async def test_a_run_with_tools(client: OpenRouterClient) -> None:
    @tool
    async def forecast(city: str) -> str:
        """Tell tomorrow's weather."""
        return {"Paris": "rain", "Rome": "sun"}[city]

    run = client.run_tools("forecast", tools=[forecast])
    result = await run.result()
    assert (result.content, result.stopped_by, len(result.steps)) == ("Rain in Paris, sun in Rome.", None, 2)
    told = [message.content for message in run.messages if isinstance(message, ChatMessage) and message.role == "tool"]
    assert told == ["rain", "sun"]
    assert (result.usage.total_tokens, result.usage.cost) == (30, Decimal("0.0003"))


async def test_the_plain_openai_dialect(aimock: Aimock) -> None:
    async with OpenRouterClient(aimock.api_key, f"{aimock.url}/v1", "gpt-4o") as client:
        result = await client.chat("hello")
    assert (result.content, result.provider) == ("Hello there, how can I help?", None)


async def test_its_errors(client: OpenRouterClient, aimock: Aimock) -> None:
    with pytest.raises(RateLimitError) as limited:
        await client.chat("too many")
    assert limited.value.retry_after is not None
    with pytest.raises(InsufficientCreditsError):
        await client.chat("no money")
    with pytest.raises(ContentPolicyError) as flagged:
        await client.chat("violence")
    assert flagged.value.reasons == ("violence",)
    with pytest.raises(ProviderError, match="no fixture matched"):
        await client.chat("something that nobody prepared")
    async with OpenRouterClient("a wrong key".replace(" ", "-"), f"{aimock.url}/api/v1", "m") as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.chat("hello")


async def test_a_line_dropped_in_the_middle_keeps_what_came(client: OpenRouterClient) -> None:
    seen = ""
    with pytest.raises(StreamInterruptedError) as caught:
        async for text in client.stream_chat("drop the line").text_stream:
            seen += text
    assert seen != ""
    assert caught.value.partial is not None
    assert caught.value.partial.content == seen
    assert "This sentence will never be finished".startswith(seen[:10])


async def test_models_are_listed(client: OpenRouterClient) -> None:
    assert "deepseek/deepseek-r1" in [model.id for model in await client.models()]


@pytest.mark.requirement("E04-T005.AC1")
async def test_options_of_every_kind_are_taken(client: OpenRouterClient) -> None:
    await client.warm_up()
    result = await client.chat(
        "hello",
        model=apply_variant("openai/gpt-4o", RouteVariant.NITRO),
        models=["openai/gpt-4o-mini"],
        provider={"sort": "price", "max_price": {"prompt": 5}},
        reasoning={"effort": "low"},
        response_format={"type": "text"},
        plugins=[{"id": "web", "enabled": False}],
        metadata={"ticket": "17"},
        session_id="conversation-17",
        stop=["END"],
    )
    assert result.content == "Hello there, how can I help?"


@pytest.mark.requirement("E04-T005.AC2")
async def test_parts_of_a_message(client: OpenRouterClient) -> None:
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
    messages = [cached(system("Be kind."), ttl="1h"), user(["hello", image(pixel), file(b"a,b", filename="a.csv")])]
    result = await client.chat(messages)
    assert result.content == "Hello there, how can I help?"
    again = await client.chat([*messages, ChatMessage.from_dict(result.to_message().to_dict()), user(["hello"])])
    assert again.content == result.content


@pytest.mark.requirement("E04-T005.AC7")
async def test_it_tells_of_models_and_keys_and_embeds(client: OpenRouterClient) -> None:
    (model,) = await client.models(supports=["tools"], min_context_length=100_000)
    assert (model.id, model.max_completion_tokens, model.prompt_price) == ("deepseek/deepseek-r1", 16_384, 0)
    assert (await client.key_info()).limit is None
    assert (await client.credits()).remaining == 0
    plain = await client.embed(["one", "two"], model="openai/text-embedding-3-small")
    packed = await client.embed(["one", "two"], model="openai/text-embedding-3-small", encoding_format="base64")
    assert plain.vectors == packed.vectors == [[0.25, -0.5, 0.125]] * 2
    with pytest.raises(NotSupportedError):
        await client.providers()
