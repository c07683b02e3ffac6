from functools import partial
from typing import Any

import pytest

from raptscallions_ai.messages.message import ChatMessage, assistant, cached, system, to_wire, tool_result, user
from raptscallions_ai.messages.parts import image, text
from raptscallions_ai.tools.tool_call import ToolCall

PARTS = [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": "https://example.com/a"}},
]
CALL = ToolCall("c1", "f", '{"a":1}')
WIRE_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        pytest.param(system("s"), {"role": "system", "content": "s"}, id="system"),
        pytest.param(user("u"), {"role": "user", "content": "u"}, id="user"),
        pytest.param(user(""), {"role": "user", "content": ""}, id="empty"),
        pytest.param(user("u", name="ada"), {"role": "user", "content": "u", "name": "ada"}, id="named user"),
        pytest.param(user(PARTS), {"role": "user", "content": PARTS}, id="parts"),
        pytest.param(user(tuple(PARTS)), {"role": "user", "content": PARTS}, id="parts as a tuple"),
        pytest.param(
            user(["What is this?", image("https://example.com/a")]), {"role": "user", "content": PARTS}, id="str part"
        ),
        pytest.param(system(["s"]), {"role": "system", "content": [text("s")]}, id="system parts"),
        pytest.param(assistant(["a"]), {"role": "assistant", "content": [text("a")]}, id="assistant parts"),
        pytest.param(
            ChatMessage("assistant", "a", extra={"audio": {"id": "x"}, "name": None}),
            {"role": "assistant", "content": "a", "audio": {"id": "x"}, "name": None}, id="further fields",
        ),
        pytest.param(assistant("a"), {"role": "assistant", "content": "a"}, id="assistant"),
        pytest.param(
            assistant(tool_calls=[CALL]), {"role": "assistant", "content": None, "tool_calls": [WIRE_CALL]}, id="calls"
        ),
        pytest.param(
            tool_result("c1", "18 degrees"), {"role": "tool", "content": "18 degrees", "tool_call_id": "c1"}, id="tool"
        ),
        pytest.param(tool_result("c", PARTS), {"role": "tool", "content": PARTS, "tool_call_id": "c"}, id="tool parts"),
        pytest.param(ChatMessage("developer", "d"), {"role": "developer", "content": "d"}, id="developer"),
        pytest.param(
            ChatMessage("assistant", "a", reasoning="r", refusal="n", annotations=({"x": 1},), images=({"y": 2},)),
            {"role": "assistant", "content": "a", "reasoning": "r", "refusal": "n", "annotations": [{"x": 1}],
             "images": [{"y": 2}]},
            id="everything",
        ),
    ],
)  # fmt: skip
def test_the_wire_format(message: ChatMessage, wire: dict[str, Any]) -> None:
    assert message.to_dict() == wire
    assert to_wire([message]) == [wire]


def test_reasoning_details_keep_their_bytes_keys_and_order() -> None:
    details = ({"z": 1, "type": "reasoning.encrypted", "data": "é\u2028==", "index": 3}, {"index": 1, "text": None})
    wire = ChatMessage("assistant", "a", reasoning_details=details).to_dict()
    assert wire["reasoning_details"] == list(details)
    assert [list(detail) for detail in wire["reasoning_details"]] == [list(detail) for detail in details]


def test_a_text_is_one_user_message() -> None:
    assert to_wire("hi") == [{"role": "user", "content": "hi"}]


def test_dicts_are_passed_on_as_they_are() -> None:
    raw: dict[str, Any] = {"role": "user", "content": "u", "cache_control": {"type": "ephemeral"}}
    assert to_wire([raw, user("v")]) == [raw, {"role": "user", "content": "v"}]
    assert to_wire((raw,))[0] is raw
    assert to_wire([]) == []


