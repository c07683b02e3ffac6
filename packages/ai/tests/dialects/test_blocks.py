from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._dialects.blocks import ReasoningBlocks, ToolCalls
from raptscallions_ai._dialects.chunk import WireFunction, WireToolCall
from raptscallions_ai.answer.chunks import ToolCallChunk


def delta(
    index: int | None = None, id: str | None = None, name: str | None = None, arguments: object = None
) -> WireToolCall:
    wire = {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}
    return msgspec.convert(wire, WireToolCall)


def fed(*deltas: Sequence[WireToolCall], whole: bool = False) -> tuple[list[ToolCallChunk], list[tuple[str, str, str]]]:
    calls = ToolCalls()
    chunks = [chunk for part in deltas for chunk in calls.feed(part, whole=whole)]
    return chunks, [(call.id, call.name, call.raw_arguments) for call in calls.result()]


ONE = [("a", "f", '{"x":1}')]
OF_A = "n6jluzkjh"  # the id that the second call of the id "a" gets
TWO = [("a", "f", '{"x":1}'), ("b", "g", "{}")]


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        pytest.param([], [], id="none"),
        pytest.param([delta(0, "a", "f", '{"x"'), delta(0, arguments=":1}")], ONE, id="by index"),
        pytest.param([delta(0, "a", "f", ""), delta(0, None, None, '{"x":1}')], ONE, id="empty first arguments"),
        pytest.param([delta(0, "a", "f"), delta(0, arguments='{"x":1}')], ONE, id="null first arguments"),
        pytest.param(
            [delta(0, "a", "f", '{"x"'), delta(0, "a", "f", ":1"), delta(0, "a", "f", "}")],
            ONE,
            id="id and name repeated on every delta",
        ),
        pytest.param([delta(0, "a", "f", '{"x"'), delta(0, "", "", ":1}")], ONE, id="empty id and name later on"),
        pytest.param([delta(0, None, "f", '{"x"'), delta(0, "a", None, ":1}")], ONE, id="late id"),
        pytest.param([delta(0, "a", None, '{"x"'), delta(0, None, "f", ":1}")], ONE, id="late name"),
        pytest.param([delta(7, "a", "f", '{"x"'), delta(7, arguments=":1}")], ONE, id="index not from 0"),
        pytest.param([delta(None, "a", "f", '{"x"'), delta(None, "a", None, ":1}")], ONE, id="by id"),
        pytest.param([delta(None, "a", "f", '{"x"'), delta(None, arguments=":1}")], ONE, id="to the last"),
        pytest.param([delta(None, None, "f", '{"x"'), delta(arguments=":1}")], [("", "f", '{"x":1}')], id="no id"),
        pytest.param([delta(0, "a", "f", '{"x"'), delta(None, "a", None, ":1}")], ONE, id="index, then id only"),
        pytest.param([delta(0, "a", "f", '{"x"'), delta(None, None, None, ":1}")], ONE, id="index, then nothing"),
        pytest.param([delta(0, "a", "f", {"x": 1})], ONE, id="arguments as an object"),
        pytest.param([delta(0, "a", "f", {})], [("a", "f", "{}")], id="arguments as an empty object"),
        pytest.param([delta(0, "a", "f")], [("a", "f", "")], id="no arguments"),
        pytest.param([delta(0, "a", "f", '{"x":1}'), delta(1, "b", "g", "{}")], TWO, id="two by index"),
        pytest.param(
            [delta(1, "a", "f", '{"x"'), delta(0, "b", "g", "{"), delta(1, arguments=":1}"), delta(0, arguments="}")],
            TWO,
            id="two interleaved, in order of appearance",
        ),
        pytest.param(
            [delta(None, "a", "f", '{"x"'), delta(None, "b", "g", "{}"), delta(None, "a", None, ":1}")],
            TWO,
            id="two by id",
        ),
        pytest.param([delta(0, "a", "f", '{"x":1}'), delta(0, "b", "g", "{}")], TWO, id="new id under one index"),
        pytest.param(
            [delta(0, "a", "f", '{"x":1}'), delta(0, "b", "g", "{"), delta(0, arguments="}")],
            TWO,
            id="new id under one index, then without id",
        ),
        pytest.param(
            [delta(0, "a", "f", '{"x"'), delta(0, "b", "g", "{}"), delta(0, "a", "f", ":1}")],
            TWO,
            id="both ids repeated under one index",
        ),
        pytest.param(
            [delta(None, None, "f", "{}"), delta(None, None, "g", "{}")],
            [("", "f", "{}"), ("", "g", "{}")],
            id="names only",
        ),
        pytest.param(
            [delta(0, "a", "f", "{}"), delta(1, "a", "f", "{}")],
            [("a", "f", "{}"), (OF_A, "f", "{}")],
            id="one id under two indexes, so that one gets another",
        ),
        pytest.param(
            [delta(0, "", "f", "{}"), delta(0, "", "g", '{"x":1}')],
            [("", "f", "{}"), ("", "g", '{"x":1}')],
            id="Gemini: two calls, empty ids, one index",
        ),
        pytest.param(
            [delta(0, None, "f", '{"x":1}'), delta(0, None, "f", '{"x":2}')],
            [("", "f", '{"x":1}'), ("", "f", '{"x":2}')],
            id="two calls of one tool without ids, one index",
        ),
        pytest.param(
            [delta(0, None, "f", ""), delta(0, None, "g", "{}")],
            [("", "f", ""), ("", "g", "{}")],
            id="a call without arguments before another",
        ),
    ],
)
@pytest.mark.parametrize("together", [True, False], ids=["one chunk", "a chunk each"])
def test_deltas(deltas: list[WireToolCall], calls: list[tuple[str, str, str]], together: bool) -> None:
    chunks, result = fed(deltas) if together else fed(*([part] for part in deltas))
    assert result == calls
    assert assembled(chunks) == [(id, name, arguments) for id, name, arguments in calls]


