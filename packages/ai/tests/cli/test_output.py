"""What reaches the terminal: the model's text and nothing that could control a terminal."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai.cli.json_lines import json_text
from raptscallions_ai.cli.output import printable

if TYPE_CHECKING:
    from raptscallions_ai.testing import FakeGateway

    from .conftest import Invoke, OnTerminal

TEXT = st.text(st.characters(codec="utf-8"))
HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\x7f\x08\x00\rgone"


@given(TEXT)
def test_only_tabs_and_line_feeds_are_left_of_control_characters(text: str) -> None:
    left = {character for character in printable(text) if unicodedata.category(character) == "Cc"}

    assert left <= {"\t", "\n"}


@given(TEXT, st.integers(0, 50))
def test_splitting_text_between_chunks_changes_nothing(text: str, at: int) -> None:
    assert printable(text[:at]) + printable(text[at:]) == printable(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], include_characters="\t\n")))
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert printable(text) == text


@given(st.text())
def test_json_holds_every_character_and_shows_none_that_a_terminal_obeys(text: str) -> None:
    written = json_text({"text": text})

    assert json.loads(written) == {"text": text}
    assert not [character for character in written if unicodedata.category(character) in ("Cc", "Cs")]


def test_hostile_answer_is_made_visible(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.stream("safe\t", "text\r\n", HOSTILE, model="evil\x1b[31m\nmodel")

    result = invoke("chat", "hi")

    assert result.stdout == "safe\ttext\n␛]0;title␇␛[2J�31m␡␈␀gone\n"
    assert "\x1b" not in result.stderr
    assert result.stderr.startswith("evil␛[31m")
    assert result.stderr.count("\n") == 1


def test_hostile_reasoning_is_made_visible_and_dimmed(fake_gateway: FakeGateway, on_terminal: OnTerminal) -> None:
    fake_gateway.stream("Answer.", reasoning=["Let me \x1b[31m", "think."])
    terminal = on_terminal("chat", "hi")

    shown = terminal.wait_for("first token after")

    assert "\x1b[2mLet me ␛[31m\x1b[0m\x1b[2mthink.\x1b[0m\r\nAnswer.\r\n" in shown
    assert terminal.leave() == 0


def test_reasoning_is_not_shown_where_it_could_not_be_told_from_the_answer(
    fake_gateway: FakeGateway, invoke: Invoke
) -> None:
    fake_gateway.stream("Answer.", reasoning=["Let me think."])

    assert invoke("chat", "hi").output.startswith("Answer.\nfake/model-1 | ")


def test_markup_is_text(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.stream("[bold]**not** a [link=x]tag[/]")

    assert invoke("chat", "hi").stdout == "[bold]**not** a [link=x]tag[/]\n"
