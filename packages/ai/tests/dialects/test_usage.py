import dataclasses
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._dialects.chunk import decode_chunk
from raptscallions_ai._dialects.fold import Fold
from raptscallions_ai._dialects.usage import UsageMeter
from raptscallions_ai.answer.result import Usage
from raptscallions_ai.gateway_api.costs import estimate_cost
from raptscallions_ai.gateway_api.models import ModelInfo
from raptscallions_ai.gateway_api.pricing import Pricing

OPENROUTER = {
    "prompt_tokens": 8174,
    "completion_tokens": 30,
    "total_tokens": 8204,
    "cost": 0.0133176,
    "is_byok": True,
    "prompt_tokens_details": {"cached_tokens": 12, "cache_write_tokens": 5, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 7, "image_tokens": 0},
    "cost_details": {"upstream_inference_cost": 0.0032696},
    "server_tool_use_details": {"web_search_requests": 1},
}


def metered(*objects: object) -> UsageMeter:
    meter = UsageMeter()
    for usage in objects:
        text = usage if isinstance(usage, str) else json.dumps(usage)
        meter.feed(decode_chunk(f'{{"usage":{text}}}'.encode()).usage)
    return meter


def test_everything_that_openrouter_reports() -> None:
    assert metered(OPENROUTER).result() == Usage(
        prompt_tokens=8174,
        completion_tokens=30,
        total_tokens=8204,
        reasoning_tokens=7,
        cached_tokens=12,
        cache_write_tokens=5,
        cost=Decimal("0.0133176"),
        cost_source="reported",
        upstream_cost=Decimal("0.0032696"),
        is_byok=True,
        raw=OPENROUTER,
    )


@pytest.mark.parametrize("wrong", ["", ',"is_byok":"\\ud800"', ',"prompt_tokens_details":[]'], ids=["", "odd", "wrong"])
@pytest.mark.parametrize(
    ("cost", "exactly"),
    [
        ("0.0133176", "0.0133176"),
        ("0.1", "0.1"),
        ("0.12345678901234567890", "0.12345678901234567890"),
        ("1e-7", "0.0000001"),
        ("1.0000000000000000000001", "1.0000000000000000000001"),
        ('"0.0133176"', "0.0133176"),
        ("3", "3"),
        ("0", "0"),
        ("0.00", "0"),
    ],
)
def test_cost_is_exact(cost: str, exactly: str, wrong: str) -> None:
    usage = metered(
        f'{{"prompt_tokens":1,"cost":{cost},"cost_details":{{"upstream_inference_cost":{cost}}}{wrong}}}'
    ).result()
    assert (usage.cost, usage.upstream_cost) == (Decimal(exactly), Decimal(exactly))
    assert usage.cost_source == "reported"
    assert usage.prompt_tokens == 1


@pytest.mark.parametrize(
    "cost",
    ["null", "true", '"abc"', "{}", "[]", "NaN", "1e999", "1e1000000", "1e99999999999999999999", '"NaN"', '"sNaN"',
     '"Infinity"', '"-Infinity"'],
)  # fmt: skip
def test_a_cost_that_is_no_amount_is_unknown_and_costs_nothing_else(cost: str) -> None:
    usage = metered(f'{{"prompt_tokens":3,"completion_tokens":4,"cost":{cost}}}').result()
    assert (usage.cost, usage.cost_source) == (None, "unknown")
    assert (usage.prompt_tokens, usage.completion_tokens) == (3, 4)


@pytest.mark.parametrize("odd", [r'"\ud800"', "NaN", "1e999", "9" * 40, "[[]]", '{"a":null}'])
def test_an_odd_value_costs_no_count(odd: str) -> None:
    usage = metered(f'{{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"odd":{odd}}}').result()
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 4, 7)
    assert usage.reported


def test_bad_utf8_costs_no_count() -> None:
    meter = UsageMeter()
    meter.feed(decode_chunk(b'{"usage":{"prompt_tokens":3,"odd":"\xff"}}').usage)
    assert meter.result().prompt_tokens == 3


@pytest.mark.parametrize(
    ("count", "read"), [('"7"', 7), ("7.0", 7), ("7.5", 0), ("true", 0), ("[]", 0), ("null", 0), ('"x"', 0)]
)
def test_counts_of_another_type(count: str, read: int) -> None:
    assert metered(f'{{"prompt_tokens":{count},"completion_tokens":2}}').result().prompt_tokens == read


@pytest.mark.parametrize("nothing", [None, {}, [], "x", 5, True, {"prompt_tokens": None}, {"note": "later"}], ids=str)
def test_what_reports_nothing(nothing: object) -> None:
    meter = metered(nothing if not isinstance(nothing, str) else json.dumps(nothing))
    assert not meter.seen
    assert meter.result() == Usage()
    assert not meter.result().reported


