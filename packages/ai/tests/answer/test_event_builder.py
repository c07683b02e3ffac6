"""Chunks become events whose brackets fit, however text, thinking and tool calls are mixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from raptscallions_ai.answer.collector import collected
from raptscallions_ai.answer.event_builder import EventBuilder
from raptscallions_ai.answer.events import (
    AnnotationEvent,
    DoneEvent,
    ErrorEvent,
    ImageEvent,
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
from raptscallions_ai.answer.result import ChatResult, Usage
from raptscallions_ai.errors import ProviderError, StreamInterruptedError
from raptscallions_ai.tools.tool_call import ToolCall

pytestmark = pytest.mark.requirement("E04-T005.AC5")


def events_of(*chunks: StreamChunk) -> list[StreamEvent]:
    brackets = EventBuilder()
    return [event for chunk in chunks for event in brackets.feed(chunk)]


def test_text_thinking_tool_and_text_again() -> None:
    result = ChatResult(content="Hello, bye")
    assert events_of(
        ReasoningChunk("Hm"),
        ReasoningChunk("."),
        ContentChunk("Hel"),
        ContentChunk("lo"),
        ToolCallChunk(0, "call_1", "weather"),
        ToolCallChunk(0, arguments="{}"),
        ContentChunk(", bye"),
        DoneChunk(result),
    ) == [
        StartEvent(),
        ThinkingStartEvent(0),
        ThinkingDeltaEvent(0, "Hm"),
        ThinkingDeltaEvent(0, "."),
        ThinkingEndEvent(0, "Hm."),
        TextStartEvent(1),
        TextDeltaEvent(1, "Hel"),
        TextDeltaEvent(1, "lo"),
        TextEndEvent(1, "Hello"),
        ToolCallStartEvent(2, "call_1", "weather"),
        ToolCallDeltaEvent(2, "{}"),
        TextStartEvent(3),
        TextDeltaEvent(3, ", bye"),
        TextEndEvent(3, ", bye"),
        ToolCallEndEvent(2, ToolCall("call_1", "weather", "{}")),
        DoneEvent(result),
    ]


def test_calls_that_arrive_interleaved_are_kept_apart_and_do_not_cut_text() -> None:
    events = events_of(
        ToolCallChunk(0, "call_1", "weather", "{"),
        ToolCallChunk(1, "call_2", "now", "{"),
        ContentChunk("a"),
        ToolCallChunk(0, arguments="}"),
        ContentChunk("b"),
        ToolCallChunk(1, arguments="}"),
        DoneChunk(ChatResult()),
    )
    assert [event for event in events if isinstance(event, TextEndEvent)] == [TextEndEvent(2, "ab")]
    assert [event for event in events if isinstance(event, ToolCallEndEvent)] == [
        ToolCallEndEvent(0, ToolCall("call_1", "weather", "{}")),
        ToolCallEndEvent(1, ToolCall("call_2", "now", "{}")),
    ]


def test_a_call_starts_when_its_name_is_there() -> None:
    assert events_of(
        ToolCallChunk(0, "call_1", None, '{"a"'),
        ToolCallChunk(0, None, None, ":"),
        ToolCallChunk(0, None, "weather", "1"),
        ToolCallChunk(0, None, None, "}"),
    ) == [
        StartEvent(),
        ToolCallStartEvent(0, "call_1", "weather"),
        ToolCallDeltaEvent(0, '{"a":1'),
        ToolCallDeltaEvent(0, "}"),
    ]


def test_a_call_that_never_gets_a_name_is_not_lost() -> None:
    events = events_of(ContentChunk("x"), ToolCallChunk(0, "call_1", None, "{}"), DoneChunk(ChatResult()))
    assert events[3:-1] == [
        TextEndEvent(0, "x"),
        ToolCallStartEvent(1, "call_1", ""),
        ToolCallDeltaEvent(1, "{}"),
        ToolCallEndEvent(1, ToolCall("call_1", "", "{}")),
    ]


def test_annotations_images_and_keep_alives_stand_beside_the_blocks() -> None:
    annotation, image = {"type": "url_citation"}, {"type": "image_url", "image_url": {"url": "data:,x"}}
    events = events_of(
        WaitingChunk(),
        ContentChunk("a"),
        AnnotationChunk(annotation),
        ImageChunk(image),
        ContentChunk("b"),
        DoneChunk(ChatResult()),
    )
    assert events == [
        StartEvent(),
        WaitingEvent(),
        TextStartEvent(0),
        TextDeltaEvent(0, "a"),
        AnnotationEvent(annotation),
        ImageEvent(image),
        TextDeltaEvent(0, "b"),
        TextEndEvent(0, "ab"),
        DoneEvent(ChatResult()),
    ]
    assert events[5].partial == ChatResult(content="a", annotations=(annotation,), images=(image,))
    assert isinstance(events[5], ImageEvent)
    assert events[5].url == "data:,x"


def test_a_restart_voids_all_blocks_and_begins_with_new_indexes() -> None:
    cut = StreamInterruptedError("cut")
    brackets = EventBuilder()
    before = [event for chunk in (ContentChunk("a"), ToolCallChunk(0, "1", "f", "{")) for event in brackets.feed(chunk)]
    [restarted] = brackets.feed(RestartedChunk(ChatResult(content="a"), cut))
    after = [event for chunk in (ContentChunk("b"), DoneChunk(ChatResult())) for event in brackets.feed(chunk)]
    assert restarted == RestartedEvent(ChatResult(content="a"), cut)
    assert restarted.partial == ChatResult()
    assert after == [TextStartEvent(2), TextDeltaEvent(2, "b"), TextEndEvent(2, "b"), DoneEvent(ChatResult())]
    assert after[1].partial.content == "b"
    assert before[-1].partial.content == "a"


def test_a_failure_ends_what_is_open_without_saying_that_it_is_whole() -> None:
    brackets = EventBuilder()
    brackets.feed(ToolCallChunk(0, "call_1", "pay", '{"amount": 1'))
    event = brackets.fail(ProviderError())
    assert (event.type, event.error.message) == ("error", "AI gateway error")
    assert event.partial.tool_calls == (ToolCall("call_1", "pay", '{"amount": 1'),)
    told = ErrorEvent(ProviderError(partial=ChatResult(content="of the error")))
    assert told.partial.content == "of the error"
    assert ErrorEvent(ProviderError()).partial == ChatResult()


def test_what_events_say_of_themselves_shows_nothing_of_the_answer() -> None:
    secret, result = "nobody must see", ChatResult(content="nobody must see", usage=Usage(1, 2, 3))
    call = ToolCall("call_1", "f", f'"{secret}"')
    blocks = [TextDeltaEvent(0, secret), ThinkingEndEvent(0, secret), ToolCallEndEvent(0, call)]
    beside = [AnnotationEvent({"type": "file", "text": secret}), ImageEvent({"image_url": {"url": secret}})]
    ends = [DoneEvent(result), RestartedEvent(result, ProviderError(partial=result)), *events_of(ContentChunk(secret))]
    assert secret not in repr([*blocks, *beside, *ends])
    assert repr(TextDeltaEvent(3, "abc")) == "TextDeltaEvent(index=3, delta=3 characters)"
    assert repr(ToolCallStartEvent(3, "id", "f")) == "ToolCallStartEvent(index=3, id='id', name='f')"
    assert DoneEvent(result).usage == Usage(1, 2, 3)


def test_events_are_equal_by_what_they_say() -> None:
    assert events_of(ContentChunk("a"))[-1] == TextDeltaEvent(0, "a") != TextDeltaEvent(0, "b")
    assert TextDeltaEvent(0, "a") != ThinkingDeltaEvent(0, "a")
    assert len({TextDeltaEvent(0, "a"), *events_of(ContentChunk("a"))[-1:], TextDeltaEvent(1, "a")}) == 2
    with pytest.raises(AttributeError):
        TextDeltaEvent(0, "a").delta = "b"  # pyright: ignore[reportAttributeAccessIssue] - that is the test


texts = st.text(max_size=3)
chunks = st.one_of(
    st.builds(ContentChunk, texts),
    st.builds(ReasoningChunk, texts),
    st.builds(
        ToolCallChunk,
        st.integers(0, 3),
        st.one_of(st.none(), st.sampled_from(["call_a", "call_b"])),
        st.one_of(st.none(), st.sampled_from(["f", "g"])),
        texts,
    ),
    st.builds(AnnotationChunk, st.just({"type": "file"})),
    st.builds(ImageChunk, st.just({"type": "image_url"})),
    st.just(WaitingChunk()),
    st.just(RestartedChunk(ChatResult(), StreamInterruptedError("cut"))),
)


class Reader:
    """Reads events as a user interface would, and insists on the brackets."""

    def __init__(self) -> None:
        self.open: dict[int, tuple[str, str]] = {}
        self.ended: dict[int, tuple[str, str]] = {}
        self.used: set[int] = set()

    def read(self, event: StreamEvent) -> None:
        kind = event.type.rpartition("_")[0]
        if isinstance(event, TextStartEvent | ThinkingStartEvent | ToolCallStartEvent):
            assert event.index not in self.used
            self.used.add(event.index)
            self.open[event.index] = (kind, "")
        elif isinstance(event, TextDeltaEvent | ThinkingDeltaEvent | ToolCallDeltaEvent):
            open_kind, text = self.open[event.index]
            assert open_kind == kind
            assert event.delta or kind != "tool_call"
            self.open[event.index] = (kind, text + event.delta)
        elif isinstance(event, TextEndEvent | ThinkingEndEvent):
            assert self.open[event.index] == (kind, event.content)
            self.ended[event.index] = self.open.pop(event.index)
        elif isinstance(event, ToolCallEndEvent):
            assert self.open[event.index] == (kind, event.tool_call.raw_arguments)
            self.ended[event.index] = self.open.pop(event.index)
        elif isinstance(event, RestartedEvent):
            self.open.clear()
            self.ended.clear()

    def text(self, wanted: str) -> str:
        blocks = {**self.ended, **self.open}
        return "".join(blocks[index][1] for index in sorted(blocks) if blocks[index][0] == wanted)


@given(st.lists(chunks, max_size=30))
def test_the_brackets_of_any_stream_fit(given_chunks: list[StreamChunk]) -> None:
    restarts = [number for number, chunk in enumerate(given_chunks) if isinstance(chunk, RestartedChunk)]
    answer = given_chunks[restarts[-1] + 1 :] if restarts else given_chunks
    result = collected(answer)
    reader = Reader()
    events = events_of(*given_chunks, DoneChunk(result))
    for event in events[:-1]:
        reader.read(event)
        assert event.partial.content == reader.text("text")
        assert event.partial.reasoning == reader.text("thinking")
    assert [event.type for event in events].count("start") == 1
    assert events[0] == StartEvent()
    assert events[-1] == DoneEvent(result)
    assert reader.open == {}
    assert (reader.text("text"), reader.text("thinking")) == (result.content, result.reasoning)
    calls = [event.tool_call for event in events if isinstance(event, ToolCallEndEvent)]
    assert Counter(calls) == Counter(result.tool_calls)


@given(st.lists(chunks, min_size=1, max_size=20))
def test_the_partial_of_an_event_is_the_message_of_that_moment_whenever_it_is_asked_for(
    given_chunks: list[StreamChunk],
) -> None:
    brackets = EventBuilder()
    events: list[StreamEvent] = []
    at_once: list[ChatResult] = []
    for chunk in given_chunks:
        for event in brackets.feed(chunk):
            events.append(event)
            at_once.append(event.partial)
    assert [event.partial for event in events] == at_once
    assert brackets.fail(ProviderError()).partial == collected(given_chunks)


def test_what_an_event_costs_does_not_grow(calls_of: Callable[[Callable[[], object]], Counter[str]]) -> None:
    chunks = [ContentChunk("abcd"), ToolCallChunk(0, None, "f", "abcd")] * 300
    brackets = EventBuilder()

    def feed_all() -> None:
        for chunk in chunks:
            brackets.feed(chunk)

    feed_all()
    early = calls_of(feed_all)
    for _ in range(40):
        feed_all()
    assert calls_of(feed_all) == early
    assert early["EventBuilder.feed"] == len(chunks)
    [*_, done] = brackets.feed(DoneChunk(ChatResult()))
    assert isinstance(done, DoneEvent)
