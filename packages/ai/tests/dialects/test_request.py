import json
from itertools import permutations
from typing import Any, cast

import pytest

from raptscallions_ai._dialects.request import ChatRequest, build_request
from raptscallions_ai.messages.message import Messages, system, user
from raptscallions_ai.options.call_options import CallOptions
from raptscallions_ai.options.timeouts import Timeouts


def build(messages: Any = "hi", *, model: Any = "m", **options: Any) -> ChatRequest:
    return build_request(cast("Messages", messages), model=model, options=cast("CallOptions", options))


def body(**options: Any) -> dict[str, Any]:
    return json.loads(build(**options).body)


def test_the_least_request() -> None:
    request = build("Hi, é😀")
    assert (
        request.body
        == (
            '{"model":"m","messages":[{"role":"user","content":"Hi, é😀"}],"stream":true,'
            '"stream_options":{"include_usage":true}}'
        ).encode()
    )
    assert (request.model, request.stream) == ("m", True)
    assert (dict(request.headers), dict(request.query)) == ({}, {})


def test_a_request_for_one_body_asks_for_no_stream_options() -> None:
    assert list(body(stream=False)) == ["model", "messages", "stream"]
    assert body(stream=False)["stream"] is False


def test_messages_of_every_kind() -> None:
    raw = {"role": "user", "content": [{"type": "text", "text": "x"}], "custom": 1}
    request = build([system("s"), user("u"), raw])
    expected = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, raw]
    assert json.loads(request.body)["messages"] == expected
    assert request.conversation == expected


def test_key_order_does_not_depend_on_the_order_of_the_options() -> None:
    options: dict[str, Any] = {"temperature": 0.5, "max_tokens": 9, "tools": [], "provider": {"b": 1, "a": 2}}
    bodies = {build(**{name: options[name] for name in order}).body for order in permutations(options)}
    assert len(bodies) == 1


def test_the_order_inside_the_callers_objects_is_the_callers() -> None:
    assert b'"provider":{"b":1,"a":2}' in build(provider={"b": 1, "a": 2}).body
    assert b'"provider":{"a":2,"b":1}' in build(provider={"a": 2, "b": 1}).body


@pytest.mark.parametrize(
    "option",
    [
        {"timeout": Timeouts()},
        {"timeout": 5.0},
        {"max_retries": 3},
        {"require_usage": False},
        {"include_waiting": True},
        {"extra_headers": {"X-A": "1"}},
        {"extra_query": {"a": 1}},
    ],
    ids=lambda option: next(iter(option)),
)
def test_options_of_the_client_stay_out_of_the_body(option: dict[str, Any]) -> None:
    assert build(**option).body == build().body


def test_extra_body_wins_and_adds() -> None:
    sent = body(temperature=0.5, extra_body={"temperature": 0.9, "transforms": ["middle-out"], "model": "other"})
    assert (sent["temperature"], sent["transforms"], sent["model"]) == (0.9, ["middle-out"], "other")
    assert next(iter(sent)) == "model"
    assert build(extra_body={"model": "other"}).model == "other"


def test_extra_body_can_switch_streaming_off() -> None:
    request = build(extra_body={"stream": False})
    assert request.stream is False
    assert "stream_options" not in json.loads(request.body)


def test_extra_headers_and_query_are_passed_on() -> None:
    request = build(extra_headers={"X-A": "1", "X-B": "a b"}, extra_query={"q": 1})
    assert (dict(request.headers), dict(request.query)) == ({"X-A": "1", "X-B": "a b"}, {"q": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "1\r\nX-Evil: 1"), ("X-A", "1\nX"), ("X-A", "1\rX"), ("X-A", "1\0"), ("X-A", "\x7f"),
        ("X-A", "a\u2028b"),
        ("X-A\r\nX-Evil", "1"), ("X-A\n", "1"), ("X-A\0", "1"), ("X\tA", "1"), ("X-é", "1"), ("", "1"), ("X A", "1"),
        ("X-A:", "1"), ("X-A: 1", "1"), ("X-A", "日本"),
    ],
    ids=repr,
)  # fmt: skip
def test_headers_that_cannot_be_sent_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="extra_headers") as caught:
        build(extra_headers={name: value})
    assert "Evil" not in str(caught.value)


@pytest.mark.requirement("E04-T003.AC8")
@pytest.mark.parametrize(
    "name",
    [
        "Connection", "Content-Length", "content-length", "Expect", "Host", "Keep-Alive", "Proxy-Authorization",
        "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
    ],
)  # fmt: skip
def test_headers_of_the_connection_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"extra_headers: '{name}' belongs to the connection") as caught:
        build(extra_headers={"X-A": "1", name: "3"})
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("headers", [{"X-A": 1}, {"X-A": None}, {"X-A": b"1"}, {b"X-A": "1"}, {1: "1"}], ids=repr)
def test_headers_that_are_no_text_are_refused(headers: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="extra_headers"):
        build(extra_headers=headers)


@pytest.mark.parametrize("model", ["", " ", "\n"], ids=repr)
def test_an_empty_model_is_refused(model: str) -> None:
    with pytest.raises(ValueError, match="model must not be empty"):
        build(model=model)


def circular() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    "value",
    [object(), {"a": object()}, 1j, circular(), "\ud800", {"a": "\udfff"}],
    ids=lambda value: type(value).__name__,
)
def test_values_that_are_no_json_are_the_callers_mistake(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        build(extra_body={"own": value})


@pytest.mark.parametrize(
    "messages",
    [b"hi", 5, None, {"role": "user"}, object(), {"hi"}, iter(["hi"])],
    ids=lambda value: type(value).__name__,
)
def test_messages_of_another_type_are_refused(messages: Any) -> None:
    with pytest.raises(TypeError, match="messages must be a str or a sequence of messages"):
        build(messages)


def test_the_repr_shows_neither_prompt_nor_headers() -> None:
    request = build("my secret", extra_headers={"X-A": "another secret"}, extra_query={"q": "third secret"})
    assert "secret" not in repr(request)
    assert "'m'" in repr(request)


def test_the_same_request_to_another_model_keeps_every_byte_but_the_name() -> None:
    request = build("Hi, é😀", temperature=0.1, extra_body={"own": [1, 2.5, None]}, model="first/one")
    other = request.for_model("second")
    assert other.body == request.body.replace(b"first/one", b"second")
    assert (other.model, request.model) == ("second", "first/one")


def test_a_request_is_continued_from_a_copy() -> None:
    conversation: list[Any] = [{"role": "user", "content": "Tell"}]
    request = build(conversation)
    conversation.append({"role": "user", "content": "later"})
    continued = json.loads(request.continuing("Once").body)
    assert continued["messages"] == [{"role": "user", "content": "Tell"}, {"role": "assistant", "content": "Once"}]
    assert len(json.loads(request.body)["messages"]) == 1


def test_a_beginning_that_is_there_already_is_lengthened() -> None:
    text = build([user("Tell"), {"role": "assistant", "content": "Once"}]).continuing(" upon")
    assert json.loads(text.body)["messages"][-1] == {"role": "assistant", "content": "Once upon"}
    parts = build([user("Tell"), {"role": "assistant", "content": [{"type": "text", "text": "Once"}]}])
    assert len(json.loads(parts.continuing(" upon").body)["messages"]) == 3


@pytest.mark.parametrize(
    ("options", "plain"),
    [({}, True), ({"tools": []}, True), ({"response_format": {"type": "text"}}, False), ({"reasoning": {}}, False)],
)
def test_plain_text_is_what_can_be_continued(options: dict[str, Any], plain: bool) -> None:
    assert build(**options).is_plain_text is plain
