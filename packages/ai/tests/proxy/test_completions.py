"""The real `openai` SDK against a proxy of ours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import openai
import pytest
from openai.types.chat import ChatCompletionChunk
from proxy_kit import END, Proxied, RunProxy, completions_body

from raptscallions_ai import Caller, OpenRouterClient, RateLimitError
from raptscallions_ai.testing import Cut, FakeGateway, Pause, ScriptedClient, chunk, sse
from raptscallions_ai.tools.tool_call import ToolCall

pytestmark = pytest.mark.requirement("E04-T029.AC1")
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


@pytest.fixture
async def sdk(proxied: Proxied) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=proxied.token, base_url=f"{proxied.url}/v1", max_retries=0) as client:
        yield client


async def test_a_whole_answer(sdk: openai.AsyncOpenAI, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hello", " there", id="gen-7")
    answer = await sdk.chat.completions.create(
        model="fake/model-1", messages=[{"role": "user", "content": "Hi"}], temperature=0, user="u-1", n=1
    )
    assert (answer.id, answer.object, answer.model) == ("gen-7", "chat.completion", "fake/model-1")
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Hello there", "stop")
    assert answer.usage is not None
    assert answer.usage.total_tokens == 12
    (request,) = fake_gateway.requests
    assert request.json["temperature"] == 0
    assert "user" not in request.json


async def test_a_stream_with_a_tool_call(sdk: openai.AsyncOpenAI, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Let me see.", tool_calls=[ToolCall("call_1", "weather", '{"city": "Paris"}')])
    async with sdk.chat.completions.stream(
        model="fake/model-1",
        messages=[{"role": "user", "content": "Weather?"}],
        tools=TOOLS,  # pyright: ignore[reportArgumentType] - a plain list is what most people write
        stream_options={"include_usage": True},
    ) as stream:
        answer = await stream.get_final_completion()
    message = answer.choices[0].message
    assert message.content == "Let me see."
    assert message.tool_calls is not None
    assert message.tool_calls[0].function.arguments == '{"city": "Paris"}'
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2


async def test_the_calls_of_an_answer_that_is_not_streamed(sdk: openai.AsyncOpenAI, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("", tool_calls=[ToolCall("call_1", "weather", '{"city": "Paris"}')])
    answer = await sdk.chat.completions.create(
        model="fake/model-1",
        messages=[{"role": "user", "content": "Weather?"}],
        tools=TOOLS,  # pyright: ignore[reportArgumentType]
    )
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert [call.id for call in calls] == ["call_1"]
    assert answer.choices[0].message.content is None


async def test_keep_alives_are_survived(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse(chunk("One")), Pause(0.25), sse(chunk(" two", finish_reason="stop")), END)
    proxied = run_proxy(upstream, keep_alive=0.05)
    async with openai.AsyncOpenAI(api_key=proxied.token, base_url=f"{proxied.url}/v1") as sdk:
        stream = await sdk.chat.completions.create(
            model="fake/model-1", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        chunks: list[ChatCompletionChunk] = [each async for each in stream]
    assert "".join(each.choices[0].delta.content or "" for each in chunks) == "One two"
    assert all(each.usage is None for each in chunks)  # nobody asked for it


@pytest.mark.parametrize(
    ("status", "expected"),
    [(429, openai.RateLimitError), (404, openai.BadRequestError), (503, openai.InternalServerError)],
)
async def test_errors_have_their_status(
    sdk: openai.AsyncOpenAI, fake_gateway: FakeGateway, status: int, expected: type[openai.APIStatusError]
) -> None:
    fake_gateway.error(status)
    with pytest.raises(expected):
        await sdk.chat.completions.create(model="fake/model-1", messages=[{"role": "user", "content": "Hi"}])


async def test_a_refused_key_of_the_gateway_is_no_refused_token(
    sdk: openai.AsyncOpenAI, fake_gateway: FakeGateway
) -> None:
    fake_gateway.error(401)
    with pytest.raises(openai.InternalServerError) as caught:
        await sdk.chat.completions.create(model="fake/model-1", messages=[{"role": "user", "content": "Hi"}])
    assert caught.value.status_code == 502
    assert "tell whoever runs the proxy" in str(caught.value)


async def test_a_stream_that_breaks_off_is_an_error(sdk: openai.AsyncOpenAI, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Half")), Cut())
    stream = await sdk.chat.completions.create(
        model="fake/model-1", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    with pytest.raises(openai.APIError, match="the stream ended|connection"):
        async for _ in stream:
            pass


async def test_a_stranger(proxied: Proxied) -> None:
    async with openai.AsyncOpenAI(api_key="another", base_url=f"{proxied.url}/v1") as sdk:
        with pytest.raises(openai.AuthenticationError, match="does not know you"):
            await sdk.chat.completions.create(model="fake/model-1", messages=[{"role": "user", "content": "Hi"}])


async def test_the_list_of_models(run_proxy: RunProxy, upstream: OpenRouterClient) -> None:
    models = {"fast": "fake/model-1", "smart": "fake/model-2", "dear": "fake/model-3"}
    proxied = run_proxy(upstream, models=models, caller=Caller("alice", models=["smart", "fast"]))
    async with openai.AsyncOpenAI(api_key=proxied.token, base_url=f"{proxied.url}/v1") as sdk:
        assert [model.id async for model in sdk.models.list()] == ["smart", "fast"]


async def test_the_list_of_models_of_a_proxy_that_allows_any(proxied: Proxied, sdk: openai.AsyncOpenAI) -> None:
    assert "fake/model-1" in [model.id async for model in sdk.models.list()]


async def test_a_client_without_a_list_tells_its_default(run_proxy: RunProxy) -> None:
    proxied = run_proxy(ScriptedClient(RateLimitError(1), model="a/model"))
    async with openai.AsyncOpenAI(api_key=proxied.token, base_url=f"{proxied.url}/v1") as sdk:
        assert [model.id async for model in sdk.models.list()] == ["a/model"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"model": "m"}, "'messages' must be a list"),
        (completions_body(n=2), "'n' must be 1"),
        (completions_body(temperatur=1), "there is no field 'temperatur'"),
        (completions_body(temperature="hot"), "temperature must be a number"),
        (completions_body(stream="yes"), "'stream' must be true or false"),
        ([1], "it is a JSON list, not an object"),
    ],
)
async def test_a_request_that_cannot_be_read(
    proxied: Proxied, fake_gateway: FakeGateway, body: object, why: str
) -> None:
    response = await proxied.post("/v1/chat/completions", body)
    assert response.status_code == 400
    assert why in json.loads(response.content)["error"]["message"]
    assert fake_gateway.requests == []