@pytest.mark.parametrize(
    "later", [None, {}, [], 5, {"prompt_tokens": None, "cost": None, "cost_details": None}], ids=str
)
def test_what_says_nothing_takes_nothing_back(later: object) -> None:
    usage = metered(OPENROUTER, later).result()
    assert (usage.prompt_tokens, usage.cost, usage.upstream_cost) == (8174, Decimal("0.0133176"), Decimal("0.0032696"))


@pytest.mark.parametrize(
    ("report", "usage"),
    [
        ({"prompt_tokens": 5}, Usage(prompt_tokens=5, total_tokens=5)),
        ({"completion_tokens": 5}, Usage(completion_tokens=5, total_tokens=5)),
        ({"total_tokens": 5}, Usage(total_tokens=5)),
        ({"cost": 5}, Usage(cost=Decimal(5), cost_source="reported")),
    ],
    ids=str,
)
def test_one_figure_is_a_report_and_the_others_are_zero(report: dict[str, int], usage: Usage) -> None:
    details: dict[str, object] = {"prompt_tokens_details": {}, "completion_tokens_details": {}, "cost_details": {}}
    for told in (report, report | details):
        meter = metered(told)
        assert meter.seen
        assert meter.result() == dataclasses.replace(usage, raw=told)


def test_a_report_of_zero_tokens_is_a_report() -> None:
    usage = metered({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "cost": 0}).result()
    assert usage.reported
    assert (usage.cost, usage.cost_source) == (Decimal(0), "reported")


def test_the_last_word_counts_field_by_field() -> None:
    usage = metered(
        {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4}},
        {"completion_tokens": 2, "prompt_tokens_details": {"cache_write_tokens": 3}, "cost": 0.5},
        {"completion_tokens": 9, "total_tokens": 14, "prompt_tokens_details": None},
    ).result()
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (5, 9, 14)
    assert (usage.cached_tokens, usage.cache_write_tokens, usage.cost) == (4, 3, Decimal("0.5"))
    assert usage.raw["completion_tokens"] == 9


