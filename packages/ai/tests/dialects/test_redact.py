from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._dialects.redact import Redactor

KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"
PROMPT = "My name is Ada Lovelace, and I was born on the tenth of December 1815 in London."


def redact(text: str, *contents: Any, secrets: tuple[str, ...] = (KEY,)) -> str:
    return Redactor(list(secrets), [{"role": "user", "content": content} for content in contents])(text)


def tight(text: str) -> str:
    """Leave out blanks beside what is hidden: the one before a quotation may be part of it."""
    return text.replace(" [hidden]", "[hidden]").replace("[hidden] ", "[hidden]")


@pytest.mark.parametrize(
    "text",
    [f"bad key {KEY}", KEY, f"{KEY}{KEY}", f"key={KEY}, key='{KEY}'", f"Bearer {KEY}\n"],
    ids=["at the end", "alone", "twice in a row", "quoted", "as a header"],
)
def test_the_key_is_hidden(text: str) -> None:
    shown = redact(text)
    assert KEY not in shown
    assert "[hidden]" in shown


@pytest.mark.parametrize("secret", ["", "x"], ids=["empty", "one letter"])
def test_secrets_that_are_too_short_to_be_told_from_words(secret: str) -> None:
    assert redact("a box", secrets=(secret,)) == "a box"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(PROMPT, "[hidden]", id="whole"),
        pytest.param(f"Flagged: {PROMPT}", "Flagged: [hidden]", id="whole with words before"),
        pytest.param(f"'{PROMPT[:60]}…' is not allowed", "'[hidden]…' is not allowed", id="beginning"),
        pytest.param(f"near {PROMPT[20:50]!r}", "near '[hidden]'", id="middle"),
        pytest.param(f"{PROMPT} {PROMPT}", "[hidden] [hidden]", id="twice"),
        pytest.param(f"1: {PROMPT[:30]}; 2: {PROMPT[40:70]}", "1: [hidden]; 2: [hidden]", id="two parts"),
    ],
)
def test_quotations_are_hidden(text: str, shown: str) -> None:
    assert tight(redact(text, PROMPT)) == tight(shown)


def test_a_quotation_whose_lines_were_joined_is_hidden() -> None:
    assert redact(f"bad input: {PROMPT}", PROMPT.replace(" ", "\n  ")) == "bad input: [hidden]"


@pytest.mark.parametrize("content", ["ada@example.com", "4111-1111-1111-1111", "user_77123", "AC-1234567"])
def test_names_numbers_and_addresses_are_hidden_though_short(content: str) -> None:
    shown = redact(f"invalid value {content} in messages.0", f"Please look up {content} for me.")
    assert content not in shown
    assert tight(shown).startswith("invalid value[hidden]")


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        pytest.param("Rate limit exceeded, please try again", "try again", id="ordinary words"),
        pytest.param("Model not found", "Model", id="one word"),
        pytest.param("messages.0.role: invalid", "hi", id="short prompt"),
        pytest.param("maximum context length is 4096 tokens", "4096", id="short number"),
        pytest.param("The model is overloaded", "is the model overloaded", id="same words, other order"),
    ],
)
def test_ordinary_words_stay(text: str, prompt: str) -> None:
    assert redact(text, prompt + "?") == text


@pytest.mark.parametrize(
    ("prompt", "hidden"),
    [("top secret", True), ("overloaded", False), ("overloadedoverloaded", True), ("id", False)],
    ids=["two words", "one word", "one long word", "short word"],
)
def test_a_short_prompt_is_hidden_unless_it_is_one_word(prompt: str, hidden: bool) -> None:
    assert (prompt not in redact(f"The model said: {prompt}", prompt)) == hidden


def test_without_a_conversation_nothing_but_secrets_is_hidden() -> None:
    assert redact("user_77123 said something at length") == "user_77123 said something at length"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"role": "user", "content": [{"type": "text", "text": PROMPT}]}, id="parts"),
        pytest.param({"role": "user", "content": ["x", [PROMPT]]}, id="lists"),
        pytest.param({"role": "tool", "tool_call_id": "c1", "content": PROMPT}, id="tool result"),
        pytest.param(
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": PROMPT}}]},
            id="tool arguments",
        ),
        pytest.param({"role": "user", "content": None, "name": PROMPT}, id="name"),
        pytest.param({"role": "user", "content": (PROMPT, 5, None, b"x")}, id="tuple"),
        pytest.param({"role": "assistant", "reasoning": PROMPT}, id="reasoning"),
    ],
)
def test_every_text_of_a_message_counts(message: dict[str, Any]) -> None:
    assert Redactor([], [message])(f"Flagged: {PROMPT}") == "Flagged: [hidden]"


@pytest.mark.parametrize("word", ["assistant_role_1", "tool_result_2", "call_abc_123"])
def test_roles_types_and_ids_are_no_secrets(word: str) -> None:
    message = {"role": word, "type": word, "id": word, "tool_call_id": word, "content": [{"type": word}]}
    assert Redactor([], [message])(f"unknown {word}") == f"unknown {word}"


@pytest.mark.parametrize(
    "odd", [5, None, True, b"x", object(), {1, 2}, {5: PROMPT}], ids=lambda value: type(value).__name__
)
def test_odd_conversations_are_survived(odd: object) -> None:
    assert Redactor([KEY], [odd, {"content": odd}])("nothing here to hide") == "nothing here to hide"


def test_big_conversations() -> None:
    image = "data:image/png;base64," + "iVBORw0KGgo" * 400_000
    contents: list[Any] = [
        [{"type": "image_url", "image_url": {"url": image}}],
        *(f"{PROMPT} {n}" for n in range(2_000)),
    ]
    text = f"cannot read {image[:300]} near {PROMPT} and {KEY}"
    shown = redact(text, *contents)
    assert tight(shown) == "cannot read[hidden]near[hidden]and[hidden]"


def test_nothing_shows_in_the_repr() -> None:
    redactor = Redactor([KEY], [{"content": PROMPT}])
    assert KEY not in repr(redactor)
    assert "Ada" not in repr(redactor)


@given(
    text=st.text(max_size=80),
    before=st.text(max_size=20),
    said=st.text(st.characters(categories=["L", "N", "P"]), min_size=16, max_size=60),
)
def test_no_long_quotation_survives(text: str, before: str, said: str) -> None:
    shown = redact(f"{before} {said} {text}", f"{text[:5]} {said}")
    assert said not in shown


@given(text=st.text(max_size=200), said=st.lists(st.text(max_size=40), max_size=4))
def test_any_text_in_any_conversation(text: str, said: list[str]) -> None:
    shown = redact(text + KEY + text, *said)
    assert KEY not in shown


@given(text=st.text(max_size=200))
def test_what_was_never_said_stays(text: str) -> None:
    assert redact(text) == text
