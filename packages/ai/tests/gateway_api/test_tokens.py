"""Estimated tokens: what is counted, how far off it is, and what clearly does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raptscallions_ai import ContextLengthError, OpenRouterClient, assistant, tool_result, user
from raptscallions_ai.errors import NotSupportedError
from raptscallions_ai.prices import TokenEstimate, estimate_tokens
from raptscallions_ai.testing import FakeGateway
from raptscallions_ai.tools.tool_call import ToolCall

pytestmark = pytest.mark.requirement("E04-T005.AC7")

FRAME = estimate_tokens("").tokens

# The first article of the Universal Declaration of Human Rights, and what has no language, each with the number of
# tokens that real tokenizers make of it.
SAMPLES: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "discovery" / "token-counts.json").read_text("utf-8")
)


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_range_holds_what_real_tokenizers_count(sample: str) -> None:
    counts = SAMPLES[sample]["tokens"].values()
    estimate = estimate_tokens(SAMPLES[sample]["text"])
    assert estimate.at_least - FRAME <= min(counts)
    assert max(counts) <= estimate.at_most
    assert 0.7 * min(counts) <= estimate.tokens - FRAME <= 1.25 * max(counts)


def test_an_exact_counter_takes_the_place_of_the_guess() -> None:
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return 100

    estimate = estimate_tokens([user("one"), user("two")], count=count)
    assert counted == ["one", "two"]
    assert (estimate.at_least, estimate.tokens, estimate.at_most) == (206, 208, 216)


def test_every_part_of_a_conversation_counts() -> None:
    plain = estimate_tokens([user("Hi")]).tokens
    call = ToolCall("c1", "get_weather", '{"city": "Paris"}')
    conversations: list[Any] = [
        [user("Hi"), user("Hi")],
        [user("Hi", name="Alexandra")],
        [user("Hi"), assistant(None, tool_calls=[call])],
        [user("Hi"), tool_result("c1", "18 degrees")],
        [user([{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}])],
        [{"role": "assistant", "content": "Hi", "reasoning": "Let me think about it."}],
    ]
    for conversation in conversations:
        assert estimate_tokens(conversation).tokens > plain, conversation
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
    assert estimate_tokens([user("Hi")], tools=[tool]).tokens > plain + 10


def test_images_have_a_size_and_files_are_said_not_to_be_counted() -> None:
    def of(*parts: dict[str, Any]) -> TokenEstimate:
        return estimate_tokens([user([{"type": "text", "text": "Hi"}, *parts])])

    plain = of()
    low = of({"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}})
    image = of({"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}})
    assert low.tokens - plain.tokens == 85
    assert image.tokens - plain.tokens == 765
    assert image.at_least - plain.at_least == 85
    file = of({"type": "file", "file": {"file_data": "data:application/pdf;base64," + "A" * 100_000}})
    assert (file.tokens, file.uncounted) == (plain.tokens, 1)


def test_a_million_letters_take_no_time_to_speak_of() -> None:
    assert estimate_tokens("word и 字 " * 100_000).tokens > 100_000


async def test_what_clearly_does_not_fit_is_refused_before_it_is_sent(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    long = "several words in a row " * 3_000
    with pytest.raises(ContextLengthError, match="the model takes 8192") as caught:
        await client.check_context(long, model="fake/small:free", max_tokens=100)
    assert caught.value.max_tokens == 8_192
    assert (caught.value.requested_tokens or 0) > 8_192
    assert "several words" not in str(caught.value.to_dict())
    assert (await client.check_context(long)).tokens > 8_192
    assert [request.method for request in fake_gateway.requests] == ["GET", "GET"]


async def test_the_wanted_answer_must_fit_too(client: OpenRouterClient) -> None:
    assert (await client.check_context("Hi", model="fake/small:free", max_tokens=8_000)).tokens < 20
    with pytest.raises(ContextLengthError, match="the answer up to 9000"):
        await client.check_context("Hi", model="fake/small:free", max_tokens=9_000)


async def test_what_is_near_the_limit_passes(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    estimate = estimate_tokens("several words in a row " * 20)
    entry = {"id": "small", "context_length": estimate.tokens - 1}
    fake_gateway.route("GET", "/api/v1/models").json({"data": [entry]}, times=None)
    assert await client.check_context("several words in a row " * 20, model="small") == estimate


async def test_nothing_is_checked_where_the_length_is_not_known(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.route("GET", "/api/v1/models").json({"data": [{"id": "bare"}]}, times=None)
    for model in ("bare", "@preset/mine", "a-name-that-is-ignored"):
        assert (await client.check_context("word " * 100_000, model=model)).tokens > 50_000


def test_not_supported_is_distinguished() -> None:
    assert NotSupportedError().status_code == 501
