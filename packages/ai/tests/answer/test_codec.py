"""What a call hands over survives as JSON: the same value comes back, and what a newer version wrote is not lost."""

from __future__ import annotations

import builtins
import copy
import json
import pickle
from decimal import Decimal
from typing import Any, cast, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raptscallions_ai import from_json, to_json
from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    AudioChunk,
    ContentChunk,
    DoneChunk,
    ImageChunk,
    ReasoningChunk,
    RefusalChunk,
    RestartedChunk,
    StreamChunk,
    ToolCallChunk,
    WaitingChunk,
)
from raptscallions_ai.answer.codec import UnknownValue, from_object, to_object
from raptscallions_ai.answer.events import (
    AnnotationEvent,
    AudioEvent,
    DoneEvent,
    ErrorEvent,
    ImageEvent,
    RefusalEvent,
    RestartedEvent,
    StartEvent,
    StreamEvent,
    TextDeltaEvent,
    TextEndEvent,
    TextStartEvent,
    ThinkingDeltaEvent,
    ThinkingEndEvent,
    ThinkingStartEvent,
    ToolCallDeltaEvent,
    ToolCallEndEvent,
    ToolCallStartEvent,
    WaitingEvent,
)
from raptscallions_ai.answer.result import Attempt, ChatResult, OutputIssue, ParsedResult, Usage
from raptscallions_ai.answer.run_events import (
    StepFinished,
    ToolFinished,
    ToolRunDone,
    ToolRunEvent,
    ToolRunResult,
    ToolStarted,
)
from raptscallions_ai.errors import (
    AiError,
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    CallbackError,
    ConfigurationError,
    ConnectionError,
    ContentPolicyError,
    ContextLengthError,
    InsufficientCreditsError,
    InvalidMediaError,
    InvalidOutputError,
    ModelNotAvailableError,
    NotSupportedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    RefusalError,
    StreamInterruptedError,
    TimeoutError,
    ToolError,
    TruncatedOutputError,
)
from raptscallions_ai.messages.message import ChatMessage, assistant, user
from raptscallions_ai.tools.tool_call import ToolCall

# Lone surrogates, which some gateways send, have no UTF-8.
TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
MAYBE_TEXT = st.none() | TEXT
DECIMAL = st.decimals(allow_nan=False) | st.decimals(allow_nan=False, places=6)
FLOAT = st.floats(allow_nan=False)
COUNT = st.integers(0, 2**70)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOAT | DECIMAL | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT | st.just("$decimal"), inner, max_size=2),
    max_leaves=4,
)
OBJECT = st.dictionaries(TEXT | st.sampled_from(["$decimal", "$float", "$object", "type"]), JSON, max_size=2)
OBJECTS = st.lists(OBJECT, max_size=2).map(tuple)

