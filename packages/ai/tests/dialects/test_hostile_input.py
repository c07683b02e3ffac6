"""Hostile input that once broke the decoder, the error mapping or their promises; each was found by a property."""

import json
import pickle
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from ai_tests import Drive

from raptscallions_ai._dialects.failures import classify, read_failure
from raptscallions_ai._dialects.json import parse_json
from raptscallions_ai._dialects.redact import Redactor
from raptscallions_ai._dialects.retry_after import parse_retry_after
from raptscallions_ai.answer.chunks import ContentChunk
from raptscallions_ai.errors import AiError, InvalidResponseError

pytestmark = pytest.mark.requirement("E04-T003.AC9")

BOM = b"\xef\xbb\xbf"
KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"


def mapped(payload: object, headers: dict[str, str] | None = None, redact: Callable[[str], str] = str) -> AiError:
    return classify(read_failure(payload, status=400, headers=headers), model="some/model", redact=redact)


@pytest.mark.parametrize(
    "value",
    [
        "Fri, 15 Jan 2027 08:00:30 +99999999999999999",
        "Fri, 15 Jan 99999999999 08:00:30 GMT",
        "Fri, 15 Jan 2027 99999999999999999999:00:30 GMT",
    ],
)
def test_a_date_beyond_all_integers_is_no_date(value: str) -> None:
    assert parse_retry_after({"retry-after": value, "llm_provider-retry-after": "7"}, {}) == 7.0


