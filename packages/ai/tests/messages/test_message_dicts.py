"""Messages from OpenAI dicts and back, whatever is in them."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai import ChatMessage, ChatResult, ToolCall, assistant, image, system, tool_result, user
from raptscallions_ai.messages.message import to_wire

pytestmark = pytest.mark.requirement("E04-T005.AC2")

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)
OBJECTS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(st.text(max_size=6), JSON, max_size=3)


def objects(
    required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with these fields, and with further ones that nobody has heard of."""
    known = st.fixed_dictionaries(required, optional=optional)
    return st.tuples(OBJECTS, known).map(lambda both: {**both[0], **both[1]})


CACHE = objects({"type": st.just("ephemeral")}, ttl=st.sampled_from(["5m", "1h"]))
URL = st.text(max_size=8).map(lambda name: f"https://example.com/{name}")
PARTS = st.lists(
    st.one_of(
        objects({"type": st.just("text"), "text": st.text()}, cache_control=CACHE),
        objects({"type": st.just("image_url"), "image_url": objects({"url": URL}, detail=st.just("low"))}),
        objects(
            {"type": st.just("input_audio"), "input_audio": objects({"data": st.text(), "format": st.just("wav")})}
        ),
        objects({"type": st.just("video_url"), "video_url": objects({"url": URL})}),
        objects({"type": st.just("file"), "file": objects({}, file_id=st.text(), file_data=URL)}),
        objects({"type": st.just("refusal"), "refusal": st.text()}),
    ),
    max_size=3,
)
CONTENT = st.text() | PARTS
FUNCTION = objects({"name": st.text(max_size=8)}, arguments=st.text(max_size=8) | st.none())
CALLS = st.lists(
    st.one_of(
        objects({"id": st.text(max_size=4), "function": FUNCTION}, type=st.just("function"), index=st.integers(0, 9)),
        objects({"id": st.text(max_size=4), "type": st.just("custom"), "custom": OBJECTS}),
    ),
    max_size=2,
)
BLOCKS = st.none() | st.lists(OBJECTS, max_size=2)
TEXT = st.none() | st.text(max_size=8)
MESSAGES = st.one_of(
    objects({"role": st.sampled_from(["system", "developer", "user"]), "content": CONTENT}, name=TEXT),
    objects(
        {"role": st.just("assistant")},
        content=st.none() | CONTENT,
        name=TEXT,
        refusal=TEXT,
        reasoning=TEXT,
        reasoning_content=TEXT,
        reasoning_details=BLOCKS,
        annotations=BLOCKS,
        images=BLOCKS,
        audio=st.none() | OBJECTS,
        tool_calls=st.none() | CALLS,
        function_call=st.none() | OBJECTS,
    ),
    objects({"role": st.just("tool"), "tool_call_id": st.text(max_size=8), "content": CONTENT}),
    objects({"role": st.just("function"), "name": st.text(max_size=8), "content": TEXT}),
)


def ordered(value: object) -> str:
    """Return JSON in which the order of keys counts."""
    return json.dumps(value)


@given(MESSAGES)
def test_a_dict_becomes_a_message_and_the_same_dict_again(wire: dict[str, Any]) -> None:
    message = ChatMessage.from_dict(wire)
    assert ordered(message.to_dict()) == ordered(wire)
    assert ordered(to_wire([message])) == ordered(to_wire([wire]))
    assert ChatMessage.from_dict(message.to_dict()) == message
    assert ordered(pickle.loads(pickle.dumps(message)).to_dict()) == ordered(wire)
    assert ordered(copy.deepcopy(message).to_dict()) == ordered(wire)


@given(MESSAGES)
def test_its_fields_hold_what_the_dict_says(wire: dict[str, Any]) -> None:
    message = ChatMessage.from_dict(wire)
    assert message.role == wire["role"]
    assert message.content == wire.get("content")
    for field in ("name", "tool_call_id", "reasoning", "refusal"):
        assert getattr(message, field) == wire.get(field)
    for field in ("reasoning_details", "annotations", "images"):
        assert getattr(message, field) == tuple(wire.get(field) or ())
    calls = [call for call in wire.get("tool_calls") or () if "function" in call]
    assert [(call.id, call.name, call.raw_arguments) for call in message.tool_calls] == [
        (call["id"], call["function"]["name"], call["function"].get("arguments") or "") for call in calls
    ]


@given(MESSAGES, st.text())
def test_a_changed_copy_says_the_new_and_keeps_the_rest(wire: dict[str, Any], said: str) -> None:
    changed = replace(ChatMessage.from_dict(wire), content=said)
    again = changed.to_dict()
    assert again["content"] == said
    lost = {key for key, value in wire.items() if value and again.get(key) != value}
    assert lost <= {"content", "tool_calls"}
    assert changed.tool_calls == ChatMessage.from_dict(wire).tool_calls


