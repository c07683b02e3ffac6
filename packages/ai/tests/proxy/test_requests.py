"""Whatever a caller sends is read, or refused as a request that is not valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._dialects.proxy.encode import stream_body
from raptscallions_ai._dialects.request import build_request
from raptscallions_ai.errors import BadRequestError
from raptscallions_ai.proxy.agent_wire import read_agent_request
from raptscallions_ai.proxy.asked import Asked
from raptscallions_ai.proxy.chunk_stream import accepts_chunks
from raptscallions_ai.proxy.completions import read_completion_request

Read = Callable[[Mapping[str, Any]], Asked]

leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3) | st.floats(allow_nan=False)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def some(fields: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these fields, each as it should be or anything at all."""
    return st.fixed_dictionaries({}, optional={name: value | anything for name, value in fields.items()})


words = st.sampled_from(
    ["user", "assistant", "tool_result", "toolResult", "tool", "system", "text", "image", "thinking"]
)
call = some({"id": st.text(max_size=3), "name": st.text(max_size=3), "function": some({"name": st.text(max_size=2)})})
part = some(
    {
        "type": words | st.sampled_from(["tool_call", "toolCall", "file", "image_url"]),
        **dict.fromkeys(("text", "thinking", "id", "name", "url", "data", "mimeType"), st.text(max_size=3)),
        "arguments": anything,
    }
)
message = some(
    {
        "role": words,
        "content": st.text(max_size=3) | st.lists(part, max_size=3),
        "tool_calls": st.lists(call, max_size=2),
        "raptscallions_message": some({"role": words, "content": st.text(max_size=3)}),
        **dict.fromkeys(("tool_call_id", "toolCallId", "name"), st.text(max_size=3)),
        "is_error": st.booleans(),
    }
)
messages = st.lists(message | anything, max_size=3)
tools = st.lists(some({"name": st.text(max_size=3), "type": words, "parameters": anything}), max_size=2)
options = some(dict.fromkeys(("temperature", "maxTokens", "reasoning", "stop", "headers", "top_p"), leaves))
agents = some(
    {
        "model": some({"id": st.text(max_size=3), "thinking_level": st.sampled_from(["off", "high"])}),
        "context": some({"system_prompt": st.text(max_size=3), "messages": messages, "tools": tools}),
        "options": options,
    }
)
completions = some(
    {
        **{"model": st.text(max_size=3), "messages": messages, "tools": tools, "n": st.integers(1, 2)},
        "stream_options": some({"include_usage": st.booleans()}),
    }
)


@pytest.mark.parametrize(("read", "bodies"), [(read_agent_request, agents), (read_completion_request, completions)])
def test_a_request_is_read_or_refused(read: Read, bodies: st.SearchStrategy[dict[str, Any]]) -> None:
    @given(bodies)
    def try_it(body: dict[str, Any]) -> None:
        try:
            asked = read(body)
        except BadRequestError as error:
            assert error.message.startswith("The request is not valid: ")
            return
        try:
            request = build_request(asked.messages, model="m", options=cast("Any", asked.options))
        except (TypeError, ValueError):
            return  # which the proxy refuses just so
        assert request.fields()["messages"] is not None

    try_it()


def whole(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({**fields})


plain_text = st.text(max_size=5)
function = whole(name=plain_text, arguments=st.sampled_from(['{"a": 1}', '{"a":1}', "{", ""]))
calls = st.lists(whole(id=plain_text, type=st.just("function"), function=function), min_size=1, max_size=2)
canonical = st.lists(
    st.one_of(
        whole(role=st.sampled_from(["user", "system"]), content=st.text(min_size=1, max_size=5)),
        whole(role=st.just("assistant"), content=plain_text),
        whole(role=st.just("tool"), tool_call_id=plain_text, content=plain_text),
        whole(role=st.just("assistant"), content=st.none() | plain_text, tool_calls=calls),
    ),
    min_size=1,
    max_size=5,
)


@given(canonical)
def test_a_conversation_survives_the_wire(conversation: list[dict[str, Any]]) -> None:
    body, _ = stream_body({"model": "m", "messages": conversation}, unnamed="-")
    asked = read_agent_request(body)
    sent = build_request(asked.messages, model="m", options={}).fields()["messages"]
    assert [as_said(each) for each in sent] == [as_said(each) for each in conversation]


def as_said(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message with its text as a text, for one part says the same."""
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(cast("dict[str, str]", part)["text"] for part in cast("list[object]", content))
    return {**message, "content": content or ""}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/event-stream; profile=raptscallions", True),
        ('application/json, TEXT/event-stream ; Profile = "raptscallions"', True),
        ("text/event-stream", False),
        ("text/event-stream; profile=other", False),
        ("application/json; profile=raptscallions", False),
        ("", False),
    ],
)
def test_who_asks_for_our_own_events(accept: str, expected: bool) -> None:
    assert accepts_chunks(accept) is expected