USAGE = st.builds(
    Usage,
    *[COUNT] * 6,
    cost=st.none() | DECIMAL,
    cost_source=st.sampled_from(["reported", "priced", "unknown"]),
    upstream_cost=st.none() | DECIMAL,
    is_byok=st.booleans(),
    raw=OBJECT,
)
KEY = TEXT | st.sampled_from(["id", "type", "index", "function"])
TOOL_CALL = st.builds(ToolCall, TEXT, TEXT, TEXT, st.dictionaries(KEY, JSON, max_size=2) | OBJECT)
ATTEMPT = st.builds(
    Attempt,
    TEXT,
    MAYBE_TEXT,
    MAYBE_TEXT,
    st.none() | st.integers(100, 599),
    FLOAT,
    st.none() | FLOAT,
    TEXT,
    MAYBE_TEXT,
    st.none() | USAGE,
)
ISSUE = st.builds(OutputIssue, st.lists(TEXT | st.integers(), max_size=3).map(tuple), TEXT)
RESULT_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "content": TEXT,
    "usage": USAGE,
    "model": TEXT,
    "finish_reason": st.none() | st.just("stop") | TEXT,
    "tool_calls": st.lists(TOOL_CALL, max_size=2).map(tuple),
    "reasoning": TEXT,
    "reasoning_details": OBJECTS,
    "annotations": OBJECTS,
    "images": OBJECTS,
    "refusal": MAYBE_TEXT,
    "provider": MAYBE_TEXT,
    "id": MAYBE_TEXT,
    "native_finish_reason": MAYBE_TEXT,
    "logprobs": OBJECTS,
    "attempts": st.lists(ATTEMPT, max_size=2).map(tuple),
    "time_to_first_chunk": st.none() | FLOAT,
    "duration": st.none() | FLOAT,
}
RESULT = st.builds(ChatResult, **RESULT_FIELDS)
MESSAGE = st.builds(
    ChatMessage,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.none() | TEXT | st.lists(OBJECT, max_size=2),
    name=MAYBE_TEXT,
    tool_calls=st.lists(TOOL_CALL, max_size=2).map(tuple),
    reasoning_details=OBJECTS,
    refusal=MAYBE_TEXT,
)
DICT_MESSAGE = st.fixed_dictionaries({"role": st.just("user"), "content": TEXT})
RUN_RESULT = st.builds(
    ToolRunResult,
    **RESULT_FIELDS,
    stopped_by=st.none() | st.just("max_cost") | TEXT,
    steps=st.lists(RESULT, max_size=1).map(tuple),
    messages=st.lists(MESSAGE | DICT_MESSAGE, max_size=2).map(tuple),
)
COMMON: dict[str, st.SearchStrategy[Any]] = {
    "status_code": st.none() | st.integers(400, 599),
    "retryable": st.none() | st.booleans(),
    "retry_after": st.none() | st.floats(0, 100),
    "error_type": MAYBE_TEXT,
    "provider": MAYBE_TEXT,
    "request_id": MAYBE_TEXT,
    "partial": st.none() | RESULT,
    "attempts": st.lists(ATTEMPT, max_size=2),
    "details": OBJECT,
}
SIMPLE = [
    AiError,
    AuthenticationError,
    BadRequestError,
    CallbackError,
    ConfigurationError,
    ConnectionError,
    InsufficientCreditsError,
    NotSupportedError,
    PermissionDeniedError,
    ProviderError,
    ToolError,
]
ERROR = st.one_of(
    st.one_of([st.builds(cls, TEXT, **COMMON) for cls in SIMPLE]),
    st.builds(TimeoutError, st.none() | COUNT, phase=st.sampled_from(["idle", "total"]), **COMMON),
    st.builds(RateLimitError, **COMMON),
    st.builds(StreamInterruptedError, TEXT, **COMMON),
    st.builds(ModelNotAvailableError, TEXT, **COMMON),
    st.builds(InvalidMediaError, TEXT, reason=TEXT, **COMMON),
    st.builds(ContextLengthError, max_tokens=st.none() | COUNT, requested_tokens=st.none() | COUNT, **COMMON),
    st.one_of([st.builds(c, reasons=st.lists(TEXT, max_size=2), **COMMON) for c in (ContentPolicyError, RefusalError)]),
    st.one_of(
        [
            st.builds(c, TEXT, errors=st.lists(ISSUE, max_size=2), **COMMON)
            for c in (InvalidOutputError, TruncatedOutputError)
        ]
    ),
    st.builds(BudgetExceededError, st.just("cost"), allowed=DECIMAL | COUNT, used=DECIMAL | COUNT, **COMMON),
)
INDEX = st.integers(0, 9)
VALUES: dict[type, st.SearchStrategy[Any]] = {
    ContentChunk: st.builds(ContentChunk, TEXT),
    ReasoningChunk: st.builds(ReasoningChunk, TEXT),
    ToolCallChunk: st.builds(ToolCallChunk, INDEX, MAYBE_TEXT, MAYBE_TEXT, TEXT),
    AnnotationChunk: st.builds(AnnotationChunk, OBJECT),
    ImageChunk: st.builds(ImageChunk, OBJECT),
    AudioChunk: st.builds(AudioChunk, TEXT, TEXT),
    RefusalChunk: st.builds(RefusalChunk, TEXT),
    WaitingChunk: st.builds(WaitingChunk),
    RestartedChunk: st.tuples(RESULT, ERROR).map(lambda held: RestartedChunk(*held)),
    DoneChunk: RESULT.map(DoneChunk),
    StartEvent: st.builds(StartEvent),
    TextStartEvent: st.builds(TextStartEvent, index=INDEX),
    TextDeltaEvent: st.builds(TextDeltaEvent, index=INDEX, delta=TEXT),
    TextEndEvent: st.builds(TextEndEvent, index=INDEX, content=TEXT),
    ThinkingStartEvent: st.builds(ThinkingStartEvent, index=INDEX),
    ThinkingDeltaEvent: st.builds(ThinkingDeltaEvent, index=INDEX, delta=TEXT),
    ThinkingEndEvent: st.builds(ThinkingEndEvent, index=INDEX, content=TEXT),
    ToolCallStartEvent: st.builds(ToolCallStartEvent, index=INDEX, id=TEXT, name=TEXT),
    ToolCallDeltaEvent: st.builds(ToolCallDeltaEvent, index=INDEX, delta=TEXT),
    ToolCallEndEvent: st.builds(ToolCallEndEvent, index=INDEX, tool_call=TOOL_CALL),
    AnnotationEvent: st.builds(AnnotationEvent, annotation=OBJECT),
    ImageEvent: st.builds(ImageEvent, image=OBJECT),
    AudioEvent: st.builds(AudioEvent, TEXT, TEXT),
    RefusalEvent: st.builds(RefusalEvent, TEXT),
    WaitingEvent: st.builds(WaitingEvent),
    RestartedEvent: st.builds(RestartedEvent, discarded=RESULT, error=ERROR),
    DoneEvent: st.builds(DoneEvent, result=RESULT),
    ErrorEvent: st.builds(ErrorEvent, error=ERROR),
    ToolStarted: st.builds(ToolStarted, TOOL_CALL),
    ToolFinished: st.builds(ToolFinished, TOOL_CALL, TEXT, JSON, st.none() | ERROR, st.none() | FLOAT),
    StepFinished: st.builds(StepFinished, INDEX, RESULT),
    ToolRunDone: st.builds(ToolRunDone, RUN_RESULT),
    ToolRunResult: RUN_RESULT,
    ChatResult: RESULT,
    Usage: USAGE,
    ToolCall: TOOL_CALL,
    Attempt: ATTEMPT,
    OutputIssue: ISSUE,
    ChatMessage: MESSAGE,
    AiError: ERROR,
}