def assembled(chunks: list[ToolCallChunk]) -> list[tuple[str, str, str]]:
    """Put chunks together the way the documentation tells a reader to: set id and name, append arguments."""
    calls: dict[int, list[str]] = {}
    for chunk in chunks:
        call = calls.setdefault(chunk.index, ["", "", ""])
        call[0] = chunk.id or call[0]
        call[1] = chunk.name or call[1]
        call[2] += chunk.arguments
    assert list(calls) == list(range(len(calls)))
    return [(call[0], call[1], call[2]) for call in calls.values()]


def test_chunks_bring_id_and_name_once_and_nothing_empty() -> None:
    chunks, _ = fed(
        [delta(0, "a", "f", "")], [delta(0, "a", "f", "{")], [delta(0, "a", "f", "")], [delta(0, "", "", "}")]
    )
    assert chunks == [
        ToolCallChunk(0, "a", "f", ""),
        ToolCallChunk(0, None, None, "{"),
        ToolCallChunk(0, None, None, "}"),
    ]


@pytest.mark.parametrize("index", [None, 0], ids=["no index", "one index for all"])
def test_whole_calls_are_calls_of_their_own(index: int | None) -> None:
    calls = [delta(index, "a", "f", "{}"), delta(index, "a", "f", "{}"), delta(index, "", "f", '{"x":1}')]
    assert fed(calls, whole=True)[1] == [("a", "f", "{}"), (OF_A, "f", "{}"), ("", "f", '{"x":1}')]


