"""Canonical requests as Anthropic takes them: every option, or a refusal before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from raptscallions_ai._dialects.anthropic.encode import ANSWER_TOOL, MessagesModel, messages_body
from raptscallions_ai._dialects.anthropic.schema import enforceable_schema
from raptscallions_ai.errors import NotSupportedError

pytestmark = pytest.mark.requirement("E04-T022.AC1")

ANTHROPIC = MessagesModel(at_anthropic=True)
FACADE = MessagesModel(at_anthropic=False)
NEW, OLD = "claude-opus-5", "claude-sonnet-4-20250514"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
TOOL = {"type": "function", "function": {"name": "f", "description": "Does.", "parameters": SCHEMA, "strict": True}}


def made(model: str = OLD, known: MessagesModel = ANTHROPIC, **options: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": True, **options}
    return messages_body(body, known, origin="https://api.anthropic.com")


def test_the_least_request_has_a_limit_of_tokens() -> None:
    assert made() == {
        "model": OLD,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "max_tokens": 8192,
        "stream": True,
    }
    assert made(known=MessagesModel(at_anthropic=True, max_tokens=64_000))["max_tokens"] == 64_000
    assert made(max_completion_tokens=7)["max_tokens"] == 7
    assert made(max_tokens=0)["max_tokens"] == 0


def test_plain_options() -> None:
    body = made(temperature=0.2, top_p=0.9, top_k=5, stop="END", user="u-1", service_tier="default")
    assert body["stop_sequences"] == ["END"]
    assert (body["temperature"], body["top_p"], body["top_k"]) == (0.2, 0.9, 5)
    assert body["metadata"] == {"user_id": "u-1"}
    assert body["service_tier"] == "standard_only"
    assert "stop" not in body
    assert "user" not in body


def test_fields_of_anthropics_own_go_along_as_they_are() -> None:
    edits = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    body = made(context_management=edits, speed="fast", cache_control={"type": "ephemeral"})
    assert (body["context_management"], body["speed"]) == (edits, "fast")
    assert body["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 1},
        {"logprobs": True},
        {"frequency_penalty": 0.5},
        {"logit_bias": {"1": 1}},
        {"provider": {"order": ["x"]}},
        {"metadata": {"team": "a"}},
        {"service_tier": "flex"},
        {"response_format": {"type": "json_object"}},
        {"tool_choice": "sometimes", "tools": [TOOL]},
    ],
)
def test_what_has_no_counterpart_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(NotSupportedError, match="Anthropic's API"):
        made(**options)


@pytest.mark.parametrize("option", ["temperature", "top_p", "top_k"])
def test_models_that_choose_for_themselves_take_no_sampling(option: str) -> None:
    options: dict[str, Any] = {option: 1}
    with pytest.raises(NotSupportedError, match=f"{NEW} takes no {option}"):
        made(NEW, **options)
    assert made(NEW, FACADE, **options)[option] == 1


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("required", None, {"type": "any"}),
        ("none", False, {"type": "none"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", True, {"type": "any", "disable_parallel_tool_use": False}),
        ({"type": "function", "function": {"name": "f"}}, None, {"type": "tool", "name": "f"}),
    ],
)
def test_tool_choices(choice: object, parallel: bool | None, expected: object) -> None:
    body = made(tools=[TOOL], tool_choice=choice, parallel_tool_calls=parallel)
    assert body.get("tool_choice") == expected


def test_tools_of_both_kinds() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    tools = made(tools=[{**TOOL, "cache_control": {"type": "ephemeral"}}, search])["tools"]
    assert tools == [
        {
            "name": "f",
            "description": "Does.",
            "input_schema": SCHEMA,
            "strict": True,
            "cache_control": {"type": "ephemeral"},
        },
        search,
    ]


def test_a_conversation_with_calls_has_tools_of_their_names_even_where_none_is_given() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]
    body = made(messages=messages)
    assert body["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("model", "known", "reasoning", "thinking", "effort"),
    [
        (NEW, ANTHROPIC, {"effort": "high"}, {"type": "adaptive"}, "high"),
        (NEW, ANTHROPIC, {"effort": "minimal"}, {"type": "adaptive"}, "low"),
        (NEW, ANTHROPIC, {"enabled": True}, {"type": "adaptive"}, None),
        (NEW, ANTHROPIC, {"enabled": False}, {"type": "disabled"}, None),
        (NEW, ANTHROPIC, {"effort": "none"}, {"type": "disabled"}, None),
        (NEW, ANTHROPIC, {"effort": "low", "exclude": True}, {"type": "adaptive", "display": "omitted"}, "low"),
        (OLD, ANTHROPIC, {"effort": "medium"}, {"type": "enabled", "budget_tokens": 5000}, None),
        (OLD, ANTHROPIC, {"max_tokens": 2000}, {"type": "enabled", "budget_tokens": 2000}, None),
        ("local", FACADE, {"effort": "low"}, {"type": "enabled", "budget_tokens": 2000}, None),
        (OLD, MessagesModel(at_anthropic=True, adaptive_thinking=True), {"effort": "max"}, {"type": "adaptive"}, "max"),
    ],
)
def test_thinking(model: str, known: MessagesModel, reasoning: object, thinking: object, effort: str | None) -> None:
    body = made(model, known, reasoning=reasoning, max_tokens=10_000)
    assert body["thinking"] == thinking
    assert body.get("output_config") == (None if effort is None else {"effort": effort})


def test_the_short_form_of_reasoning_means_the_same() -> None:
    assert made(NEW, reasoning_effort="high") == made(NEW, reasoning={"effort": "high"})


def test_a_budget_for_thinking_that_leaves_nothing_to_say_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="max_tokens must be more than that"):
        made(OLD, reasoning={"max_tokens": 2000}, max_tokens=1500)


def test_a_schema_is_given_natively_where_it_is_enforced() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
    body = made(NEW, response_format=form, reasoning={"effort": "low"})
    assert body["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": enforceable_schema(SCHEMA)},
    }


def test_elsewhere_a_schema_is_the_only_tool_that_can_be_called() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    body = made("local", FACADE, response_format=form)
    assert [tool["name"] for tool in body["tools"]] == [ANSWER_TOOL]
    assert body["tools"][0]["input_schema"] == SCHEMA
    assert body["tool_choice"] == {"type": "tool", "name": ANSWER_TOOL}
    assert made("local", FACADE, response_format=form, tools=[TOOL])["tool_choice"] == {"type": "any"}


def test_what_a_schema_cannot_enforce_is_reported_in_words() -> None:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "maxLength": 5, "description": "A name"},
            "when": {"type": "string", "format": "date-time"},
            "how": {"type": "string", "format": "phone"},
            "some": {"type": "array", "items": {"type": "number", "minimum": 0}, "minItems": 1, "maxItems": 4},
        },
    }
    assert enforceable_schema(schema) == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "description": "A name (maxLength: 5)"},
            "when": {"type": "string", "format": "date-time"},
            "how": {"type": "string", "description": '(format: "phone")'},
            "some": {
                "type": "array",
                "items": {"type": "number", "description": "(minimum: 0)"},
                "minItems": 1,
                "description": "(maxItems: 4)",
            },
        },
    }
