"""JSON that is not quite JSON, or not quite reasonable, as real servers send it."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._dialects.chunk import WireChunk, decode_chunk, decode_usage
from raptscallions_ai._dialects.json import MalformedJSONError, parse_json, parse_object


def content(data: bytes) -> object:
    choices = decode_chunk(data).choices
    assert choices is not None and choices[0].delta is not None
    return choices[0].delta.content


def chunk(text: bytes = b'"hi"', *, beside: bytes = b"0") -> bytes:
    return b'{"choices":[{"delta":{"content":%s,"extra":%s}}]}' % (text, beside)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param(rb'"a\ud83d\ude00b"', "a😀b", id="surrogate pair"),
        pytest.param(rb'"a\ud83db"', "a\ufffdb", id="lone high surrogate"),
        pytest.param(rb'"a\ude00b"', "a\ufffdb", id="lone low surrogate"),
        pytest.param(rb'"a\ude00\ud83db"', "a\ufffd\ufffdb", id="surrogates in the wrong order"),
        pytest.param(rb'"\ude00\ud83d"', "\ude00\ud83d", id="halves whose others may be in the neighbours"),
        pytest.param(b'"a\xffb"', "a\ufffdb", id="byte that is no utf-8"),
        pytest.param(b'"a\xe2\x82"', "a\ufffd", id="cut character"),
        pytest.param(b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd", id="surrogate in utf-8"),
        pytest.param(rb'"a\u0000b"', "a\0b", id="escaped nul"),
        pytest.param('"\u2028\u0085"'.encode(), "\u2028\u0085", id="line separators"),
        pytest.param(b'"\\u0061\\/"', "a/", id="escapes"),
        pytest.param(b'""', "", id="empty"),
        pytest.param(b"null", None, id="null"),
    ],
)
def test_text(text: bytes, read: str | None) -> None:
    assert content(chunk(text)) == read


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param(b"NaN", id="nan"),
        pytest.param(b"-Infinity", id="infinity"),
        pytest.param(b"1e999", id="float beyond all floats"),
        pytest.param(b"1e99999999999999999999", id="float beyond all decimals"),
        pytest.param(b"123456789012345678901234567890", id="int of 100 bits"),
        pytest.param(rb'"\ud800"', id="lone surrogate"),
        pytest.param(b'"\xff"', id="bad utf-8"),
        pytest.param(b"[" * 100 + b"]" * 100, id="nested"),
        pytest.param(b'{"a":1,"a":2}', id="duplicate key"),
    ],
)
@pytest.mark.parametrize("wrong", [b"", b'"id":5,'], ids=["", "with a field of a wrong type"])
def test_oddities_beside_the_text_do_not_touch_it(beside: bytes, wrong: bytes) -> None:
    assert content(b"{" + wrong + chunk(beside=beside)[1:]) == "hi"


@pytest.mark.parametrize("depth", [500, 700, 900, 990, 5_000, 100_000])
@pytest.mark.parametrize(
    "template",
    [
        pytest.param('{"error":%s}', id="valid"),
        pytest.param('{"id":5,"error":%s}', id="with a field of a wrong type"),
        pytest.param('{"id":5,"usage":%s}', id="usage"),
        pytest.param('{"unknown":%s}', id="unknown field"),
    ],
)
@pytest.mark.parametrize("ends", ["[]", ('{"a":', "}")], ids=["lists", "objects"])
def test_deep_nesting_ends_in_a_chunk_or_in_malformed(template: str, depth: int, ends: tuple[str, str]) -> None:
    data = (template % (ends[0] * depth + "1" + ends[1] * depth)).encode()
    try:
        decoded = decode_chunk(data)
    except MalformedJSONError as error:
        assert str(error) == "it is nested too deeply"
    else:
        assert decoded.choices is None
        decode_usage(decoded.usage)


@pytest.mark.parametrize("place", ['{"id":5,"x":%s}', '{"x":%s}', '{"usage":{"prompt_tokens":%s}}'])
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_number_of_thousands_of_digits_ends_in_a_chunk_or_in_malformed(place: str, sign: str) -> None:
    try:
        decoded = decode_chunk((place % (sign + "9" * 5_000)).encode())
    except MalformedJSONError as error:
        assert str(error) == "it contains an absurdly long number"
    else:
        assert decoded.id is None


def test_of_duplicate_keys_the_last_counts() -> None:
    assert decode_chunk(b'{"id":"a","id":"b"}').id == "b"
    assert decode_chunk(b'{"model":5,"id":"a","id":"b"}').id == "b"


def test_an_integer_beyond_64_bits_is_exact() -> None:
    chunk = decode_chunk(b'{"choices":[{"index":36893488147419103233}]}')
    assert chunk.choices is not None and chunk.choices[0].index == 36893488147419103233


@pytest.mark.parametrize(
    "data",
    [b"", b" ", b"secret", b"[1]", b'"secret"', b"5", b"null", b"true", b'{"secret":', b'{"a":1} secret',
     b"{'secret':1}", b'{"a":"secret', b"\xff", b"{secret}", b"\xef\xbb\xbf"],
)  # fmt: skip
def test_what_is_no_object_is_malformed_and_not_quoted(data: bytes) -> None:
    with pytest.raises(MalformedJSONError) as caught:
        decode_chunk(data)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


KEYS = ["choices", "delta", "content", "tool_calls", "function", "usage", "cost", "index", "error"]
ODD = st.recursive(
    st.sampled_from(["null", "true", "0", "-1", "1.5", "NaN", "1e999", '"a"', '"\\ud800"', '"7"', "1" * 40, '""']),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "content", "tool_calls", "function", "usage", "cost", "index", "error"]
            ),
            inner,
            max_size=4,
        ).map(lambda fields: "{" + ",".join(f'"{key}":{value}' for key, value in fields.items()) + "}")
    ),
    max_leaves=15,
)


@given(fields=st.dictionaries(st.sampled_from(["id", "model", "choices", "usage", "error", "provider"]), ODD))
def test_every_object_gives_a_chunk_or_a_reason(fields: dict[str, str]) -> None:
    data = "{" + ",".join(f'"{key}":{value}' for key, value in fields.items()) + "}"
    try:
        chunk = decode_chunk(data.encode())
    except MalformedJSONError as error:
        assert re.fullmatch("its (choices|content|tool_calls) has an unexpected type", str(error))
        return
    assert isinstance(chunk, WireChunk)
    for text in (chunk.id, chunk.model, chunk.provider):
        assert text is None or isinstance(text.encode(), bytes)
    typed = decode_usage(chunk.usage)
    assert typed is None or typed[1]


@given(data=st.binary(max_size=60))
def test_any_bytes_give_a_chunk_or_malformed(data: bytes) -> None:
    try:
        chunk = decode_chunk(data)
    except MalformedJSONError:
        return
    assert isinstance(chunk, WireChunk)
    assert data.lstrip().startswith(b"{")


@given(data=st.binary(max_size=30) | st.text(max_size=30).map(lambda text: json.dumps(text).encode()))
def test_parse_json_never_fails(data: bytes) -> None:
    parsed = parse_json(data)
    assert isinstance(parsed, str | int | float | bool | list | dict | None)


def test_parse_object_reads_every_text_so_that_it_can_be_written_again() -> None:
    parsed = parse_object(rb'{"\ud800":["\udfff",{"a":"\ud83d\ude00"}]}')
    assert json.dumps(parsed, ensure_ascii=False).encode() == '{"\ufffd": ["\ufffd", {"a": "😀"}]}'.encode()
