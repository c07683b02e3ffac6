"""The fake Ollama server says in lines what a script says in chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from raptscallions_ai.client.ollama import AsyncOllamaClient
from raptscallions_ai.errors import AuthenticationError, ProviderError, StreamInterruptedError
from raptscallions_ai.testing import Cut, chunk, sse
from raptscallions_ai.testing.engines.ollama import FakeOllama
from raptscallions_ai.tools.tool_call import ToolCall


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    with FakeOllama() as server:
        yield server


@pytest.fixture
async def client(server: FakeOllama) -> AsyncIterator[AsyncOllamaClient]:
    async with AsyncOllamaClient(host=server.base_url, max_retries=0) as client:
        yield client


async def test_text_thinking_tools_and_usage(server: FakeOllama, client: AsyncOllamaClient) -> None:
    server.stream("Hel", "lo", reasoning=["Hm"], tool_calls=[ToolCall("c", "now", '{"zone": "UTC"}')])
    result = await client.chat("Hi")
    assert (result.content, result.reasoning, result.finish_reason) == ("Hello", "Hm", "tool_calls")
    assert [(call.name, call.arguments) for call in result.tool_calls] == [("now", {"zone": "UTC"})]
    assert (result.usage.prompt_tokens, result.usage.reported) == (10, True)
    assert server.requests[0].path == "/api/chat"


async def test_one_body(server: FakeOllama, client: AsyncOllamaClient) -> None:
    assert (await client.chat("Hi", stream=False)).content == "Hello from the fake gateway."
    assert server.requests[0].json["stream"] is False


async def test_failures(server: FakeOllama, client: AsyncOllamaClient) -> None:
    server.error(503, "busy").reply(sse(chunk("Hel")), Cut())
    with pytest.raises(ProviderError, match="busy"):
        await client.chat("Hi")
    with pytest.raises(StreamInterruptedError) as caught:
        await client.chat("Hi")
    assert caught.value.partial is not None and caught.value.partial.content == "Hel"
    with FakeOllama(require_key=True) as locked:
        async with AsyncOllamaClient(host=locked.base_url) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.chat("Hi")
        async with AsyncOllamaClient(host=locked.base_url, api_key=locked.api_key) as friend:
            assert (await friend.chat("Hi")).content


async def test_models(client: AsyncOllamaClient) -> None:
    assert await client.is_available()
    assert await client.list_models() == ["qwen2.5:3b"]
    assert (await client.show()).context_length == 32768
    assert await client.ensure_model("llama3.2")
    assert await client.loaded() == []
    await client.delete_model("qwen2.5:3b")
