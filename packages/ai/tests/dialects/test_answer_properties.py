"""Whatever a gateway sends, and however it is cut: chunks and a result that agree, or an `AiError`; nothing else."""

import json
from typing import Any

import pytest
from ai_tests import Drive, Outcome
from hypothesis import example, given
from hypothesis import strategies as st

from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    ContentChunk,
    ImageChunk,
    ReasoningChunk,
    StreamChunk,
    ToolCallChunk,
)

pytestmark = pytest.mark.requirement("E04-T003.AC9")


ODD: list[Any] = [None, True, 0, -1, 1.5, "", "a", "é😀", "null", 10**30, [], {}, [None], {"a": 1}, [["a"]], {"": {}}]


def odd(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(usual, usual, usual, st.sampled_from(ODD))


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: odd(strategy) for name, strategy in fields.items()})


def few(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(odd(items), max_size=2)


WORD = st.sampled_from(["", "Hel", "lo", "\u2028", "a\nb", '"'])
BLOCK = some(type=st.sampled_from(["reasoning.text", "text", "image_url", "file"]), text=WORD, index=st.integers(0, 1))
FUNCTION = some(name=st.sampled_from(["f", "g", ""]), arguments=st.sampled_from(["", "{", '"a":1}', {}, {"a": 1}]))
CALL = some(index=st.integers(0, 2), id=st.sampled_from(["a", "b", ""]), function=FUNCTION)
DELTA = some(
    content=WORD | few(BLOCK),
    reasoning=WORD,
    reasoning_content=WORD,
    reasoning_details=few(BLOCK),
    tool_calls=few(CALL),
    annotations=few(BLOCK),
    images=few(BLOCK),
    refusal=WORD,
)
ERROR = st.sampled_from([None] * 8) | some(code=st.sampled_from([400, 429, "502", "x"]), message=WORD, metadata=BLOCK)
CHOICE = some(
    index=st.integers(0, 1),
    delta=DELTA,
    message=DELTA,
    finish_reason=st.sampled_from([None, None, "stop", "length", "error"]),
    native_finish_reason=st.sampled_from([None, "completed", "network_error"]),
    error=ERROR,
    logprobs=some(content=few(BLOCK)),
)
USAGE = some(prompt_tokens=st.integers(0, 9), total_tokens=st.integers(0, 9), cost=st.sampled_from([0.1, "0.2", "NaN"]))
CHUNK = some(id=WORD, model=WORD, provider=WORD, choices=few(CHOICE), usage=USAGE)
EVENT = st.one_of(CHUNK, CHUNK, CHUNK, some(error=ERROR, message=WORD, detail=few(BLOCK), code=WORD, status=WORD))


def rendered(events: list[Any], names: list[str]) -> bytes:
    body = b""
    for position, event in enumerate(events):
        name = names[position % len(names)] if names else ""
        body += f"event: {name}\n".encode() if name else b""
        body += b"data: " + json.dumps(event).encode() + b"\n\n"
    return body


def assembled(chunks: list[StreamChunk]) -> list[tuple[str, str, str]]:
    calls: dict[int, tuple[str, str, str]] = {}
    for chunk in chunks:
        if isinstance(chunk, ToolCallChunk):
            id, name, arguments = calls.get(chunk.index, ("", "", ""))
            calls[chunk.index] = (chunk.id or id, chunk.name or name, arguments + chunk.arguments)
    return list(calls.values())


def check(outcome: Outcome) -> None:
    chunks, result, failure = outcome
    assert (result is None) != (failure is None)
    told = result or (failure.partial if failure is not None else None)
    if told is None:
        assert chunks == []
        return
    assert told.content == "".join(chunk.content for chunk in chunks if isinstance(chunk, ContentChunk))
    assert told.reasoning == "".join(chunk.content for chunk in chunks if isinstance(chunk, ReasoningChunk))
    assert list(told.annotations) == [chunk.annotation for chunk in chunks if isinstance(chunk, AnnotationChunk)]
    assert list(told.images) == [chunk.image for chunk in chunks if isinstance(chunk, ImageChunk)]
    calls = [(call.id, call.name, call.raw_arguments) for call in told.tool_calls]
    assert [call for call in calls if any(call)] == assembled(chunks)
    json.dumps([*told.annotations, *told.images, *told.reasoning_details, told.usage.raw], ensure_ascii=False).encode()


def comparable(outcome: Outcome) -> object:
    chunks, result, failure = outcome
    return chunks, result, type(failure), failure and (failure.to_dict(), failure.partial, failure.retryable)


SIZES = st.sampled_from([1, 2, 3, 7, 64])
NAMES = st.lists(st.sampled_from(["", "", "", "message", "error", "ping"]), max_size=3)


@given(events=st.lists(EVENT | st.sampled_from(ODD), max_size=6), names=NAMES, done=st.booleans(), usage=st.booleans())
@example(events=[{"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": ["x"]}}]}}]}],
         names=[], done=True, usage=False)  # fmt: skip
def test_any_events(drive: Drive, events: list[Any], names: list[str], done: bool, usage: bool) -> None:
    body = rendered(events, names) + (b"data: [DONE]\n\n" if done else b"")
    outcome = drive(body, require_usage=usage)
    check(outcome)
    assert comparable(drive(body, 1, require_usage=usage)) == comparable(outcome)


@given(
    body=EVENT | few(EVENT) | st.sampled_from(ODD), blanks=st.sampled_from(["", " ", "\n\n  ", "\ufeff"]), size=SIZES
)
def test_any_document(drive: Drive, body: Any, blanks: str, size: int) -> None:
    document = (blanks + json.dumps(body)).encode()
    outcome = drive(document)
    check(outcome)
    assert comparable(drive(document, size)) == comparable(outcome)


@given(body=st.binary(max_size=300), size=SIZES, cut=st.none() | st.just("the connection was lost (reset)"))
def test_any_bytes(drive: Drive, body: bytes, size: int, cut: str | None) -> None:
    outcome = drive(body, size, cut=cut)
    check(outcome)
    assert comparable(drive(body, cut=cut)) == comparable(outcome)


GOOD: list[Any] = [
    {"id": "gen-1", "model": "m", "choices": [{"index": 0, "delta": {"content": "Hé😀 wor"}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}}]},
    {"choices": [{"delta": {"content": "ld"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "cost": 0.1}},
]
STREAM = b": OPENROUTER PROCESSING\n\n" + rendered(GOOD, []) + b"data: [DONE]\n\n"


@given(cut=st.integers(0, len(STREAM)), size=SIZES)
def test_a_stream_cut_anywhere_is_an_error_or_complete(drive: Drive, cut: int, size: int) -> None:
    outcome = drive(STREAM[:cut], size, cut="the connection was lost (reset)")
    check(outcome)
    chunks, result, _ = outcome
    everything, complete, _ = drive(STREAM)
    assert chunks == everything[: len(chunks)]
    assert result is None or result == complete


@given(data=st.data(), size=SIZES)
def test_a_stream_with_bytes_changed_anywhere(drive: Drive, data: st.DataObject, size: int) -> None:
    body = bytearray(STREAM)
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.sampled_from(b'\0\n\r"{}[]:,\\ \xff\x80a0'))
    outcome = drive(bytes(body), size)
    check(outcome)
    assert comparable(drive(bytes(body))) == comparable(outcome)


@given(limit=st.integers(1, 300), size=SIZES)
def test_any_limit(drive: Drive, limit: int, size: int) -> None:
    outcome = drive(STREAM, size, max_bytes=limit)
    check(outcome)
    assert comparable(drive(STREAM, max_bytes=limit)) == comparable(outcome)
