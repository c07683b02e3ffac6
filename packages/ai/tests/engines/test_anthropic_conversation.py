"""Canonical conversations as Anthropic takes them."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._dialects.anthropic.conversation import conversation, fitting_id
from raptscallions_ai.errors import NotSupportedError
from raptscallions_ai.messages.message import assistant, cached, system, to_wire, tool_result, user
from raptscallions_ai.messages.parts import audio, file, image

pytestmark = pytest.mark.requirement("E04-T022.AC1")

ORIGIN = "https://api.anthropic.com"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
Block = dict[str, Any]


def translated(*messages: Any) -> tuple[list[Block], list[Block]]:
    return conversation([dict(each) for each in to_wire(list(messages))], origin=ORIGIN)


def called(*ids: str, text: str | None = None) -> dict[str, Any]:
    calls = [{"id": each, "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}} for each in ids]
    return {"role": "assistant", "content": text, "tool_calls": calls}


def test_leading_system_messages_become_system_blocks_with_their_cache_marks() -> None:
    blocks, messages = translated(system("Be brief."), cached(system("Long rules.")), user("Hi"))
    assert blocks == [
        {"type": "text", "text": "Be brief."},
        {"type": "text", "text": "Long rules.", "cache_control": {"type": "ephemeral"}},
    ]
    assert messages == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]


def test_a_later_system_message_is_said_by_the_user() -> None:
    _, messages = translated(user("Hi"), assistant("Hello"), system("Now in German."))
    assert messages[-1] == {"role": "user", "content": [{"type": "text", "text": "Now in German."}]}


def test_all_results_of_a_turn_stand_in_one_message() -> None:
    _, messages = translated(
        user("Go"), called("a", "b", text="Let me see."), tool_result("a", "1"), tool_result("b", "2"), user("And?")
    )
    assert messages[1]["content"] == [
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {"a": 1}},
    ]
    assert messages[2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "1"},
            {"type": "tool_result", "tool_use_id": "b", "content": "2"},
        ],
    }
    assert messages[3] == {"role": "user", "content": [{"type": "text", "text": "And?"}]}


def test_a_call_without_a_result_gets_one_that_says_so() -> None:
    _, messages = translated(user("Go"), called("a", "b"), tool_result("b", "2"), user("Never mind"))
    made, given_ = messages[2]["content"]
    assert (made["tool_use_id"], made["is_error"]) == ("a", True)
    assert given_ == {"type": "tool_result", "tool_use_id": "b", "content": "2"}
    _, alone = translated(user("Go"), called("a"), user("Never mind"))
    assert [turn["role"] for turn in alone] == ["user", "assistant", "user", "user"]
    assert alone[2]["content"][0]["tool_use_id"] == "a"


def test_a_result_that_nobody_asked_for_is_reported_as_text() -> None:
    _, messages = translated(user("Go"), tool_result("lost", "42"))
    assert [block["type"] for block in messages[1]["content"]] == ["text", "text"]
    assert messages[1]["content"][1]["text"] == "42"


@given(st.text(max_size=80))
def test_every_id_fits_and_the_same_id_always_gives_the_same(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", fitting_id(text))
    assert fitting_id(text) == fitting_id(text)


def test_foreign_ids_are_changed_alike_on_the_call_and_on_its_result() -> None:
    _, messages = translated(user("Go"), called("call|x y"), tool_result("call|x y", "1"))
    assert messages[1]["content"][0]["id"] == messages[2]["content"][0]["tool_use_id"] == fitting_id("call|x y")


def test_pictures_and_documents() -> None:
    _, messages = translated(
        user(["See", image(PNG), image("https://pictures.example/a.png"), file(b"%PDF-1.4 x", filename="a.pdf")])
    )
    _, picture, linked, document = messages[0]["content"]
    assert picture["source"] == {
        "type": "base64",
        "media_type": "image/png",
        "data": base64.b64encode(PNG).decode(),
    }
    assert linked == {"type": "image", "source": {"type": "url", "url": "https://pictures.example/a.png"}}
    assert document["type"] == "document"
    assert document["title"] == "a.pdf"
    assert document["source"]["media_type"] == "application/pdf"


def test_a_text_document_is_sent_as_text() -> None:
    part = {
        "type": "file",
        "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,SGVsbG8="},
        "citations": {"enabled": True},
    }
    _, messages = translated({"role": "user", "content": [part]})
    assert messages[0]["content"][0] == {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "Hello"},
        "title": "a.txt",
        "citations": {"enabled": True},
    }


def test_a_sound_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(NotSupportedError, match="does not accept sounds"):
        translated(user([audio(b"RIFF\0\0\0\0WAVEfmt ", format="wav")]))


def test_signed_thinking_goes_back_and_what_somebody_else_signed_does_not() -> None:
    details = [
        {"type": "reasoning.text", "text": "Hm", "signature": "sig==", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "opaque", "format": "anthropic-claude-v1"},
        {"type": "reasoning.text", "text": "unsigned", "format": "anthropic-claude-v1"},
        {"type": "reasoning.encrypted", "data": "foreign", "format": "openai-responses-v1"},
    ]
    _, messages = translated(user("Go"), {"role": "assistant", "content": "So.", "reasoning_details": details})
    assert messages[1]["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": "sig=="},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "text", "text": "So."},
    ]


NATIVE = [
    {"type": "thinking", "thinking": "Hm", "signature": "sig=="},
    {"type": "text", "text": "See:", "citations": None},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"encrypted_content": "abc"}]},
    {"type": "text", "text": " done."},
]


def answered(**changes: Any) -> dict[str, Any]:
    native = {"dialect": "anthropic", "model": "claude-x", "origin": ORIGIN, "content": NATIVE}
    return {"role": "assistant", "content": "See: done.", "native": native, **changes}


def test_native_blocks_go_back_exactly_to_where_they_came_from() -> None:
    _, messages = translated(user("Go"), answered(), user("On"))
    assert messages[1]["content"] == NATIVE


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "edited by hand"},
        {"native": {"dialect": "anthropic", "origin": "http://127.0.0.1:8080", "content": NATIVE}},
        {"native": {"dialect": "ollama", "origin": ORIGIN, "content": NATIVE}},
        {"tool_calls": called("added")["tool_calls"]},
    ],
)
def test_an_edited_or_foreign_message_is_rebuilt_from_what_it_says(changes: dict[str, Any]) -> None:
    _, messages = translated(user("Go"), answered(**changes), user("On"))
    kinds = {block["type"] for block in messages[1]["content"]}
    assert kinds <= {"text", "tool_use"}
    assert messages[1]["content"][0]["text"] == changes.get("content", "See: done.")


def test_arguments_that_were_cut_off_are_shown_as_the_model_wrote_them() -> None:
    broken = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"a": '}}
    _, messages = translated(user("Go"), {"role": "assistant", "content": None, "tool_calls": [broken]})
    assert messages[1]["content"][0]["input"] == {"unreadable_arguments": '{"a": '}


MESSAGE = st.one_of(
    st.builds(user, st.text(min_size=1, max_size=5)),
    st.builds(assistant, st.text(min_size=1, max_size=5)),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True).map(lambda ids: called(*ids)),
    st.builds(tool_result, st.sampled_from("abc"), st.text(max_size=5)),
    st.builds(system, st.text(min_size=1, max_size=5)),
)


@given(st.lists(MESSAGE, max_size=8))
def test_every_conversation_keeps_the_rules_of_the_api(messages: list[Any]) -> None:
    _, turns = translated(*messages)
    for position, turn in enumerate(turns):
        blocks = turn["content"]
        assert blocks
        assert all(block.get("text") != "" for block in blocks)
        uses = [block["id"] for block in blocks if block["type"] == "tool_use"]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        assert len(set(results)) == len(results)
        if uses:
            following = turns[position + 1]
            assert following["role"] == "user"
            assert {block.get("tool_use_id") for block in following["content"]} == set(uses)
        if results:
            before = turns[position - 1]
            assert {block.get("id") for block in before["content"] if block["type"] == "tool_use"} == set(results)
            assert all(block["type"] == "tool_result" for block in blocks)