# A whole answer takes hypothesis a while to make.
LARGE = {cls for cls in VALUES if "Result" in cls.__name__ or issubclass(cls, AiError)} | {
    RestartedChunk,
    DoneChunk,
    RestartedEvent,
    DoneEvent,
    ErrorEvent,
    ToolFinished,
    StepFinished,
    ToolRunDone,
}


def comparable(value: Any) -> Any:
    """Return what two equal values have in common; exceptions are equal to nothing but themselves."""
    if isinstance(value, AiError):
        state = {name: comparable(held) for name, held in vars(value).items()}
        # The same whether the class or the object says it.
        shown = {name: getattr(value, name) for name in ("code", "status_code", "retryable")}
        return type(value), value.args, {**state, **shown}
    if isinstance(value, RestartedChunk | RestartedEvent):
        return type(value), value.discarded, comparable(value.error)
    if isinstance(value, ErrorEvent):
        return type(value), comparable(value.error)
    if isinstance(value, ToolFinished):
        return value.call, value.content, value.output, value.duration, comparable(value.error)
    return value


def test_every_kind_of_chunk_and_event_is_tried() -> None:
    kinds = {*get_args(StreamChunk), *get_args(StreamEvent), *get_args(ToolRunEvent)}
    assert kinds - VALUES.keys() == set()


@pytest.mark.requirement("E04-T008.AC1")
@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_a_value_comes_back_as_it_was(kind: type) -> None:
    @settings(max_examples=6 if kind in LARGE else 20)
    @given(VALUES[kind])
    def check(value: Any) -> None:
        data = to_json(value)
        again = from_json(data)
        assert type(again) is type(value)
        assert comparable(again) == comparable(value)
        assert repr(again) == repr(value)
        assert to_json(again) == data
        assert b"\n" not in data
        assert comparable(from_json(data.decode())) == comparable(value)

    check()


@pytest.mark.requirement("E04-T008.AC2")
@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_what_only_a_newer_version_knows_is_written_again(kind: type) -> None:
    @settings(max_examples=3 if kind in LARGE else 8)
    @given(VALUES[kind], OBJECT.map(lambda fields: {f"new {name}": to_plain(held) for name, held in fields.items()}))
    def check(value: Any, news: dict[str, Any]) -> None:
        written = with_news(json.loads(to_json(value)), news)
        again = from_json(json.dumps(written))
        assert isinstance(again, kind)
        assert json.loads(to_json(again)) == written
        if not isinstance(again, AiError):
            assert json.loads(to_json(pickle.loads(pickle.dumps(again)))) == written

    check()


def to_plain(value: object) -> object:
    return json.loads(to_json(ToolFinished(ToolCall("", ""), "", value)))["output"]


