"""Every option of a request is sent as it was given, or refused with what it must be."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._dialects.request import build_request
from raptscallions_ai.options.call_options import CallOptions, ChatOptions
from raptscallions_ai.options.checks import CHECKS

pytestmark = pytest.mark.requirement("E04-T005.AC1")

TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
SCHEMA = {"name": "city", "strict": True, "schema": {"type": "object"}}
GOOD: dict[str, list[Any]] = {
    "stream": [True, False],
    "max_tokens": [1, 100_000],
    "max_completion_tokens": [1],
    "temperature": [0, 0.7, 2, 2.0, Decimal("0.5")],
    "top_p": [0.01, 1],
    "top_k": [0, 40],
    "min_p": [0, 0.05, 1],
    "top_a": [0, 1],
    "frequency_penalty": [-2, 0.5, 2],
    "presence_penalty": [-2.0, 2],
    "repetition_penalty": [0.1, 1, 2],
    "seed": [0, -5, 2**63 - 1, -(2**63)],
    "stop": ["END", "", [], ["a", "b", "c", "d"]],
    "logit_bias": [{}, {"50256": -100}, {"1": 0.5, "2": 100}],
    "logprobs": [True, False],
    "top_logprobs": [],  # needs another
    "response_format": [{"type": "text"}, {"type": "json_schema", "json_schema": SCHEMA}, {"type": "new", "own": 1}],
    "structured_outputs": [True, False],
    "tools": [[], [TOOL], [{"type": "openrouter:web_search", "parameters": {}}]],
    "tool_choice": ["none", "auto", "required", {"type": "function", "function": {"name": "look_up"}}],
    "parallel_tool_calls": [False],
    "max_tool_calls": [1, 30],
    "stop_server_tools_when": [[{"type": "step_count_is", "step_count": 3}, {"type": "later"}]],
    "reasoning": [{}, {"effort": "none"}, {"max_tokens": 2000, "exclude": True}, {"enabled": True, "new": [1]}],
    "reasoning_effort": ["none", "minimal", "low", "medium", "high", "xhigh", "max"],
    "verbosity": ["low", "medium", "high", "xhigh", "max"],
    "prediction": [{"type": "content", "content": "def main():"}],
    "models": [[], ["a/b", "c/d:free"]],
    "provider": [
        {},
        {"order": ["openai", "deepinfra/turbo"], "only": [], "ignore": ["x"], "allow_fallbacks": False},
        {"require_parameters": True, "zdr": True, "enforce_distillable_text": False, "data_collection": "deny"},
        {"quantizations": ["fp8", "later"], "sort": "price", "options": {"x": {"y": 1}}},
        {"sort": {"by": "throughput", "partition": "none"}, "preferred_min_throughput": 50},
        {"preferred_max_latency": {"p50": 1, "p99": 2.5}, "max_price": {"prompt": 1, "completion": "2", "new": []}},
        {"max_price": {"prompt": Decimal("0.25")}, "order": None, "new": 1},
    ],
    "plugins": [[{"id": "web", "max_results": 3}, {"id": "moderation", "enabled": False}]],
    "preset": ["support"],
    "web_search_options": [{"search_context_size": "high"}],
    "x_search_filter": [{"allowed_x_handles": ["a"] * 20, "from_date": "2026-01-01"}],
    "modalities": [["text"], ["text", "image"]],
    "audio": [{"voice": "alloy", "format": "wav"}],
    "image_config": [{"aspect_ratio": "16:9", "new": 1}],
    "cache_control": [{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}],
    "prompt_cache_key": ["support-v3"],
    "prompt_cache_options": [{"mode": "explicit", "ttl": "30m"}],
    "service_tier": ["auto", "default", "flex", "priority", "fast", "scale"],
    "user": ["user-17"],
    "session_id": ["", "s" * 256],
    "metadata": [{}, {"k" * 64: "v" * 512}, {str(number): "" for number in range(16)}],
    "trace": [{"trace_id": "t", "own": 1}],
}
TOGETHER: list[dict[str, Any]] = [
    {"logprobs": True, "top_logprobs": 20},
    {"top_logprobs": 0, "extra_body": {"logprobs": True}},
    {"reasoning_effort": "high", "reasoning": {"effort": "high"}},
    {"reasoning_effort": "high", "reasoning": {"exclude": True}},
    {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
    {"modalities": ["audio"], "extra_body": {"audio": {}}},
]
NAN, INFINITY = float("nan"), float("inf")
BAD: list[tuple[dict[str, Any], str]] = [
    ({"stream": "no"}, "stream must be True or False, not str"),
    ({"temperature": 3.5}, "temperature must be 0 to 2, not 3.5"),
    ({"temperature": -0.1}, "temperature must be 0 to 2, not -0.1"),
    ({"temperature": NAN}, "temperature must be 0 to 2, not nan"),
    ({"temperature": INFINITY}, "temperature must be 0 to 2, not inf"),
    ({"temperature": Decimal("NaN")}, "temperature must be 0 to 2, not NaN"),
    ({"temperature": 10**400}, "temperature must be 0 to 2, not 1000"),
    ({"temperature": True}, "temperature must be a number, 0 to 2, not bool"),
    ({"temperature": "0.5"}, "temperature must be a number, 0 to 2, not str"),
    ({"max_tokens": 0}, "max_tokens must be 1 or more, not 0"),
    ({"max_tokens": 10.0}, "max_tokens must be a whole number, 1 or more, not float"),
    ({"max_tokens": False}, "max_tokens must be a whole number, 1 or more, not bool"),
    ({"max_completion_tokens": -1}, "max_completion_tokens must be 1 or more, not -1"),
    ({"top_p": 0}, "top_p must be more than 0 and up to 1, not 0"),
    ({"top_p": 1.01}, "top_p must be more than 0 and up to 1, not 1.01"),
    ({"top_k": -1}, "top_k must be 0 or more, not -1"),
    ({"min_p": 2}, "min_p must be 0 to 1, not 2"),
    ({"top_a": -1}, "top_a must be 0 to 1, not -1"),
    ({"frequency_penalty": 2.1}, "frequency_penalty must be -2 to 2, not 2.1"),
    ({"presence_penalty": -3}, "presence_penalty must be -2 to 2, not -3"),
    ({"repetition_penalty": 0.0}, "repetition_penalty must be more than 0 and up to 2, not 0.0"),
    ({"seed": 1.5}, "seed must be a whole number"),
    ({"seed": 2**63}, "seed must be -9223372036854775808 to 9223372036854775807, not 9"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop must have up to 4 items, not 5"),
    ({"stop": ["a", 1]}, "stop[1] must be a text, not int"),
    ({"stop": 1}, "stop must be a list, not int"),
    ({"logit_bias": {"a": 1}}, "logit_bias must have token ids as keys"),
    ({"logit_bias": {"1": 101}}, "logit_bias[1] must be -100 to 100, not 101"),
    ({"logit_bias": [1]}, "logit_bias must be a mapping of token ids, not list"),
    ({"logprobs": 1}, "logprobs must be True or False, not int"),
    ({"top_logprobs": 21, "logprobs": True}, "top_logprobs must be 0 to 20, not 21"),
    ({"top_logprobs": 5}, "top_logprobs needs logprobs=True"),
    ({"top_logprobs": 5, "logprobs": False}, "top_logprobs needs logprobs=True"),
    ({"response_format": "json_object"}, "response_format must be a mapping, not str"),
    ({"response_format": {}}, "response_format needs the field 'type'"),
    ({"response_format": {"type": "json_schema", "json_schema": {}}}, "['json_schema'] needs the field 'name'"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "n" * 65}}}, "up to 64 characters, not 65"),
    ({"structured_outputs": "yes"}, "structured_outputs must be True or False, not str"),
    ({"tools": TOOL}, "tools must be a list, not dict"),
    ({"tools": [object()]}, "tools must hold functions, Tools and dicts"),
    ({"tool_choice": "any"}, "tool_choice must be none, auto or required"),
    ({"tool_choice": {}}, "tool_choice needs the field 'type'"),
    ({"parallel_tool_calls": 0}, "parallel_tool_calls must be True or False, not int"),
    ({"max_tool_calls": 31}, "max_tool_calls must be 1 to 30, not 31"),
    ({"stop_server_tools_when": [{}]}, "stop_server_tools_when[0] needs the field 'type'"),
    ({"reasoning": "high"}, "reasoning must be a mapping, not str"),
    ({"reasoning": {"effort": "high", "max_tokens": 5}}, "reasoning must have 'effort' or 'max_tokens', not both"),
    ({"reasoning": {"effort": "huge"}}, "reasoning['effort'] must be none, minimal, low, medium, high, xhigh or max"),
    ({"reasoning": {"max_tokens": 0}}, "reasoning['max_tokens'] must be 1 or more, not 0"),
    ({"reasoning": {"exclude": 1}}, "reasoning['exclude'] must be True or False, not int"),
    ({"reasoning": {1: 2}}, "a key of reasoning must be a text, not int"),
    ({"reasoning_effort": "hihg"}, "reasoning_effort must be none, minimal, low"),
    ({"reasoning_effort": "low", "reasoning": {"effort": "high"}}, "must not differ"),
    ({"verbosity": 1}, "verbosity must be low, medium, high, xhigh or max, not int"),
    ({"prediction": {"type": "content"}}, "prediction needs the field 'content'"),
    ({"models": "a/b"}, "models must be a list, not str"),
    ({"models": ["a/b", " "]}, "models[1] must not be empty"),
    ({"models": [None]}, "models[0] must be a text, not NoneType"),
    ({"provider": {"order": "openai"}}, "provider['order'] must be a list, not str"),
    ({"provider": {"only": [1]}}, "provider['only'][0] must be a text, not int"),
    ({"provider": {"zdr": "true"}}, "provider['zdr'] must be True or False, not str"),
    ({"provider": {"data_collection": "never"}}, "provider['data_collection'] must be allow or deny"),
    ({"provider": {"sort": "cheap"}}, "provider['sort'] must be price, throughput, latency or exacto"),
    ({"provider": {"sort": {"partition": "none"}}}, "provider['sort'] needs the field 'by'"),
    ({"provider": {"max_price": {"prompt": -1}}}, "provider['max_price']['prompt'] must be 0 or more, not -1"),
    ({"provider": {"max_price": {"prompt": INFINITY}}}, "must be 0 or more, not inf"),
    ({"provider": {"preferred_max_latency": {"p50": "fast"}}}, "['p50'] must be a number, 0 or more, not str"),
    ({"plugins": ["web"]}, "plugins[0] must be a mapping, not str"),
    ({"plugins": [{}]}, "plugins[0] needs the field 'id'"),
    ({"preset": 5}, "preset must be a text, not int"),
    ({"web_search_options": {"search_context_size": "huge"}}, "must be low, medium or high"),
    ({"x_search_filter": {"allowed_x_handles": ["a"] * 21}}, "must have up to 20 items, not 21"),
    ({"x_search_filter": {"allowed_x_handles": [], "excluded_x_handles": []}}, "not both"),
    ({"modalities": ["smell"]}, "modalities[0] must be text, image or audio"),
    ({"modalities": ["audio"]}, "modalities with 'audio' need audio="),
    ({"audio": {"voice": "alloy"}}, "audio needs the field 'format'"),
    ({"image_config": []}, "image_config must be a mapping, not list"),
    ({"cache_control": {"type": "forever"}}, "cache_control['type'] must be ephemeral"),
    ({"cache_control": {"type": "ephemeral", "ttl": "2h"}}, "cache_control['ttl'] must be 5m or 1h"),
    ({"prompt_cache_key": b"k"}, "prompt_cache_key must be a text, not bytes"),
    ({"prompt_cache_options": {}}, "prompt_cache_options needs the field 'mode'"),
    ({"service_tier": "cheap"}, "service_tier must be auto, default, flex, priority, fast or scale"),
    ({"user": 17}, "user must be a text, not int"),
    ({"session_id": "s" * 257}, "session_id must have up to 256 characters, not 257"),
    ({"metadata": {str(number): "" for number in range(17)}}, "metadata must have up to 16 pairs, not 17"),
    ({"metadata": {"k" * 65: ""}}, "key 1 of metadata must have up to 64 characters, not 65"),
    ({"metadata": {"a": "", "b": "v" * 513}}, "value 2 of metadata must have up to 512 characters, not 513"),
    ({"metadata": {"a": 1}}, "value 1 of metadata must be a text, not int"),
    ({"metadata": []}, "metadata must be a mapping, not list"),
    ({"trace": "t"}, "trace must be a mapping, not str"),
]

NAMES = st.sampled_from(sorted(ChatOptions.__annotations__))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def body(**options: Any) -> dict[str, Any]:
    request = build_request("hi", model="m", options=cast("CallOptions", options))
    return json.loads(request.body, parse_float=Decimal)


def is_json(value: object) -> bool:
    try:
        return json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError):
        return False


def test_every_option_of_the_body_has_a_check_and_examples() -> None:
    assert list(CHECKS) == list(ChatOptions.__annotations__)
    assert GOOD.keys() == CHECKS.keys()
    assert {name for options, _ in BAD for name in options} == CHECKS.keys()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_an_option_is_sent_as_it_was_given(name: str, value: Any) -> None:
    sent = body(**{name: value})[name]
    assert sent == (
        Decimal(repr(value))
        if isinstance(value, float)
        else json.loads(json.dumps(value, default=float), parse_float=Decimal)
    )


@pytest.mark.parametrize("name", sorted(ChatOptions.__annotations__))
def test_none_is_the_same_as_leaving_it_out(name: str) -> None:
    assert body(**{name: None}) == body()


@pytest.mark.parametrize("options", TOGETHER, ids=repr)
def test_options_that_go_together(options: dict[str, Any]) -> None:
    sent = body(**options)
    assert sent.keys() >= options.keys() - {"extra_body"}


@pytest.mark.parametrize(("options", "says"), BAD, ids=[says for _, says in BAD])
def test_a_wrong_option_is_refused_with_what_it_must_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        body(**options)
    assert says in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("options", [options for options, _ in BAD if is_json(options)], ids=repr)
def test_extra_body_is_not_checked(options: dict[str, Any]) -> None:
    sent = body(extra_body=options)
    assert {name: sent[name] for name in options} == json.loads(json.dumps(options), parse_float=Decimal)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("maxTokens", "did you mean 'max_tokens'? Otherwise pass fields"),
        ("temprature", "did you mean 'temperature'?"),
        ("modell", "did you mean 'model'?"),
        ("transforms", 'use plugins=[{"id": "context-compression"}], or pass'),
        ("include_reasoning", 'use reasoning={"exclude": True}, or pass'),
        ("route", 'use provider={"sort":'),
        ("xyzzy", "unknown option 'xyzzy'; pass fields that have no name here in extra_body={...}"),
        ("n", "in extra_body={...}"),
    ],
)
def test_an_unknown_option_is_refused_with_the_one_that_was_meant(name: str, says: str) -> None:
    with pytest.raises(TypeError) as caught:
        body(**{name: 1})
    assert str(caught.value).startswith(f"unknown option {name!r}; ")
    assert says in str(caught.value)
    assert "extra_body={...}" in str(caught.value)


@given(name=NAMES, value=VALUES)
def test_whatever_is_given_is_sent_or_refused_without_quoting_texts(name: str, value: Any) -> None:
    secret = "not-to-be-seen"
    for given_value in (value, [value, secret], {secret: value}, {"type": secret, "id": value, "effort": secret}):
        try:
            sent = body(**{name: given_value})
        except (TypeError, ValueError) as error:
            assert "not-to" not in str(error).replace(f"'{secret}'", "")
        else:
            assert given_value is None or name in sent
