"""The engines against servers of other people: llama.cpp, LiteLLM, aimock, an Ollama proxy in front of llama.cpp."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from peer_servers import Aimock, LiteLLM, OllamaProxy

from raptscallions_ai import (
    AiError,
    AsyncAnthropicClient,
    AsyncOllamaClient,
    AuthenticationError,
    BadRequestError,
    ChatMessage,
    ContentPolicyError,
    ContextLengthError,
    InsufficientCreditsError,
    ModelNotAvailableError,
    ProviderError,
    RateLimitError,
    StreamInterruptedError,
    system,
    tool,
    user,
)
from raptscallions_ai.client.engine import EngineClient
from raptscallions_ai.errors import NotSupportedError
from raptscallions_ai.local import LocalGateway

pytestmark = pytest.mark.timeout(900)  # the first run of all installs aimock and LiteLLM, and downloads the model

FRUITS = "Name three fruits."
HELLO = "Hello there, how can I help?"


@tool
async def weather(city: str) -> str:
    """Tell how warm it is in a city.

    Args:
        city: The city.
    """
    return f"12 degrees in {city}"


async def heard(client: EngineClient, prompt: str, *, max_tokens: int = 20) -> tuple[str, list[str]]:
    """Return the text of a stream, and the types of its chunks."""
    text = ""
    kinds: list[str] = []
    async for chunk in client.stream_chat(prompt, max_tokens=max_tokens, temperature=0):
        kinds.append(chunk.type)
        text += chunk.content if chunk.type == "content" else ""
    return text, kinds


async def results_of_tools(client: EngineClient) -> list[object]:
    """Return what the tools gave in a run that a model asked for them in."""
    question = "How warm is it in Paris?"
    run = await client.run_tools(question, tools=[weather], temperature=0, max_tokens=30).result()
    messages = [message for message in run.messages if isinstance(message, ChatMessage)]
    return [message.content for message in messages if message.role == "tool"]


@pytest_asyncio.fixture
async def claude(local_gateway: LocalGateway) -> AsyncIterator[AsyncAnthropicClient]:
    root = local_gateway.base_url.removesuffix("/v1")
    async with AsyncAnthropicClient(local_gateway.api_key, local_gateway.model, base_url=root) as client:
        yield client


@pytest.mark.requirement("E04-T022.AC4")
async def test_llamacpp_answers_in_anthropics_dialect(claude: AsyncAnthropicClient) -> None:
    text, kinds = await heard(claude, FRUITS)
    assert "Banana" in text
    assert (kinds.count("content") > 5, kinds[-1]) == (True, "done")
    whole = await claude.chat(FRUITS, max_tokens=20, temperature=0, stream=False)
    assert (whole.content, whole.finish_reason, whole.native_finish_reason) == (text, "stop", "end_turn")
    assert (await claude.count_tokens(FRUITS)) == whole.usage.prompt_tokens > 10
    assert await claude.list_models() == [whole.model]
    cut = await claude.chat([system("Be kind."), user("Tell me a story.")], max_tokens=5, temperature=0)
    assert (cut.finish_reason, cut.usage.completion_tokens) == ("length", 5)


@pytest.mark.requirement("E04-T022.AC4")
async def test_a_conversation_with_llamacpp_goes_on(claude: AsyncAnthropicClient) -> None:
    first = await claude.chat(FRUITS, max_tokens=20, temperature=0)
    second = await claude.chat([user(FRUITS), first.to_message(), user("Name three more.")], max_tokens=8)
    assert second.usage.prompt_tokens > first.usage.prompt_tokens + 10


@pytest.mark.requirement("E04-T022.AC4")
async def test_failures_of_llamacpp(claude: AsyncAnthropicClient, local_gateway: LocalGateway) -> None:
    with pytest.raises(ContextLengthError) as too_long:
        await claude.chat("word " * 6000, max_tokens=5)
    assert too_long.value.max_tokens == 4096
    async with AsyncAnthropicClient("a-wrong-key", "m", base_url=claude.base_url) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.chat("Hi")
    async with AsyncOllamaClient("m", host=claude.base_url, api_key=local_gateway.api_key) as another_api:
        with pytest.raises(BadRequestError, match="no such endpoint - check host"):
            await another_api.chat("Hi")


@pytest.mark.requirement("E04-T022.AC4")
async def test_a_run_with_tools_of_llamacpp(llamacpp: LocalGateway) -> None:
    root = llamacpp.base_url.removesuffix("/v1")
    async with AsyncAnthropicClient(llamacpp.api_key, llamacpp.model, base_url=root) as client:
        assert await results_of_tools(client) == ["12 degrees in Paris"]


# What is the matter, by what aimock is asked; Ollama's wire has a sentence and a status.
FAILURES: dict[str, type[AiError]] = {
    "too many": RateLimitError,
    "no money": InsufficientCreditsError,
    "violence": ContentPolicyError,
    "something that nobody prepared": ProviderError,
}


def engines_of(aimock: Aimock) -> list[EngineClient]:
    return [
        AsyncAnthropicClient(aimock.api_key, "claude-x", base_url=aimock.url, max_retries=0),
        AsyncOllamaClient("qwen", host=aimock.url, api_key=aimock.api_key, max_retries=0),
    ]


@pytest.mark.requirement("E04-T022.AC4")
@pytest.mark.parametrize("position", [0, 1], ids=["anthropic", "ollama"])
async def test_aimock(aimock: Aimock, position: int) -> None:
    async with engines_of(aimock)[position] as client:
        text, kinds = await heard(client, "hello")
        assert (text, kinds[-1]) == (HELLO, "done")
        assert (await client.chat("hello", stream=False)).content == HELLO
        called = await client.chat("weather", tools=[{"name": "get_weather", "parameters": {"type": "object"}}])
        assert [call.arguments for call in called.tool_calls] == [{"city": "Paris"}, {"city": "Rome"}]
        assert (called.finish_reason, len({call.id for call in called.tool_calls})) == ("tool_calls", 2)
        run = await client.run_tools("How warm is it in Paris?", tools=[weather]).result()
        assert run.content == "It is 12 degrees in Paris."
        for prompt, kind in FAILURES.items():
            if position == 1 and kind is ContentPolicyError:
                continue
            with pytest.raises(kind) as caught:
                await client.chat(prompt)
            assert type(caught.value) is kind
            assert caught.value.retry_after == (7 if kind is RateLimitError else None)
        with pytest.raises(StreamInterruptedError) as interrupted:
            await client.chat("drop the line")
        assert interrupted.value.partial is not None
        assert "This sentence will never".startswith(interrupted.value.partial.content[:10])


@pytest.mark.requirement("E04-T022.AC4")
async def test_aimocks_thinking_keys_and_what_it_lacks(aimock: Aimock) -> None:
    async with AsyncAnthropicClient(aimock.api_key, base_url=aimock.url, auth="x-api-key") as client:
        thought = await client.chat("think", model="deepseek/deepseek-r1")
        assert (thought.reasoning, thought.content) == ("2 plus 2 is 4.", "4")
        with pytest.raises(NotSupportedError, match="count_tokens"):
            await client.count_tokens("hello")
    async with AsyncAnthropicClient("a-wrong-key", base_url=aimock.url) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.chat("hello")


# One test for all of a proxy: it is slow to start, and each process that runs tests would start one.
@pytest.mark.litellm
@pytest.mark.requirement("E04-T022.AC4")
async def test_litellms_facade_of_anthropic(litellm: LiteLLM) -> None:
    root = litellm.base_url.removesuffix("/v1")
    async with AsyncAnthropicClient(litellm.api_key, litellm.model, base_url=root, max_retries=0) as client:
        text, kinds = await heard(client, FRUITS)
        whole = await client.chat(FRUITS, max_tokens=20, temperature=0, stream=False)
        assert text == whole.content != ""
        assert kinds.count("content") > 3
        assert whole.usage.completion_tokens > 5
        assert await client.count_tokens(FRUITS) > 5
        assert await results_of_tools(client) == ["12 degrees in Paris"]
        with pytest.raises(ModelNotAvailableError):
            await client.chat("Hi", model="no/such-model")
        with pytest.raises(ContextLengthError):
            await client.chat("word " * 6000, max_tokens=5)
    async with AsyncAnthropicClient("sk-a-wrong-key", litellm.model, base_url=root, max_retries=0) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.chat("Hi")


@pytest.mark.litellm
@pytest.mark.requirement("E04-T023.AC1")
async def test_an_ollama_proxy_in_front_of_llamacpp(ollama_proxy: OllamaProxy) -> None:
    async with AsyncOllamaClient(ollama_proxy.model, host=ollama_proxy.url, max_retries=0) as client:
        assert await client.is_available()
        text, kinds = await heard(client, FRUITS)
        whole = await client.chat(FRUITS, max_tokens=20, temperature=0, stream=False)
        assert text == whole.content != ""
        assert (kinds.count("content") > 5, kinds[-1]) == (True, "done")
        assert (whole.finish_reason, whole.usage.completion_tokens > 0) == ("stop", True)
        assert (await client.show()).id == ollama_proxy.model
        assert len(await client.list_models()) > 3
        with pytest.raises(ModelNotAvailableError, match="no/such"):
            await client.chat("Hi", model="no/such")
        with pytest.raises(ContextLengthError) as too_long:
            await client.chat("word " * 6000, max_tokens=5)
        assert too_long.value.max_tokens == 4096