def with_news(written: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
    """Add fields to an object and to the objects of ours in it."""
    if "message" in written and written.get("kind") == "message":
        return written  # a message's further fields are its own
    nested = ("result", "usage", "call", "tool_call", "partial", "error", "discarded")
    for name in nested:
        inner: Any = written.get(name)
        if isinstance(inner, dict) and not (name == "error" and "kind" not in inner):
            written[name] = with_news(cast("dict[str, Any]", inner), news)
    return {**written, **news}


def test_costs_keep_every_digit() -> None:
    usage = Usage(cost=Decimal("0.000150"), upstream_cost=Decimal("1E-7"), raw={"cost": Decimal("0.10"), "f": 0.1})
    again = from_json(to_json(usage), Usage)
    assert (str(again.cost), str(again.upstream_cost)) == ("0.000150", "1E-7")
    assert repr(again.raw) == repr(usage.raw)


def test_reasoning_blocks_keep_their_bytes_and_their_order() -> None:
    blocks = (
        {"type": "reasoning.text", "signature": "sig==", "text": "Hm \u2028\x00é"},
        {"b": 1, "a": {"z": 0, "y": 1.0}},
    )
    again = from_json(to_json(ChatResult(reasoning_details=blocks)), ChatResult)
    assert json.dumps(again.reasoning_details) == json.dumps(blocks)
    assert again.to_message() == ChatResult(reasoning_details=blocks).to_message()


def test_an_error_keeps_its_class_what_had_arrived_and_its_attempts() -> None:
    attempts = (Attempt("m", "ProviderError", "failed", 502, 1.5, 0.5, usage=Usage(cost=Decimal("0.1"))), Attempt("m"))
    error = TimeoutError(1500, phase="idle", partial=ChatResult(content="Half"), attempts=attempts, request_id="gen-1")
    again = from_json(to_json(error), TimeoutError)
    assert (again.message, again.timeout_ms, again.phase) == ("AI request timed out after 1500ms", 1500, "idle")
    assert (again.partial, again.attempts, again.request_id) == (ChatResult(content="Half"), attempts, "gen-1")
    assert isinstance(again, builtins.TimeoutError)


class MyOwnError(ProviderError):
    """An error of a user's package."""


def test_an_error_of_your_own_keeps_its_class_where_that_is_loaded() -> None:
    error = MyOwnError("broken", details={"a": 1})
    error.shelf = 3  # pyright: ignore[reportAttributeAccessIssue] - what a subclass may do
    again = from_json(to_json(error), MyOwnError)
    assert (again.message, again.details, vars(again)["shelf"]) == ("broken", {"a": 1}, 3)


def test_an_error_whose_class_is_not_there_is_read_as_its_nearest_parent() -> None:
    written = json.loads(to_json(RateLimitError(3)))
    written |= {"name": "QuotaError", "parents": ["RateLimitError", "AiError"], "code": "QUOTA", "to_dict": "mine"}
    again = from_json(json.dumps(written), RateLimitError)
    assert (again.retry_after, again.code, again.to_dict()["code"]) == (3, "QUOTA", "QUOTA")
    assert json.loads(to_json(again)) == written
    assert json.loads(to_json(pickle.loads(pickle.dumps(again)))) == written
    del written["parents"]
    assert type(from_json(json.dumps(written))) is AiError


def test_unknown_fields_are_there_to_be_read_and_shown_by_name_only() -> None:
    chunk: Any = from_json('{"v": 1, "type": "content", "content": "Hi", "language": {"code": "en"}}')
    assert type(chunk) is not ContentChunk
    assert chunk != ContentChunk("Hi")
    assert chunk.unknown_fields == {"language": {"code": "en"}}
    assert repr(chunk) == "ContentChunk(2 characters, unknown_fields=['language'])"
    assert copy.deepcopy(chunk) == chunk


def test_a_new_kind_of_chunk_is_kept_whole() -> None:
    data = b'{"v":1,"type":"video","frames":[1,2],"result":{"x":{"$decimal":"1"}}}'
    value = from_json(data)
    assert value == UnknownValue({"type": "video", "frames": [1, 2], "result": {"x": {"$decimal": "1"}}})
    assert value.type == "video"
    assert repr(value) == "UnknownValue(kind=None, type='video')"
    assert to_json(value) == data


def test_a_result_of_a_new_kind_is_read_as_a_result() -> None:
    data = b'{"v":1,"type":"done","result":{"kind":"poem","content":"Roses","rhymes":true}}'
    done = from_json(data, DoneChunk)
    assert done.result.content == "Roses"
    assert {"kind": "poem", "rhymes": True}.items() <= json.loads(to_json(done))["result"].items()


def test_the_object_that_an_answer_stands_for_is_left_to_its_text() -> None:
    result = ParsedResult(content="[1]", parsed=[1])
    assert from_json(to_json(result)) == ChatResult(content="[1]")
    assert from_json(to_json(DoneChunk(result))) == DoneChunk(ChatResult(content="[1]"))


def test_a_tool_may_return_and_raise_what_is_no_json() -> None:
    event = ToolFinished(ToolCall("1", "f"), "<object>", object(), ValueError("no such city"))
    again = from_json(to_json(event), ToolFinished)
    assert (again.content, again.output) == ("<object>", None)
    assert (type(again.error), str(again.error)) == (ToolError, "ValueError: no such city")


def test_messages_of_a_run_keep_what_they_are() -> None:
    messages = (user("Hi"), {"role": "assistant", "content": "Yes?"}, assistant("Bye", tool_calls=[ToolCall("1", "f")]))
    result = ToolRunResult(messages=messages)
    assert from_json(to_json(ToolRunDone(result)), ToolRunDone).result.messages == messages
    step = StepFinished(1, result)  # a result of another kind than the field says
    assert from_json(to_json(step)) == step


def test_what_a_browser_or_an_older_program_wrote_has_no_version() -> None:
    assert from_json('{"type": "content", "content": "Hi"}') == ContentChunk("Hi")
    assert from_json('{"type": "done", "result": {"content": "Hi"}}') == DoneChunk(ChatResult(content="Hi"))


@pytest.mark.requirement("E04-T008.AC3")
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"Hi", "this is not JSON"),
        (b"", "this is not JSON"),
        (b"\xff", "this is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", "this is a JSON list, not an object"),
        (b'{"a": 1}', "neither a 'type' nor a 'kind'"),
        (b'{"type": ["content"]}', "neither a 'type' nor a 'kind'"),
        (b'{"type": "content"}', "ContentChunk lacks: content"),
        (b'{"type": "content", "content": 5}', "ContentChunk.content must not be a JSON int"),
        (b'{"type": "done", "result": []}', "DoneChunk.result must not be a JSON list"),
        (b'{"type": "done", "result": {"tool_calls": {}}}', "ChatResult.tool_calls must not be a JSON dict"),
        (b'{"kind": "usage", "cost": "much"}', "Usage.cost must not be a text that is not a number"),
        (b'{"kind": "usage", "raw": {"$float": "x"}}', "'\\$float' holds an invalid value"),
        (b'{"kind": "usage", "raw": {"$object": 1}}', "'\\$object' holds an invalid value"),
        (b'{"kind": "error"}', "an error lacks its 'message'"),
        (b'{"kind": "error", "message": 1}', "message of an error must not be a JSON int"),
        (b'{"kind": "error", "message": "m", "attempts": [{}]}', "Attempt lacks: model"),
        (b'{"kind": "message"}', "a message lacks its 'message'"),
        (
            b'{"v": 2, "type": "content", "content": "Hi"}',
            "written in version 2 of the format, and this release reads version 1",
        ),
        (b'{"v": "x", "type": "content", "content": "Hi"}', "written in version 'x'"),
    ],
)
def test_what_is_no_such_value_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        from_json(data)