CALL = st.builds(ToolCall, st.text(), st.text(), st.text())
DICTS = st.lists(OBJECTS, max_size=2).map(tuple)


@given(
    st.one_of(
        st.builds(user, CONTENT, name=TEXT),
        st.builds(system, CONTENT),
        st.builds(assistant, st.none() | CONTENT, tool_calls=st.lists(CALL, max_size=2)),
        st.builds(tool_result, st.text(), CONTENT),
        st.builds(
            ChatResult, content=st.text(), tool_calls=st.lists(CALL, max_size=2).map(tuple), reasoning=st.text(),
            reasoning_details=DICTS, annotations=DICTS, images=DICTS, refusal=TEXT,
        ).map(ChatResult.to_message),
    )
)  # fmt: skip
def test_a_message_becomes_a_dict_and_the_same_message_again(message: ChatMessage) -> None:
    assert ChatMessage.from_dict(message.to_dict()) == message


def test_an_answer_is_sent_back_as_it_came() -> None:
    details = ({"type": "reasoning.encrypted", "data": "é==", "index": 0}, {"type": "reasoning.text", "signature": "s"})
    parsed = ({"type": "file", "file": {"hash": "h", "content": [{"type": "text", "text": "t"}]}},)
    cited = ({"type": "url_citation", "url_citation": {"url": "https://a.b"}},)
    pictures = ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},)
    result = ChatResult(content="a", reasoning_details=details, annotations=parsed + cited, images=pictures)
    wire = ChatMessage.from_dict(result.to_message().to_dict()).to_dict()
    assert wire == {
        "role": "assistant",
        "content": "a",
        "reasoning_details": list(details),
        "annotations": list(parsed),
        "images": list(pictures),
    }


def test_values_of_other_types_are_kept_as_they_are() -> None:
    wire: dict[str, Any] = {
        "role": "assistant",
        "content": {"a": 1},
        "name": 5,
        "images": [None],
        "tool_calls": "none",
        "reasoning": {"text": "r"},
    }
    message = ChatMessage.from_dict(wire)
    assert (message.content, message.name, message.images, message.tool_calls, message.reasoning) == (
        (None, None, (), (), None)
    )
    assert message.to_dict() == wire
    assert replace(message, refusal="no").to_dict() == {**wire, "refusal": "no"}


def test_a_message_does_not_change_with_its_dict_nor_with_one_that_it_gave() -> None:
    wire: dict[str, Any] = {"role": "user", "content": [{"type": "text", "text": "a"}], "x": {}}
    message = ChatMessage.from_dict(wire)
    for given_or_got in (wire, message.to_dict()):
        given_or_got["content"][0]["text"] = "b"
        given_or_got["content"].append({})
        given_or_got["x"]["y"] = 1
    assert message.to_dict() == {"role": "user", "content": [{"type": "text", "text": "a"}], "x": {}}
    assert message == replace(user(["a"]), extra={"x": {}})


def test_a_tool_result_of_parts() -> None:
    wire = tool_result("c1", ["A map:", image("https://example.com/map")]).to_dict()
    assert wire == {
        "role": "tool",
        "content": [
            {"type": "text", "text": "A map:"},
            {"type": "image_url", "image_url": {"url": "https://example.com/map"}},
        ],
        "tool_call_id": "c1",
    }
    assert ChatMessage.from_dict(wire) == tool_result("c1", ["A map:", image("https://example.com/map")])


@pytest.mark.parametrize("wire", [{}, {"content": "secret"}, {"role": None}, {"role": 5, "content": "secret"}])
def test_a_dict_without_a_role(wire: Any) -> None:
    with pytest.raises(ValueError, match="a message must have a 'role'"):
        ChatMessage.from_dict(wire)


@pytest.mark.parametrize("wire", [None, "secret", [("role", "user")]])
def test_what_is_no_dict(wire: Any) -> None:
    with pytest.raises(TypeError, match="a message must be a dict, not "):
        ChatMessage.from_dict(wire)


def test_a_dict_nested_too_deeply() -> None:
    wire: dict[str, Any] = {"role": "user"}
    for _ in range(100_000):
        wire = {"role": "user", "content": wire}
    with pytest.raises(ValueError, match="nested too deeply"):
        ChatMessage.from_dict(wire)


def test_messages_can_still_be_told_apart_in_a_set() -> None:
    assert len({user("a"), user("a"), user("b"), ChatMessage.from_dict({"role": "user", "content": "a", "x": 1})}) == 3


def test_the_repr_of_one_from_a_dict_shows_sizes_only() -> None:
    wire = {"role": "user", "content": "secret", "secret": "secret"}
    assert repr(ChatMessage.from_dict(wire)) == "ChatMessage(role='user', content=6 characters, tool_calls=0)"
