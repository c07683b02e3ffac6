"""The lines of a cassette, and how requests are told apart."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai.testing import Cut, Hang, Pause
from raptscallions_ai.testing._exchange import Exchange, read_lines, written_lines
from raptscallions_ai.testing._matching import Recordings
from raptscallions_ai.testing._secrets import SecretFilter

pytestmark = pytest.mark.requirement("E04-T005.AC10")

HEADERS = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)
TIMES = st.integers(0, 100_000).map(lambda ms: ms / 1000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
BODIES = st.binary(max_size=12) | JSON.map(lambda value: json.dumps(value).encode())
DATA = st.binary(min_size=1, max_size=8) | st.text(min_size=1, max_size=8).map(str.encode)
EXCHANGES = st.builds(
    Exchange,
    method=st.sampled_from(["GET", "POST"]),
    target=st.text(max_size=8),
    request_headers=HEADERS,
    body=BODIES,
    status=st.integers(100, 599),
    headers=HEADERS,
    head_at=TIMES,
    pieces=st.lists(st.tuples(TIMES, DATA), max_size=3),
    end=st.sampled_from(["complete", "cut", "left"]),
)


def same(one: Exchange, other: Exchange) -> bool:
    """Whether two exchanges are the same but for the spelling of a JSON body."""
    return _plain(one) == _plain(other)


def _plain(exchange: Exchange) -> list[object]:
    try:
        body: object = json.loads(exchange.body)
    except ValueError:
        body = exchange.body
    return [getattr(exchange, name) for name in Exchange.__slots__ if name != "body"] + [body]


@given(st.lists(EXCHANGES, max_size=3))
def test_what_is_written_is_read_again(exchanges: list[Exchange]) -> None:
    lines = list(written_lines(exchanges, {"gateway": "g"}))
    assert all("\n" not in line and line.encode() for line in lines)
    about, again = read_lines(lines)
    assert about == {"cassette": 1, "gateway": "g"}
    assert all(same(*pair) for pair in zip(exchanges, again, strict=True))
    assert list(written_lines(again, {"gateway": "g"})) == lines


@given(EXCHANGES)
def test_an_exchange_without_secrets_stays_playable(exchange: Exchange) -> None:
    kept = exchange.without_secrets(SecretFilter({}))
    again = read_lines(written_lines([kept], {}))[1][0]
    recordings = Recordings([again])
    assert recordings.take(kept) is again
    assert recordings.take(kept) is None


def test_a_cassette_is_readable() -> None:
    exchange = Exchange(
        "POST", "/v1/chat/completions", {"accept": "a"}, '{"messages": ["Grüß"]}'.encode(), 200,
        {"content-type": "text/event-stream"}, 0.25, [(0.3, 'data: {"é": 1}\n\n'.encode()), (0.31239, b"\xff")], "cut",
    )  # fmt: skip
    assert list(written_lines([exchange], {"gateway": "g"})) == [
        '{"cassette": 1, "gateway": "g"}',
        '{"request": {"method": "POST", "target": "/v1/chat/completions", "headers": {"accept": "a"}, '
        '"json": {"messages": ["Grüß"]}}}',
        '{"at": 0.25, "response": {"status": 200, "headers": {"content-type": "text/event-stream"}}}',
        '{"at": 0.3, "text": "data: {\\"é\\": 1}\\n\\n"}',
        '{"at": 0.3124, "base64": "/w=="}',
        '{"end": "cut"}',
    ]


def test_blank_lines_do_not_matter() -> None:
    lines = list(written_lines([Exchange("GET", "/", status=200, end="complete")], {}))
    assert len(read_lines("\n".join(["", *lines, "", ""]).split("\n"))[1]) == 1


@pytest.mark.parametrize(
    ("exchange", "real_time", "steps"),
    [
        (Exchange("GET", "/", status=200, pieces=[(1.5, b"a"), (2, b"b")], end="complete"), False, (b"a", b"b")),
        (Exchange("GET", "/", status=200, pieces=[(1, b"a")], end="cut"), False, (b"a", Cut())),
        (Exchange("GET", "/", status=200, pieces=[(1, b"a")], end="left"), False, (b"a", Hang())),
        (Exchange("GET", "/", status=None, end="left"), True, (Hang(),)),
        (
            Exchange("GET", "/", status=200, head_at=0.5, pieces=[(1.5, b"a"), (1.25, b"b")], end="complete"), True,
            (Pause(0.5), b"", Pause(1.0), b"a", Pause(0.0), b"b"),
        ),
    ],
)  # fmt: skip
def test_what_is_played(exchange: Exchange, real_time: bool, steps: tuple[object, ...]) -> None:
    assert exchange.reply(real_time=real_time).steps == steps


@pytest.mark.parametrize(
    ("recorded", "asked", "told"),
    [
        (b'{"a": {"b": [1, 2]}}', b'{"a": {"b": [1, 3]}}', "a.b[1]: 3 instead of 2"),
        (b'{"a": [1]}', b'{"a": []}', "a[0]: nothing instead of 1"),
        (b'{"a": "x"}', b'{"a": null}', 'a: null instead of "x"'),
        (b'{"a": 1}', b"[1]", 'the body: [1] instead of {"a": 1}'),
        (b"abc", b"", "the body: 0 bytes instead of 3 bytes"),
        (b"{}", json.dumps(dict.fromkeys("abcdefg", 1)).encode(), "e: 1 instead of nothing (and 2 more)"),
        (b'{"a": "' + b"x" * 60 + b'"}', b'{"a": 5}', 'a: 5 instead of "' + "x" * 40 + '"...'),
        (b'{"a": []}', json.dumps({"a": {"x": "y" * 60}}).encode(), 'a: {"x": "' + "y" * 33 + "... instead of []"),
    ],
)  # fmt: skip
def test_what_differs(recorded: bytes, asked: bytes, told: str) -> None:
    recordings = Recordings([Exchange("POST", "/x", body=recorded), Exchange("POST", "/y", body=asked)])
    why = recordings.why_none(Exchange("POST", "/x", body=asked))
    assert why.startswith("the recorded request that is most like it differs in ")
    assert why.endswith(told)


def test_the_query_can_differ_too() -> None:
    why = Recordings([Exchange("GET", "/x?a=1")]).why_none(Exchange("GET", "/x?a=2"))
    assert why.endswith('differs in the query: "a=2" instead of "a=1"')


def test_the_request_that_is_most_alike_is_compared() -> None:
    recordings = Recordings([Exchange("POST", "/x", body=body) for body in (b'{"a": 1, "b": 1}', b'{"a": 1, "b": 2}')])
    assert recordings.why_none(Exchange("POST", "/x", body=b'{"a": 9, "b": 2}')).endswith("in a: 9 instead of 1")


def test_an_empty_cassette_says_so() -> None:
    assert Recordings([]).why_none(Exchange("GET", "/x")) == "no such request is recorded, only none at all"
