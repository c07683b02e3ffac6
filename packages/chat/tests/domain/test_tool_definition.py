"""Tools in YAML: what is read, and how mistakes are told."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_chat.domain.tool_definition import ToolDefinition, ToolDefinitionError, parse_tool

WHOLE = """
name: fractions-tutor
version: 2
behavior: You help with fractions.
model: openai/gpt-4o-mini
options: {temperature: 0.3}
constraints:
  topics: [fractions, decimals]
  no_direct_answers: true
  max_messages: 60
  max_minutes: 45
functions: [calculator]
"""


def test_a_whole_definition() -> None:
    tool = parse_tool(WHOLE)
    assert (tool.name, tool.version, tool.model) == ("fractions-tutor", 2, "openai/gpt-4o-mini")
    assert tool.options == {"temperature": 0.3}
    assert (tool.constraints.max_messages, tool.constraints.max_minutes) == (60, 45)
    assert tool.functions == ("calculator",)
    assert tool.system_prompt.splitlines() == [
        "You help with fractions.",
        "",
        "Talk only about these topics: fractions, decimals.",
        "",
        "Never give the answer itself: lead to it with questions and hints.",
    ]


def test_name_and_system_are_enough() -> None:
    tool = parse_tool("name: plain\nsystem: Be brief.")
    assert (tool.version, tool.model, tool.system_prompt) == (1, None, "Be brief.")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: [", "not valid YAML: line 1, column 8"),
        ("- a list", "must be a mapping"),
        ("", "must be a mapping"),
        ("name: Tutor\nsystem: x", "name: "),
        ("name: t\nsystem: '  '", "system: "),
        ("name: t", "system: Field required"),
        ("name: t\nsystem: x\ntemprature: 1", "temprature: is unknown"),
        ("name: t\nsystem: x\nconstraints: {max_messages: 0}", "constraints.max_messages: must be greater"),
        ("name: t\nsystem: x\nversion: one", "version: must be a valid integer"),
        ("a: &a [x]\nname: t\nsystem: *a", "aliases"),
        ("!!python/object/apply:os.getcwd []", "not valid YAML"),
        ("name: t\nsystem: " + "x" * 300_000, "not be longer"),
        ("[" * 200_000, "nested more than 50 deep"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ToolDefinitionError) as caught:
        parse_tool(text)
    assert told in str(caught.value)


@given(st.text(max_size=200))
def test_any_text_gives_a_tool_or_one_kind_of_error(text: str) -> None:
    with contextlib.suppress(ToolDefinitionError):
        assert isinstance(parse_tool(text), ToolDefinition)
