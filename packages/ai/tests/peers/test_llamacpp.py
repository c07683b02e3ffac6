"""The client against llama.cpp with a real, if small, model: real tokens, real timing, real cancellation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Literal

import pytest
import pytest_asyncio
from pydantic import BaseModel, Field

from raptscallions_ai import (
    AuthenticationError,
    BadRequestError,
    ChatMessage,
    ChatOptions,
    ContextLengthError,
    ModelNotAvailableError,
    OpenRouterClient,
    assistant,
    cached,
    image,
    user,
)
from raptscallions_ai.errors import NotSupportedError, TruncatedOutputError
from raptscallions_ai.local import LocalGateway
from raptscallions_ai.prices import estimate_tokens

pytestmark = pytest.mark.timeout(240)  # the first run of all downloads the model


@pytest_asyncio.fixture
async def client(local_gateway: LocalGateway) -> AsyncIterator[OpenRouterClient]:
    async with OpenRouterClient(local_gateway.api_key, local_gateway.base_url, local_gateway.model) as client:
        yield client


async def test_a_real_answer_streams_in_pieces(client: OpenRouterClient) -> None:
    stream = client.stream_chat("Name three fruits.", temperature=0, max_tokens=40)
    pieces = [piece async for piece in stream.text_stream]
    result = await stream.result()
    assert len(pieces) > 5
    assert "".join(pieces) == result.content
    assert "Banana" in result.content
    assert result.usage.completion_tokens >= len(pieces) - 1
    assert result.usage.prompt_tokens > 0
    assert result.finish_reason == "stop"
    assert result.time_to_first_chunk is not None
    assert result.duration is not None
    assert 0 < result.time_to_first_chunk < result.duration


async def test_streamed_and_whole_answers_are_the_same(client: OpenRouterClient) -> None:
    streamed = await client.chat("Name three fruits.", temperature=0, max_tokens=20)
    whole = await client.chat("Name three fruits.", temperature=0, max_tokens=20, stream=False)
    assert streamed.content == whole.content
    assert streamed.finish_reason == whole.finish_reason


async def test_no_call_fails_because_llamacpp_closes_the_connections_it_promised_to_keep(
    client: OpenRouterClient,
) -> None:
    results = [await client.chat("Name three fruits.", temperature=0, max_tokens=2) for _ in range(10)]
    # One that was found closed is replaced by a new one, and that is told.
    assert {len(result.attempts) for result in results} <= {1, 2}
    assert all(result.attempts[-1].error is None for result in results)


async def test_the_token_limit_is_a_normal_end(client: OpenRouterClient) -> None:
    result = await client.chat("Tell me a story.", temperature=0, max_tokens=5)
    assert (result.finish_reason, result.usage.completion_tokens) == ("length", 5)


async def test_a_conversation_is_remembered(client: OpenRouterClient) -> None:
    first = await client.chat("Name three fruits.", temperature=0, max_tokens=40)
    messages = [user("Name three fruits."), first.to_message(), user("Name three more.")]
    second = await client.chat(messages, temperature=0, max_tokens=40)
    assert second.usage.prompt_tokens > first.usage.prompt_tokens
    prefilled = await client.chat([user("Count."), assistant("One, two,")], temperature=0, max_tokens=8)
    assert prefilled.content


class Animal(BaseModel):
    kind: Literal["bird", "mammal"]
    legs: int = Field(ge=0, le=8)
    zebras: list[Literal["one", "two"]] = Field(max_length=2)


@pytest.mark.requirement("E04-T005.AC4")
async def test_json_schema_is_obeyed(client: OpenRouterClient) -> None:
    result = await client.parse("Describe a cat.", Animal, temperature=0, max_tokens=100)
    assert 0 <= result.parsed.legs <= 8
    assert list(json.loads(result.content)) == ["kind", "legs", "zebras"]
    kinds = [animal.kind async for animal in client.stream_parse("Describe a cat.", Animal, temperature=0)]
    assert kinds[-1] == result.parsed.kind
    # The option of another gateway does no harm.
    provider = {"require_parameters": True}
    again = await client.parse("Describe a cat.", Animal, temperature=0, max_tokens=100, provider=provider)
    assert again.parsed == result.parsed


@pytest.mark.requirement("E04-T005.AC4")
async def test_an_object_that_is_cut_at_the_token_limit(client: OpenRouterClient) -> None:
    with pytest.raises(TruncatedOutputError) as caught:
        await client.parse("Describe a cat.", Animal, temperature=0, max_tokens=5)
    assert caught.value.partial is not None
    assert caught.value.partial.content.startswith("{")


async def test_log_probabilities_are_kept(client: OpenRouterClient) -> None:
    result = await client.chat("Say hello.", temperature=0, max_tokens=4, logprobs=True, top_logprobs=2)
    assert len(result.logprobs) >= 3
    assert {"token", "logprob"} <= result.logprobs[0].keys()


async def test_leaving_early_frees_the_only_slot_at_once(client: OpenRouterClient) -> None:
    async for _ in client.stream_chat("Write a very long story about the sea.", max_tokens=2000):
        break
    # The server has one slot: this answer can only begin when the long one was stopped.
    async with asyncio.timeout(20):
        assert (await client.chat("Name three fruits.", temperature=0, max_tokens=5)).content


async def test_its_errors(client: OpenRouterClient, local_gateway: LocalGateway) -> None:
    with pytest.raises(ContextLengthError) as too_long:
        await client.chat("word " * 6000)
    assert too_long.value.max_tokens == 4096
    assert (too_long.value.requested_tokens or 0) > 6000
    with pytest.raises(BadRequestError, match="max_tokens"):
        await client.chat("Hi", extra_body={"max_tokens": -5})
    async with OpenRouterClient("a-wrong-key", local_gateway.base_url, "m") as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.chat("Hi")


async def test_its_models_are_listed(client: OpenRouterClient, local_gateway: LocalGateway) -> None:
    assert [model.id for model in await client.models()] == [local_gateway.model]


@pytest.mark.requirement("E04-T005.AC1")
async def test_options_reach_the_model(client: OpenRouterClient) -> None:
    plain = await client.chat("Name three fruits.", temperature=0, max_tokens=40)
    stopped = await client.chat("Name three fruits.", temperature=0, max_tokens=40, stop=[",", "\n"])
    assert plain.content.startswith(stopped.content)
    assert len(stopped.content) < len(plain.content)
    sampling: ChatOptions = {"max_tokens": 12, "temperature": 1.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "seed": 11}
    sampled = [await client.chat("Name three fruits.", **sampling) for _ in range(2)]
    assert sampled[0].content == sampled[1].content


@pytest.mark.requirement("E04-T005.AC12")
async def test_clients_share_a_connection_that_is_there_before_the_first_call(local_gateway: LocalGateway) -> None:
    gateway = (local_gateway.api_key, local_gateway.base_url)
    async with OpenRouterClient(*gateway, "short", model_aliases={"short": local_gateway.model}) as first:
        await first.warm_up()
        async with OpenRouterClient(*gateway, local_gateway.model) as second:
            answers = [await each.chat("Hi", temperature=0, max_tokens=5) for each in (first, second, first)]
        answers.append(await first.chat("Hi", temperature=0, max_tokens=5))
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.requirement("E04-T005.AC2")
async def test_parts_that_are_text_mean_the_same_as_a_text(client: OpenRouterClient) -> None:
    whole = await client.chat("Name three fruits.", temperature=0, max_tokens=20)
    parts = await client.chat([user([cached("Name three fruits.")])], temperature=0, max_tokens=20)
    assert parts.content == whole.content
    stored = [ChatMessage.from_dict(message.to_dict()) for message in (user("Name three fruits."), whole.to_message())]
    more = await client.chat([*stored, user(["Name three more."])], temperature=0, max_tokens=20)
    assert more.content
    assert more.usage.prompt_tokens > whole.usage.prompt_tokens


@pytest.mark.requirement("E04-T005.AC2")
async def test_a_picture_for_a_model_without_eyes(client: OpenRouterClient) -> None:
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
    with pytest.raises(ModelNotAvailableError) as caught:
        await client.chat([user(["What is this?", image(pixel)])])
    assert "image" in str(caught.value.details["reason"])
    assert len(caught.value.attempts) == 1


@pytest.mark.requirement("E04-T005.AC7")
async def test_it_tells_how_much_fits_and_what_it_does_not_offer(
    client: OpenRouterClient, local_gateway: LocalGateway
) -> None:
    assert (await client.model(local_gateway.model)).context_length == 4096
    with pytest.raises(ContextLengthError, match="the model takes 4096"):
        await client.check_context("word " * 6000)
    for look_up in (client.key_info(), client.endpoints(local_gateway.model), client.embed("Hi", model="m")):
        with pytest.raises(NotSupportedError):
            await look_up


@pytest.mark.requirement("E04-T005.AC7")
async def test_estimated_tokens_hold_what_it_counts(client: OpenRouterClient) -> None:
    text = "A gateway stands between a program and many models: it checks keys, counts tokens and passes answers on. "
    one, many = [await client.chat(text * times, max_tokens=1) for times in (1, 10)]
    counted = many.usage.prompt_tokens - one.usage.prompt_tokens  # without what its template adds
    estimated = estimate_tokens(text * 10).tokens - estimate_tokens(text).tokens
    assert 0.75 * counted < estimated < 1.25 * counted