@pytest.mark.parametrize(
    "messages",
    [None, 5, b"hi", bytearray(b"hi"), {"role": "user"}, {user("a")}, object()],
    ids=lambda value: type(value).__name__,
)
def test_another_type_than_messages(messages: Any) -> None:
    with pytest.raises(TypeError, match="messages must be a str or a sequence of messages, not "):
        to_wire(messages)


@pytest.mark.parametrize("message", [None, 5, "hi", b"hi", ["role"], object()], ids=lambda value: type(value).__name__)
def test_another_type_than_a_message_is_named_with_its_place(message: Any) -> None:
    with pytest.raises(TypeError, match=r"messages\[1\] must be a ChatMessage or a dict, not "):
        to_wire([user("a"), message])


def test_a_dict_without_a_role() -> None:
    with pytest.raises(ValueError, match=r"messages\[1\] has no 'role'"):
        to_wire([user("a"), {"content": "secret"}])


@pytest.mark.parametrize(
    "message",
    [user("secret"), user([{"type": "text", "text": "secret"}]),
     assistant("secret", tool_calls=[ToolCall("", "f", "secret")]),
     ChatMessage("assistant", "secret", reasoning="secret", refusal="secret", reasoning_details=({"text": "secret"},))],
    ids=["text", "parts", "calls", "reasoning"],
)  # fmt: skip
def test_the_repr_shows_sizes_only(message: ChatMessage) -> None:
    assert "secret" not in repr(message)
    assert message.role in repr(message)


def test_messages_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        user("a").content = "b"  # pyright: ignore[reportAttributeAccessIssue] - this is what must fail


BUILDERS = {"system": system, "user": user, "assistant": assistant, "tool": partial(tool_result, "c")}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS.keys())
def test_content_that_is_none(build: Any) -> None:
    with pytest.raises(TypeError, match="put a single part into a list"):
        build(text("secret"))
    with pytest.raises(TypeError, match="content must be a str or a list of parts, not bytes"):
        build(b"secret")
    with pytest.raises(TypeError, match=r"content\[1\] must be a str or a part, not int"):
        build(["secret", 5])


def test_a_message_does_not_change_with_the_list_it_was_made_from() -> None:
    parts = ["a"]
    message = user(parts)
    parts.append("b")
    assert message.to_dict()["content"] == [text("a")]


@pytest.mark.requirement("E04-T005.AC2")
def test_a_breakpoint_of_the_prompt_cache() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    hour = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    part = text("a")
    assert cached(part) == cached("a") == {**part, **mark}
    assert part == text("a"), "it is a copy that is marked"
    assert cached("a", ttl="1h") == {**part, **hour}
    assert cached({"type": "function", "function": {"name": "f"}}) == {
        "type": "function", "function": {"name": "f"}, **mark}  # fmt: skip
    assert cached(system("a")) == system([{**part, **mark}])
    assert cached(user(["a", image("https://b.c")], name="n"), ttl="1h") == user(
        ["a", {**image("https://b.c"), **hour}], name="n"
    )
    assert cached(cached("a"), ttl="1h") == {**part, **hour}


def test_what_cannot_be_a_breakpoint() -> None:
    ttl: Any = "2h"
    nothing: Any = None
    with pytest.raises(ValueError, match="ttl must be '5m' or '1h'"):
        cached("a", ttl=ttl)
    for message in (user(""), user([]), assistant()):
        with pytest.raises(ValueError, match="has nothing to cache"):
            cached(message)
    with pytest.raises(TypeError, match="cached\\(\\) takes a part, a str or a ChatMessage, not NoneType"):
        cached(nothing)


def test_further_fields_of_a_call_never_replace_its_own() -> None:
    call = ToolCall("c1", "f", "{}", {"id": "other", "type": "custom", "function": {}, "index": 3, "extra_content": 1})
    assert call.extra == {"extra_content": 1}
    function = {"name": "f", "arguments": "{}"}
    assert call.to_dict() == {"id": "c1", "type": "function", "function": function, "extra_content": 1}