DEPTHS = [*range(190, 210), *range(480, 500), *range(960, 1_000)]
PLACES = [
    '{"choices":[{"delta":{"content":"x","annotations":[{"a":%s}]}}]}',
    '{"choices":[{"delta":{"content":"x","reasoning_details":[{"a":%s}]}}]}',
    '{"choices":[{"delta":{"content":"x","tool_calls":[{"function":{"arguments":{"a":%s}}}]}}]}',
    '{"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":1,"a":%s}}',
    '{"id":5,"choices":[{"delta":{"content":"x","images":[{"a":%s}]}}]}',
    '{"id":5,"error":%s}',
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("ends", [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_an_error_can_be_pickled_and_told_however_deep_the_json_was(
    drive: Drive, place: str, ends: tuple[str, str]
) -> None:
    for depth in DEPTHS:
        _, _, failure = drive(f"data: {place % (ends[0] * depth + '1' + ends[1] * depth)}\n\n".encode())
        assert failure is not None
        copy = pickle.loads(pickle.dumps(failure))
        assert (copy.to_dict(), copy.partial) == (failure.to_dict(), failure.partial)
        assert depth < 200 or "nested too deeply" in str(failure)


@pytest.mark.parametrize("wrong", ["", '"id":5,'], ids=["", "with a field of a wrong type"])
@pytest.mark.parametrize(("depth", "accepted"), [(195, True), (196, False)])
def test_the_depth_that_is_accepted(drive: Drive, depth: int, accepted: bool, wrong: str) -> None:
    deep = "[" * depth + "]" * depth  # the levels above it are five
    event = f'{{{wrong}"choices":[{{"delta":{{"content":"x","annotations":[{{"a":{deep}}}]}}}}]}}'
    chunks, _, failure = drive(f"data: {event}\n\n".encode())
    assert (ContentChunk("x") in chunks) == accepted
    assert failure is not None and ("nested too deeply" in str(failure)) != accepted


def test_many_brackets_are_not_deep_ones(drive: Drive) -> None:
    event: dict[str, Any] = {"choices": [{"delta": {"content": "{[" * 500, "annotations": [{}] * 500}}]}
    chunks, _, failure = drive(b"data: " + json.dumps(event).encode() + b"\n\n")
    assert chunks[0] == ContentChunk("{[" * 500)
    assert failure is not None and len(chunks) == 501 and "nested" not in str(failure)


@pytest.mark.parametrize("depth", range(960, 1_000))
def test_a_reason_that_is_nested_deeply_is_not_told(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    for body in (f'[{{"msg":{deep}}}]', f'{{"detail":[{{"loc":[{deep},"a"],"msg":"why"}}]}}'):
        # Where the parser itself gives up, the body is text and is shown as text.
        assert str(mapped(parse_json(body.encode()))) in (
            "The AI gateway rejected the request",
            "a: why",
            body[:499] + "…",
        )


def test_numbers_of_absurd_length_are_not_told() -> None:
    huge = 10**5_000
    problems = [{"loc": ["a", huge, 0, True, None], "msg": "why"}, {"msg": huge}]
    assert str(mapped(problems)) == "a.0: why"
    error = mapped(
        {"error": {"message": "m", "type": "exceed_context_size_error", "n_ctx": huge, "n_prompt_tokens": 7}}
    )
    assert error.details == {"requested_tokens": 7}


DOCUMENT = b'{"choices":[{"message":{"content":"Hello"}}],"usage":{"prompt_tokens":1}}'


@pytest.mark.parametrize("start", [b"", BOM], ids=["", "byte order mark"])
@pytest.mark.parametrize("blanks", [0, 1, 60, 61, 62, 63, 64, 65, 66, 67, 68, 200])
@pytest.mark.parametrize("size", [None, 1, 2, 7])
def test_blanks_before_a_document_count_neither_for_its_kind_nor_for_its_size(
    drive: Drive, start: bytes, blanks: int, size: int | None
) -> None:
    body = start + b" " * blanks + DOCUMENT
    limit = len(start) + min(blanks, 64) + len(DOCUMENT)
    assert drive(body, size, max_bytes=limit)[0] == [ContentChunk("Hello")]
    assert type(drive(body, size, max_bytes=limit - 1)[2]) is InvalidResponseError


@pytest.mark.parametrize("size", [None, 1, 2, 7])
def test_a_byte_order_mark_is_no_part_of_the_first_event(drive: Drive, size: int | None) -> None:
    stream = BOM + b"data: " + DOCUMENT + b"\n\n"
    assert drive(stream, size, max_bytes=len(DOCUMENT))[0] == [ContentChunk("Hello")]
    assert drive(stream, size, max_bytes=len(DOCUMENT) - 1)[0] == []


HOSTILE = f"\x1b[2J\r\n{KEY} " + "x" * 500


def test_names_in_a_stream_are_fit_to_be_shown_on_its_error(drive: Drive) -> None:
    event = {"id": HOSTILE, "provider": HOSTILE, "choices": [{"delta": {"content": "x"}}]}
    _, _, failure = drive(b"data: " + json.dumps(event).encode() + b"\n\n", redact=Redactor([KEY], []))
    assert failure is not None and failure.partial is not None
    for name in (failure.request_id, failure.provider):
        assert name is not None and name.isprintable() and len(name) == 100 and KEY not in name
    assert failure.partial.id == failure.partial.provider == HOSTILE


def test_an_id_in_a_header_is_fit_to_be_shown() -> None:
    name = mapped({}, {"request-id": HOSTILE}, Redactor([KEY], [])).request_id
    assert name is not None and name.isprintable() and len(name) == 100 and KEY not in name


def steps(work: Callable[[], object]) -> int:
    """Count the lines that Python executes: what takes time, without a clock."""
    count = 0

    def trace(_frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def content(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


def delta(name: str, items: str, count: int) -> bytes:
    return f'data: {{"choices":[{{"delta":{{"{name}":[{",".join([items] * count)}]}}}}]}}\n\n'.encode()


GROWING: dict[str, Callable[[int], bytes]] = {
    "events": lambda n: content("x") * n,
    "one long event": lambda n: content("x" * n * 50),
    "a line without end": lambda n: b"data: " + b"x" * n * 20,
    "lines of one event": lambda n: b"data: \n" * n,
    "fields of no meaning": lambda n: b"x\nid: 1\nretry: 1\nevent: e\n" * n,
    "comments": lambda n: b": x\n\n" * n,
    "blank lines": lambda n: b"\n" * n * 20,
    "carriage returns": lambda n: b"\r" * n * 20,
    "blanks": lambda n: b" " * n * 20,
    "a document without end": lambda n: b"{" * n * 20,
    "reasoning blocks of no index": lambda n: delta("reasoning_details", "{}", n),
    "reasoning blocks of one index": lambda n: delta("reasoning_details", '{"index":0,"text":"x"}', n),
    "opaque reasoning blocks": lambda n: delta("reasoning_details", '{"data":"x"}', n),
    "tool calls of one index": lambda n: delta("tool_calls", '{"index":0,"function":{"arguments":"x"}}', n),
    "tool calls of no index": lambda n: delta("tool_calls", '{"function":{"name":"f"}}', n),
    "tool calls by id": lambda n: delta("tool_calls", '{"index":0,"id":"a"},{"index":0,"id":"b"}', n),
    "content parts": lambda n: delta("content", '{"text":"x"}', n),
    "images": lambda n: delta("images", "{}", n),
    "strange types": lambda n: delta("images", '{},5,"x",null', n),
    "choices": lambda n: f'data: {{"choices":[{",".join(["{}"] * n)}]}}\n\n'.encode(),
    "usage": lambda n: b'data: {"usage":{"prompt_tokens":1}}\n\n' * n,
    "validation errors": lambda n: f'{{"detail":[{",".join(["{}"] * n)}]}}'.encode(),
    "an error of many words": lambda n: json.dumps({"error": {"message": "word1 " * n}}).encode(),
}


@pytest.mark.parametrize("size", [None, 16])
@pytest.mark.parametrize("growing", GROWING.values(), ids=GROWING.keys())
def test_four_times_the_bytes_are_about_four_times_the_work(
    drive: Drive, growing: Callable[[int], bytes], size: int | None
) -> None:
    small, large = growing(400), growing(1_600)
    once, more = (steps(lambda body=body: drive(body, size)) for body in (small, large))
    assert more <= 4.4 * once + 200


def test_a_conversation_is_searched_up_to_an_amount() -> None:
    contents = [f"{number} " + "x" * 70_000 for number in range(12)]
    few, many = (
        steps(lambda said=said: Redactor([KEY], said)("a message that quotes nothing"))
        for said in ([{"content": text} for text in contents[:5]], [{"content": text} for text in contents])
    )
    assert many <= 1.01 * few
