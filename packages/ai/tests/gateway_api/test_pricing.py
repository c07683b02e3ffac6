"""Prices under conditions, as OpenRouter's documentation describes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from raptscallions_ai.gateway_api.pricing import read_pricing

pytestmark = pytest.mark.requirement("E04-T005.AC7")

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday
PEAK: dict[str, Any] = {"utc_start": 30, "utc_end": 1630, "prompt": "3"}
NIGHT: dict[str, Any] = {"utc_start": 1630, "utc_end": 30, "prompt": "2"}
WEEKEND: dict[str, Any] = {"utc_days": ["saturday", "sunday"], "prompt": "4"}


def prompt_price(*overrides: dict[str, Any], tokens: int = 1, when: datetime = NOON) -> Decimal | None:
    return read_pricing({"prompt": "1", "overrides": list(overrides)}).at(prompt_tokens=tokens, when=when).prompt


def test_long_prompts() -> None:
    long = {"min_prompt_tokens": 200_000, "prompt": "5"}
    assert prompt_price(long, tokens=200_000) == 1
    assert prompt_price(long, tokens=200_001) == 5


@pytest.mark.parametrize(
    ("hour", "minute", "price"),
    [(0, 29, 2), (0, 30, 3), (12, 0, 3), (16, 29, 3), (16, 30, 2), (23, 59, 2), (0, 0, 2)],
)
def test_times_of_day(hour: int, minute: int, price: int) -> None:
    assert prompt_price(PEAK, NIGHT, when=NOON.replace(hour=hour, minute=minute)) == price


def test_a_window_to_midnight_and_one_of_the_whole_day() -> None:
    late = NOON.replace(hour=23, minute=59)
    assert prompt_price({"utc_start": 2200, "utc_end": 0, "prompt": "2"}, when=late) == 2
    assert prompt_price({"utc_start": 0, "utc_end": 0, "prompt": "2"}, when=NOON) == 2


def test_days_of_the_week() -> None:
    assert prompt_price(WEEKEND) == 1
    assert prompt_price(WEEKEND, when=NOON - timedelta(days=1)) == 4


def test_times_are_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert prompt_price(NIGHT, when=datetime(2026, 11, 24, 2, 0, tzinfo=tokyo)) == 2
    assert prompt_price(NIGHT, when=datetime(2026, 11, 24, 2, 0)) == 1


def test_the_last_that_applies_wins_and_the_rest_stays() -> None:
    entry = {"prompt": "1", "completion": "9", "overrides": [PEAK, {"min_prompt_tokens": 5, "prompt": "7"}]}
    prices = read_pricing(entry).at(prompt_tokens=6, when=NOON)
    assert (prices.prompt, prices.completion, prices.overrides) == (7, 9, ())


def test_a_condition_of_a_kind_that_is_new_is_not_taken_as_met() -> None:
    assert prompt_price({"phase_of_the_moon": "full", "prompt": "0"}) == 1