@pytest.mark.parametrize(
    "pieces",
    [
        [delta(0, "a", "f", ""), delta(0, arguments='{"x"'), delta(0, arguments=":1}")],
        [delta(0, None, "f", ""), delta(0, None, "f", '{"x"'), delta(0, None, "f", ":1}"), delta(0, None, "f", "")],
        [delta(0, "", "f", '{"x"'), delta(0, "", "f", ":1}"), delta(0, "", "", "")],
        [delta(0, "a", "f", '{"x":'), delta(0, "a", "f", "1}")],
        [delta(0, None, "get", ""), delta(0, None, "get_x", '{"x":1}')],
    ],
)
def test_one_call_in_pieces_stays_one(pieces: list[WireToolCall]) -> None:
    _, result = fed(*([piece] for piece in pieces))
    assert [arguments for _, _, arguments in result] == ['{"x":1}']


def test_what_goes_back_with_a_call_is_kept() -> None:
    calls = ToolCalls()
    signed = {"google": {"thought_signature": "AbC=="}}
    function = WireFunction("f", "{}")
    calls.feed([WireToolCall(0, "a", function, extra_content=signed)], whole=False)
    calls.feed([WireToolCall(0, provider_specific_fields={"thought_signature": "x"})], whole=False)
    [call] = calls.result()
    assert call.extra == {"extra_content": signed, "provider_specific_fields": {"thought_signature": "x"}}
    assert call.to_dict() == {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}, **call.extra}
    assert calls.feed_piece([WireToolCall(0, function=WireFunction(None, "x"), extra_content=signed)]) is None


def test_a_call_without_function_is_kept_with_its_id() -> None:
    calls = ToolCalls()
    calls.feed([WireToolCall(index=0, id="a")], whole=False)
    assert [(call.id, call.name, call.raw_arguments) for call in calls.result()] == [("a", "", "")]


@given(data=st.data(), count=st.integers(1, 4), keys=st.sampled_from(["index", "id", "both"]))
def test_any_interleaving_of_parallel_calls_is_untangled(data: st.DataObject, count: int, keys: str) -> None:
    texts = [data.draw(st.lists(st.text(max_size=4), min_size=1, max_size=4)) for _ in range(count)]
    turns = data.draw(st.permutations([call for call, parts in enumerate(texts) for _ in parts]))
    rest = [list(parts) for parts in texts]
    deltas: list[list[WireToolCall]] = []
    for call in turns:
        first = len(rest[call]) == len(texts[call])
        index = call if keys != "id" else None
        id = f"call_{call}" if keys == "id" or first else None
        deltas.append([delta(index, id, f"tool_{call}" if first else None, rest[call].pop(0))])
    order = list(dict.fromkeys(turns))
    expected = [(f"call_{call}", f"tool_{call}", "".join(texts[call])) for call in order]
    chunks, result = fed(*deltas)
    assert result == expected
    assert assembled(chunks) == expected


def blocks(*deltas: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    reasoning = ReasoningBlocks()
    visible = [reasoning.feed(part, whole=False) for part in deltas]
    return list(reasoning.result()), visible


def text(index: int | None = 0, **fields: object) -> dict[str, Any]:
    return {"type": "reasoning.text", "index": index, **fields}


@given(data=st.data(), kinds=st.lists(st.sampled_from(["text", "summary"]), min_size=1, max_size=4))
def test_any_interleaving_of_reasoning_blocks_is_untangled(data: st.DataObject, kinds: list[str]) -> None:
    parts = [data.draw(st.lists(st.text(max_size=5), min_size=1, max_size=4)) for _ in kinds]
    turns = data.draw(st.permutations([block for block, texts in enumerate(parts) for _ in texts]))
    rest = [list(texts) for texts in parts]
    deltas = [[{"type": f"reasoning.{kinds[b]}", "index": b, kinds[b]: rest[b].pop(0), "id": None}] for b in turns]
    result, visible = blocks(*deltas)
    assert result == [
        {"type": f"reasoning.{kinds[b]}", "index": b, kinds[b]: "".join(parts[b]), "id": None}
        for b in dict.fromkeys(turns)
    ]
    assert visible == [part[0]["text"] if "text" in part[0] else part[0]["summary"] for part in deltas]