def test_another_value_than_expected_is_refused() -> None:
    assert from_json(to_json(Usage()), Usage) == Usage()
    with pytest.raises(ValueError, match="this is a Usage, not a ChatResult"):
        from_json(to_json(Usage()), ChatResult)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("Hi", "a str is not a chunk, event"),
        (AnnotationChunk({"data": b"x"}), "AnnotationChunk.annotation: a bytes cannot be written as JSON"),
        (AnnotationChunk({1: "x"}), "the keys of a JSON object are str, not int"),  # pyright: ignore[reportArgumentType] - it is the point
        (AiError("m", details={"a": {1, 2}}), "AiError.details: a set cannot be written as JSON"),
        (DoneChunk("Hi"), "DoneChunk.result: it must be a ChatResult, not a str"),  # pyright: ignore[reportArgumentType] - it is the point
    ],
)
def test_what_is_no_json_is_refused_by_name(value: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        to_json(value)


def test_a_value_without_end_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["self"] = endless
    with pytest.raises(ValueError, match="nested too deeply"):
        to_json(AnnotationChunk(endless))


def test_objects_are_the_same_without_the_version() -> None:
    assert to_object(ContentChunk("Hi")) == {"type": "content", "content": "Hi"}
    assert from_object({"type": "content", "content": "Hi"}) == ContentChunk("Hi")
