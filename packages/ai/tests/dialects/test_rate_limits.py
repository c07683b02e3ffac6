"""Limits that gateways tell in their headers, as OpenAI, Azure, Groq, Cerebras and Anthropic write them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from raptscallions_ai import RateLimitError, RateLimits
from raptscallions_ai._dialects.rate_limits import read_rate_limits
from raptscallions_ai.answer.codec import from_json, to_json
from raptscallions_ai.client.openrouter import OpenRouterClient
from raptscallions_ai.testing import FakeGateway, completion

RESET = "x-ratelimit-reset-requests"
NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)
OPENAI = {
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-reset-requests": "6ms",
    "x-ratelimit-limit-tokens": "2000000",
    "x-ratelimit-remaining-tokens": "1999000",
    "x-ratelimit-reset-tokens": "6m0.5s",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "40",
    "anthropic-ratelimit-requests-reset": "2026-11-30T12:00:12Z",
}


@pytest.mark.parametrize(
    ("headers", "limits"),
    [
        (OPENAI, RateLimits(10000, 9999, 0.006, 2000000, 1999000, 360.5)),
        (ANTHROPIC, RateLimits(50, 40, 12.0)),
        (
            {
                "anthropic-ratelimit-tokens-limit": "100",
                "anthropic-ratelimit-input-tokens-limit": "80",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-output-tokens-limit": "20",
                "anthropic-ratelimit-output-tokens-reset": "2026-11-30T12:00:01Z",
            },
            RateLimits(tokens=100, input_tokens=80, input_tokens_left=0, output_tokens=20, output_tokens_reset=1.0),
        ),
        ({"x-ratelimit-limit-requests": "-1", "x-ratelimit-limit-tokens": "0"}, None),
        ({"x-ratelimit-limit-requests": "30", RESET: "2m59.56s"}, RateLimits(30, None, 179.56)),
        (
            {"x-ratelimit-limit-requests": "30", RESET: "1796040012000"},
            RateLimits(30, None, 12.0),
        ),
        ({"x-ratelimit-limit-requests": "30", RESET: "1796040012"}, RateLimits(30, None, 12.0)),
        ({"x-ratelimit-limit-requests": "30", RESET: "soon"}, RateLimits(30)),
        ({"x-ratelimit-limit-tokens": "nan", "x-ratelimit-limit-requests": "7"}, RateLimits(7)),
        ({"content-type": "application/json"}, None),
    ],
)
def test_limits_are_read_in_every_form(headers: Mapping[str, str], limits: RateLimits | None) -> None:
    assert read_rate_limits(headers, now=NOW) == limits


async def test_an_attempt_tells_limits_and_the_cache(fake_gateway: FakeGateway) -> None:
    fake_gateway.json(completion("Hi"), headers={**OPENAI, "X-OpenRouter-Cache-Status": "HIT"})
    async with OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model) as client:
        result = await client.chat("Hi", stream=False)
    (attempt,) = result.attempts
    assert attempt.limits is not None and attempt.limits.requests == 10000
    assert result.limits == attempt.limits
    assert attempt.response_cache == "hit"
    assert from_json(to_json(result)) == result


async def test_an_error_tells_the_limits_that_were_reached(fake_gateway: FakeGateway) -> None:
    fake_gateway.error(429, headers=OPENAI)
    async with OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model, 5, 0) as client:
        with pytest.raises(RateLimitError) as caught:
            await client.chat("Hi")
    error = caught.value
    assert error.limits is not None and error.limits.tokens == 2000000
    again = from_json(to_json(error))
    assert isinstance(again, RateLimitError) and again.limits == error.limits
    assert pickle.loads(pickle.dumps(error)).limits == error.limits
    assert RateLimitError().limits is None