def test_total_is_the_gateways_else_the_sum() -> None:
    assert metered({"prompt_tokens": 2, "completion_tokens": 3}).result().total_tokens == 5
    assert metered({"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 9}).result().total_tokens == 9
    assert metered({"total_tokens": 9}).result().total_tokens == 9


def test_the_result_does_not_change_with_later_reports() -> None:
    meter = metered({"prompt_tokens": 1})
    before = meter.result()
    meter.feed(decode_chunk(b'{"usage":{"prompt_tokens":2}}').usage)
    assert (before.prompt_tokens, before.raw, meter.result().prompt_tokens) == (1, {"prompt_tokens": 1}, 2)


@given(home=st.fixed_dictionaries({name: st.integers(0, 3) for name in OPENROUTER}))
def test_a_report_in_parts_is_the_report(home: dict[str, int]) -> None:
    reports: list[dict[str, Any]] = [
        {name: value for name, value in OPENROUTER.items() if home[name] == part} for part in range(4)
    ]
    assert metered(*reports).result() == metered(OPENROUTER).result()


CACHE = {
    "DeepSeek": {"prompt_cache_hit_tokens": 800, "prompt_cache_miss_tokens": 200},
    "Moonshot": {"cached_tokens": 800},
    "Mistral": {"num_cached_tokens": 800},
    "LiteLLM": {"cache_read_input_tokens": 800, "cache_creation_input_tokens": 0},
    "OpenAI": {"prompt_tokens_details": {"cached_tokens": 800}},
    "several, of which one is empty": {"prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 800},
}


@pytest.mark.parametrize("told", CACHE.values(), ids=CACHE)
def test_what_was_read_from_a_cache_under_any_name(told: dict[str, Any]) -> None:
    usage = metered({"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000, **told}).result()
    assert (usage.prompt_tokens, usage.cached_tokens, usage.total_tokens) == (1000, 800, 1000)
    cheap = Pricing(prompt=Decimal("0.001"), completion=Decimal("0.001"), input_cache_read=Decimal("0.0001"))
    assert estimate_cost(usage, ModelInfo(id="m", pricing=cheap)).cost == Decimal("0.28")


WRITTEN = {
    "OpenRouter": {"prompt_tokens_details": {"cache_write_tokens": 7}},
    "LiteLLM": {"prompt_tokens_details": {"cache_creation_tokens": 7}},
    "Alibaba": {"prompt_tokens_details": {"cache_creation_input_tokens": 7}},
    "Anthropic": {"cache_creation_input_tokens": 7, "cache_read_input_tokens": 0},
}


@pytest.mark.parametrize("told", WRITTEN.values(), ids=WRITTEN)
def test_what_was_written_to_a_cache_under_any_name(told: dict[str, Any]) -> None:
    usage = metered({"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11, **told}).result()
    assert (usage.prompt_tokens, usage.cache_write_tokens) == (10, 7)


def test_anthropics_counts_leave_out_what_was_cached() -> None:
    cached = {"cache_read_input_tokens": 800, "cache_creation_input_tokens": 50}
    for told in ({"input_tokens": 100, "output_tokens": 5}, {"prompt_tokens": 100, "completion_tokens": 5}):
        usage = metered({**told, **cached}).result()
        assert (usage.prompt_tokens, usage.cached_tokens, usage.cache_write_tokens) == (950, 800, 50)
        assert (usage.completion_tokens, usage.total_tokens) == (5, 955)


def test_the_counts_of_the_responses_api() -> None:
    details = {"input_tokens_details": {"cached_tokens": 80}, "output_tokens_details": {"reasoning_tokens": 4}}
    usage = metered({"input_tokens": 100, "output_tokens": 9, "total_tokens": 109, **details}).result()
    counts = (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens)
    assert (*counts, usage.total_tokens) == (100, 9, 80, 4, 109)


@pytest.mark.parametrize(
    ("prompt", "completion", "reasoning", "total", "expected"),
    [
        pytest.param(32, 9, 94, 135, (103, 94), id="xAI"),
        pytest.param(10, 300, 200, 310, (300, 200), id="the control"),
        pytest.param(32, 9, None, 135, (103, 94), id="Gemini tells it in the total only"),
        pytest.param(32, 9, 94, None, (103, 94), id="more reasoning than answer"),
        pytest.param(32, 94, 94, 126, (94, 94), id="nothing but reasoning"),
        pytest.param(32, 9, 4, 41, (9, 4), id="included"),
        pytest.param(32, 9, 4, 50, (9, 4), id="a total of something else"),
        pytest.param(32, 9, 0, 40, (9, 0), id="a total that is too small"),
    ],
)
@pytest.mark.requirement("E04-T018.AC2")
def test_reasoning_is_a_part_of_the_completion(
    prompt: int, completion: int, reasoning: int | None, total: int | None, expected: tuple[int, int]
) -> None:
    told: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    usage = metered({**told, "completion_tokens_details": {"reasoning_tokens": reasoning}}).result()
    assert (usage.completion_tokens, usage.reasoning_tokens) == expected
    assert usage.total_tokens == (total or prompt + expected[0])


@pytest.mark.parametrize("absurd", [-1, -(10**15), 10**15, 10**9 + 1])
def test_absurd_counts_count_nothing(absurd: int) -> None:
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        usage = metered({"prompt_tokens": 1, "completion_tokens": 2, name: absurd}).result()
        assert usage.total_tokens <= 3
        assert min(usage.prompt_tokens, usage.completion_tokens) >= 0
    details = {
        "prompt_tokens_details": {"cached_tokens": absurd},
        "completion_tokens_details": {"reasoning_tokens": absurd},
    }
    usage = metered({"prompt_tokens": 1, "completion_tokens": 2, **details}).result()
    assert (usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens) == (2, 0, 0)
    assert usage.raw["prompt_tokens_details"] == {"cached_tokens": absurd}


@pytest.mark.parametrize("cost", ["-0.5", "-1e-9", "1000001", "1e30"])
def test_absurd_costs_are_unknown(cost: str) -> None:
    usage = metered(
        f'{{"prompt_tokens":1,"cost":{cost},"is_byok":true,"cost_details":{{"upstream_inference_cost":{cost}}}}}'
    ).result()
    assert (usage.cost, usage.cost_source, usage.upstream_cost, usage.spend) == (None, "unknown", None, None)


def test_deepinfras_cost() -> None:
    assert metered({"prompt_tokens": 1, "estimated_cost": 0.0000123}).result().cost == Decimal("0.0000123")


def byok(cost: str, upstream: str | None, *, own_key: bool = True) -> Usage:
    amount = None if upstream is None else Decimal(upstream)
    return Usage(cost=Decimal(cost), cost_source="reported", upstream_cost=amount, is_byok=own_key, raw={"x": 1})


@pytest.mark.parametrize(
    ("usage", "spend"),
    [
        (byok("0", "0.8"), "0.8"),
        (byok("0.04", "0.8"), "0.84"),
        (byok("0.4", "0.4", own_key=False), "0.4"),
        (byok("0.1", None), "0.1"),
        (byok("0.04", "0.8") + byok("0.4", "0.4", own_key=False), "1.24"),
        (byok("0.4", "0.4", own_key=False) + byok("0.04", "0.8") + byok("0.04", "0.8"), "2.08"),
    ],
)
def test_what_a_call_really_cost(usage: Usage, spend: str) -> None:
    assert usage.spend == Decimal(spend)


def test_nobody_knows_what_a_call_cost_that_told_nothing() -> None:
    assert Usage().spend is None


def test_the_speed_is_the_one_that_the_engine_measured() -> None:
    folding = Fold(model="m", require_usage=True, redact=str)
    end: dict[str, Any] = {
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "usage": {"completion_tokens": 3},
    }
    folding.feed(decode_chunk(json.dumps({**end, "timings": {"predicted_per_second": 41.5}}).encode()), [])
    assert folding.partial().tokens_per_second == 41.5
    folding.feed(decode_chunk(json.dumps({**end, "timings": {"predicted_per_second": -1}}).encode()), [])
    assert folding.partial().tokens_per_second is None
