"""`StreamCollector`: the chunks of an answer, put together by those who iterate themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    ContentChunk,
    DoneChunk,
    ImageChunk,
    ReasoningChunk,
    RestartedChunk,
    StreamChunk,
    ToolCallChunk,
    WaitingChunk,
)
from raptscallions_ai.answer.collector import StreamCollector
from raptscallions_ai.answer.result import ChatResult, Usage
from raptscallions_ai.errors import StreamInterruptedError
from raptscallions_ai.messages.message import ChatMessage
from raptscallions_ai.tools.tool_call import ToolCall

pytestmark = pytest.mark.requirement("E04-T005.AC5")

CHUNKS: list[StreamChunk] = [
    WaitingChunk(),
    ReasoningChunk("Hm"),
    ReasoningChunk("."),
    ContentChunk("Hel"),
    ToolCallChunk(1, "call_2", "now"),
    ToolCallChunk(0, "call_1", "weather", '{"city":'),
    ToolCallChunk(1, arguments="{}"),
    ContentChunk("lo"),
    ToolCallChunk(0, arguments='"Rome"}'),
    AnnotationChunk({"type": "url_citation"}),
    ImageChunk({"type": "image_url"}),
]
CALLS = (ToolCall("call_1", "weather", '{"city":"Rome"}'), ToolCall("call_2", "now", "{}"))


def test_everything_is_collected_and_only_text_is_returned() -> None:
    collector = StreamCollector()
    assert [text for chunk in CHUNKS if (text := collector.add(chunk)) is not None] == ["Hel", "lo"]
    assert (collector.content, collector.reasoning, collector.tool_calls) == ("Hello", "Hm.", CALLS)
    assert (collector.usage, collector.model, collector.finish_reason, collector.is_complete) == (None, "", None, False)
    assert collector.partial == ChatResult(
        content="Hello",
        reasoning="Hm.",
        tool_calls=CALLS,
        annotations=({"type": "url_citation"},),
        images=({"type": "image_url"},),
    )
    assert collector.message() == ChatMessage(
        "assistant", "Hello", tool_calls=CALLS, reasoning="Hm.", images=({"type": "image_url"},)
    )


def test_the_end_brings_the_streams_own_result() -> None:
    collector = StreamCollector()
    collector.add(ContentChunk("Hi"))
    details = ({"type": "reasoning.encrypted", "data": "x"},)
    result = ChatResult(
        content="Hi", usage=Usage(1, 2, 3), model="a/b", finish_reason="stop", reasoning_details=details
    )
    assert collector.add(DoneChunk(result)) is None
    assert collector.partial is result
    assert (collector.content, collector.usage, collector.model) == ("Hi", Usage(1, 2, 3), "a/b")
    assert (collector.finish_reason, collector.is_complete) == ("stop", True)
    assert collector.message().reasoning_details == details
    with pytest.raises(ValueError, match="new StreamCollector"):
        collector.add(ContentChunk("more"))


def test_an_answer_that_restarts_leaves_nothing_of_the_first() -> None:
    collector = StreamCollector()
    for chunk in CHUNKS:
        collector.add(chunk)
    assert collector.add(RestartedChunk(collector.partial, StreamInterruptedError("cut"))) is None
    assert collector.partial == ChatResult()
    collector.add(ContentChunk("Anew"))
    assert collector.content == "Anew"


def test_nothing_that_was_said_is_in_its_repr() -> None:
    collector = StreamCollector()
    collector.add(ContentChunk("secret"))
    assert repr(collector) == "StreamCollector(collecting)"


def test_what_a_chunk_costs_does_not_grow(calls_of: Callable[[Callable[[], object]], Counter[str]]) -> None:
    chunks = [ToolCallChunk(0, arguments="ab"), ContentChunk("abcd" * 8), ReasoningChunk("abcd")] * 300
    collector = StreamCollector()

    def add_all() -> None:
        for chunk in chunks:
            collector.add(chunk)

    first = calls_of(add_all)
    for _ in range(40):
        add_all()
    assert calls_of(add_all) == first
    assert first["StreamCollector.add"] == len(chunks)
    assert "str.join" not in first
    assert len(collector.content) == 42 * 300 * 32
