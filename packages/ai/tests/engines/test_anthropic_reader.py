"""Anthropic's streams and whole messages: the same chunks and the same result at every size of read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._dialects.anthropic.conversation import conversation
from raptscallions_ai._dialects.anthropic.encode import ANSWER_TOOL
from raptscallions_ai._dialects.anthropic.reader import AnthropicReader
from raptscallions_ai._dialects.decoder import AnswerDecoder
from raptscallions_ai._dialects.fold import Fold
from raptscallions_ai.answer.chunks import AnnotationChunk, ContentChunk, ReasoningChunk, StreamChunk, ToolCallChunk
from raptscallions_ai.answer.result import ChatResult
from raptscallions_ai.errors import AiError, InvalidResponseError, ProviderError, RefusalError
from raptscallions_ai.structured.call import read_answer
from raptscallions_ai.structured.output_format import OutputFormat
from raptscallions_ai.testing.replay import recorded_reply

WIRE = Path(__file__).parents[1] / "fixtures" / "wire"
Outcome = tuple[list[StreamChunk], ChatResult | None, AiError | None]
Event = dict[str, Any]


def read(body: bytes, size: int | None = None, *, cut: str | None = None) -> Outcome:
    fold = Fold(model="asked", require_usage=True, redact=str)
    decoder = AnswerDecoder(fold, AnthropicReader(fold, origin="http://here"), max_bytes=1 << 20)
    chunks: list[StreamChunk] = []
    step = size or len(body) or 1
    for start in range(0, len(body), step):
        chunks += decoder.feed(body[start : start + step])
        if decoder.ended:
            break
    rest, result = decoder.close(cut)
    if (failure := fold.failure) is not None:
        fold.describe(failure)
    return chunks + rest, result, failure


def recorded(name: str) -> bytes:
    return b"".join(step for step in recorded_reply(WIRE / f"{name}.txt").steps if isinstance(step, bytes))


def sse(*events: Event) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


def start(**message: Any) -> Event:
    whole: Event = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "claude-x"}
    return {"type": "message_start", "message": {**whole, "usage": {"input_tokens": 10, "output_tokens": 1}, **message}}


def block(index: int, content: Event, *deltas: Event) -> list[Event]:
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(*pieces: str, index: int = 0) -> list[Event]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))


def end(reason: str = "end_turn", **delta: Any) -> list[Event]:
    ending = {"type": "message_delta", "delta": {"stop_reason": reason, **delta}, "usage": {"output_tokens": 7}}
    return [ending, {"type": "message_stop"}]


def answer(*events: Event | Sequence[Event]) -> ChatResult:
    flat = [each for event in events for each in ([event] if isinstance(event, dict) else event)]
    _, result, failure = read(sse(start(), *flat))
    assert failure is None
    assert result is not None
    return result


# content, finish reason, native, prompt and completion tokens, cached
RECORDINGS = {
    "aimock-anthropic-hello": ("Hello there, how can I help?", "stop", "end_turn", 9, 7, 0),
    "litellm-anthropic-messages-stream": ("Greeting.", "stop", "end_turn", 37, 5, 36),
    "llamacpp-anthropic-messages-stream": ("Hi there, welcome to the", "length", "max_tokens", 37, 24, 36),
    "llamacpp-anthropic-messages": ("", "length", "max_tokens", 37, None, 36),
    "litellm-anthropic-messages": ("", "stop", "end_turn", 37, None, None),
    "llamacpp-qwen-anthropic-tool-stream": ("", "tool_calls", "tool_use", 147, 24, 68),
    "llamacpp-reasoning-anthropic-stream": ("", "stop", "end_turn", 20, 7, 3),
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, None])
@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings(name: str, size: int | None) -> None:
    content, finish, native, prompt, completion, cached = RECORDINGS[name]
    _, result, failure = read(recorded(name), size)
    assert failure is None
    assert result is not None
    assert result.content.startswith(content)
    assert (result.finish_reason, result.native_finish_reason) == (finish, native)
    assert result.usage.prompt_tokens == prompt
    assert completion is None or result.usage.completion_tokens == completion
    assert cached is None or result.usage.cached_tokens == cached


def test_a_recorded_tool_call() -> None:
    _, result, _ = read(recorded("llamacpp-qwen-anthropic-tool-stream"))
    assert result is not None
    (call,) = result.tool_calls
    assert (call.name, call.raw_arguments) == ("get_weather", '{"city": "Paris", "unit": "celsius"}')


def test_a_killed_upstream_is_the_error_that_the_gateway_tells() -> None:
    _, result, failure = read(recorded("litellm-anthropic-midstream-upstream-killed"))
    assert result is None
    assert isinstance(failure, ProviderError)
    assert failure.partial is not None
    assert len(failure.partial.content) > 20


WHOLE = sse(
    start(),
    {"type": "ping"},
    *block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Let me"},
        {"type": "thinking_delta", "thinking": " see."},
        {"type": "signature_delta", "signature": "c2ln"},
    ),
    *block(1, {"type": "redacted_thinking", "data": "b3BhcXVl"}),
    *text("Hel", "lo ü\u2028", index=2),
    *block(
        3,
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
        {"type": "input_json_delta", "partial_json": ""},
        {"type": "input_json_delta", "partial_json": '{"a"'},
        {"type": "input_json_delta", "partial_json": ": [1, 2.50]}"},
    ),
    *block(4, {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}}),
    *end("tool_use"),
)


def test_everything_that_a_turn_may_hold() -> None:
    chunks, result, _ = read(WHOLE)
    assert result is not None
    assert (result.content, result.reasoning, result.finish_reason) == ("Hello ü\u2028", "Let me see.", "tool_calls")
    assert [(call.id, call.name, call.arguments) for call in result.tool_calls] == [
        ("toolu_1", "f", {"a": [1, 2.5]}),
        ("toolu_2", "g", {}),
    ]
    assert result.reasoning_details == (
        {
            "type": "reasoning.text",
            "text": "Let me see.",
            "index": 0,
            "signature": "c2ln",
            "format": "anthropic-claude-v1",
        },
        {"type": "reasoning.encrypted", "data": "b3BhcXVl", "index": 1, "format": "anthropic-claude-v1"},
    )
    assert [type(chunk) for chunk in chunks if isinstance(chunk, ReasoningChunk | ContentChunk)] == [
        ReasoningChunk,
        ReasoningChunk,
        ContentChunk,
        ContentChunk,
    ]
    assert sum(isinstance(chunk, ToolCallChunk) for chunk in chunks) == 4
    assert result.native == {
        "dialect": "anthropic",
        "model": "claude-x",
        "origin": "http://here",
        "content": [
            {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "b3BhcXVl"},
            {"type": "text", "text": "Hello ü\u2028"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, 2.5]}},
            {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
        ],
    }
    assert result.to_message().to_dict()["native"] == result.native


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_any_cut_of_the_bytes_gives_the_same(sizes: list[int]) -> None:
    expected, result, _ = read(WHOLE)
    fold = Fold(model="asked", require_usage=True, redact=str)
    decoder = AnswerDecoder(fold, AnthropicReader(fold, origin="http://here"), max_bytes=1 << 20)
    chunks: list[StreamChunk] = []
    rest, at = WHOLE, 0
    while rest:
        size = sizes[at % len(sizes)]
        chunks += decoder.feed(rest[:size])
        rest, at = rest[size:], at + 1
    assert (chunks, decoder.close()[1]) == (expected, result)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("something_new", "something_new"),
    ],
)
def test_finish_reasons(reason: str, finish: str) -> None:
    result = answer(text("x"), end(reason))
    assert (result.finish_reason, result.native_finish_reason) == (finish, reason)


@pytest.mark.requirement("E04-T022.AC3")
def test_a_refusal_has_the_words_of_the_model_and_its_category() -> None:
    details = {"category": "cyber", "explanation": "I cannot help with that."}
    result = answer(end("refusal", stop_details=details))
    assert (result.refusal, result.refusal_category) == ("I cannot help with that.", "cyber")
    refused = read_answer(result, OutputFormat(dict[str, str], strict=False))
    assert isinstance(refused, RefusalError)
    assert refused.reasons == ("cyber",)
    assert result.native is not None
    assert result.native["stop_details"] == details


@pytest.mark.requirement("E04-T022.AC3")
def test_usage_is_cumulative_and_the_prompt_includes_the_cache() -> None:
    first = {"input_tokens": 43, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 7, "output_tokens": 1}
    ending = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {
            "input_tokens": 61,
            "cache_read_input_tokens": None,
            "output_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 9},
        },
    }
    _, result, _ = read(sse(start(usage=first), *text("x"), ending, {"type": "message_stop"}))
    assert result is not None
    usage = result.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (168, 20, 188)
    assert (usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == (7, 100, 9)
    assert usage.raw["cache_creation_input_tokens"] == 100
    assert (usage.cost, usage.cost_source) == (None, "unknown")


@pytest.mark.requirement("E04-T022.AC3")
def test_a_compaction_is_part_of_the_bill() -> None:
    rows = [
        {"type": "compaction", "input_tokens": 1000, "output_tokens": 50},
        {"type": "message", "input_tokens": 100, "output_tokens": 5},
    ]
    ending = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"input_tokens": 100, "output_tokens": 5, "iterations": rows},
    }
    _, result, _ = read(sse(start(), *text("x"), ending))
    assert result is not None
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (1100, 55)


def test_compaction_and_edits_of_the_context_are_kept_and_go_back() -> None:
    edits = {"applied_edits": [{"type": "clear_tool_uses_20250919", "cleared_tool_uses": 3}]}
    compaction = {"type": "compaction", "content": None}
    ending = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}
    _, result, _ = read(
        sse(
            start(),
            {"type": "content_block_start", "index": 0, "content_block": compaction},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "So far."}},
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Yes."}},
            {**ending, "context_management": edits},
        )
    )
    assert result is not None
    assert result.native is not None
    assert result.native["context_management"] == edits
    blocks = [{"type": "compaction", "content": "So far."}, {"type": "text", "text": "Yes."}]
    _, messages = conversation([result.to_message().to_dict()], origin="http://here")
    assert messages == [{"role": "assistant", "content": blocks}]


def test_citations_of_the_web_have_the_form_of_other_gateways() -> None:
    cited = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "so"}
    inside = {"type": "char_location", "cited_text": "x", "document_index": 0}
    deltas = [{"type": "citations_delta", "citation": each} for each in (cited, inside)]
    said = block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "So."}, *deltas)
    chunks, result, _ = read(sse(start(), *said, *end()))
    assert result is not None
    page = {"url": "https://a.example", "title": "A", "content": "so"}
    assert result.annotations == ({"type": "url_citation", "url_citation": page}, inside)
    assert sum(isinstance(chunk, AnnotationChunk) for chunk in chunks) == 2
    assert result.native is not None
    assert result.native["content"][0]["citations"] == [cited, inside]


def test_server_tools_are_kept_and_are_no_calls_for_the_caller() -> None:
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"encrypted_content": "x"}]}
    result = answer(
        block(
            0,
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"query": "x"}'},
        ),
        block(1, found),
        text("Found.", index=2),
        end(),
    )
    assert result.tool_calls == ()
    assert result.native is not None
    assert [each["type"] for each in result.native["content"]] == ["server_tool_use", "web_search_tool_result", "text"]
    assert result.native["content"][0]["input"] == {"query": "x"}


def test_an_answer_through_a_forced_tool_is_text() -> None:
    result = answer(
        block(
            0,
            {"type": "tool_use", "id": "t", "name": ANSWER_TOOL, "input": {}},
            {"type": "input_json_delta", "partial_json": '{"n":'},
            {"type": "input_json_delta", "partial_json": " 1}"},
        ),
        end("tool_use"),
    )
    assert (result.content, result.tool_calls, result.finish_reason) == ('{"n": 1}', (), "stop")


def test_a_start_that_holds_the_whole_answer() -> None:
    content = [{"type": "text", "text": "Hi"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]
    body = sse(start(content=content, stop_reason="tool_use"), {"type": "message_stop"})
    _, result, failure = read(body)
    assert failure is None
    assert result is not None
    assert (result.content, result.tool_calls[0].arguments) == ("Hi", {"a": 1})


def test_the_same_start_twice_is_one_answer_and_another_is_two_spliced() -> None:
    _, result, _ = read(sse(start(), start(), *text("x"), *end()))
    assert result is not None
    assert result.content == "x"
    _, spliced, failure = read(sse(start(), *text("x"), start(id="msg_2"), *text("y"), *end()))
    assert spliced is None
    assert isinstance(failure, InvalidResponseError)


def test_events_that_have_come_since_are_passed_over() -> None:
    new = {"type": "something_new", "value": 1}
    assert answer(new, text("x"), block(9, {"type": "new_block", "x": 1}, {"type": "new_delta"}), end()).content == "x"


def test_an_error_in_mid_stream_is_never_an_answer() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    _, result, failure = read(sse(start(), *text("x"), error))
    assert result is None
    assert isinstance(failure, ProviderError)
    assert (failure.status_code, failure.retryable) == (529, True)
    assert failure.partial is not None
    assert failure.partial.content == "x"


def test_an_answer_in_another_dialect_is_reported_to_be_one() -> None:
    body = (
        b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )
    _, result, failure = read(body)
    assert result is None
    assert isinstance(failure, InvalidResponseError)
    assert "it is a chat completion" in failure.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["type", "index", "delta", "content_block", "message", "usage", "error", "text", "id", "content", "citation"]
TYPES = ["message_start", "content_block_start", "content_block_delta", "message_delta", "text_delta", "tool_use"]


@given(
    st.lists(
        st.dictionaries(st.sampled_from(NAMES), JSON | st.sampled_from(TYPES) | st.integers(0, 3), max_size=5),
        max_size=6,
    )
)
def test_no_event_stops_the_reader(events: list[dict[str, Any]]) -> None:
    body = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)
    _, result, failure = read(body)
    assert (result is None) != (failure is None)
