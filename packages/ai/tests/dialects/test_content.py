"""Content that is not text, in the shapes that hosts send: shown once, kept whole, and sent back as it came."""

from __future__ import annotations

import base64
import json
import pickle
from typing import Any

import pytest
from ai_tests import Drive

from raptscallions_ai import ChatMessage, from_json, to_json
from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    AudioChunk,
    ContentChunk,
    ReasoningChunk,
    RefusalChunk,
    StreamChunk,
)
from raptscallions_ai.answer.result import ChatResult
from raptscallions_ai.errors import InvalidResponseError, StreamInterruptedError

pytestmark = [
    pytest.mark.requirement("E04-T018.AC1"),
    pytest.mark.requirement("E04-T020.AC1"),
    pytest.mark.requirement("E04-T020.AC2"),
]

USAGE = {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11}
SIZES = pytest.mark.parametrize("size", [None, 1, 3, 64])


def body(*events: dict[str, Any] | str) -> bytes:
    sent = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return b"".join(b"data: " + event.encode() + b"\n\n" for event in sent)


def deltas(*fields: dict[str, Any], **beside: Any) -> bytes:
    events = [{"choices": [{"index": 0, "delta": delta}], **beside} for delta in fields]
    end: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE}
    return body(*events, end) + b"data: [DONE]\n\n"


def answer(drive: Drive, data: bytes, size: int | None = None) -> tuple[list[StreamChunk], ChatResult]:
    chunks, result, failure = drive(data, size)
    assert failure is None and result is not None, failure
    return chunks, result


def whole(**message: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], "usage": USAGE}).encode()


def sent_back(result: ChatResult) -> dict[str, Any]:
    """The message that goes back, also after it was kept as JSON, pickled, and made of a dict again."""
    message = result.to_message().to_dict()
    for again in (from_json(to_json(result), ChatResult), pickle.loads(pickle.dumps(result))):
        assert again == result
        assert again.to_message().to_dict() == message
    assert ChatMessage.from_dict(message).to_dict() == message
    return message


# What must be sent back


@SIZES
@pytest.mark.parametrize("name", ["reasoning", "reasoning_content", "reasoning_text", "thinking"])
def test_reasoning_goes_back_under_the_name_it_came_under(drive: Drive, name: str, size: int | None) -> None:
    data = deltas({name: "Let me"}, {name: " see."}, {"content": "42"})
    chunks, result = answer(drive, data, size)
    assert chunks[:3] == [ReasoningChunk("Let me"), ReasoningChunk(" see."), ContentChunk("42")]
    assert result.reasoning == "Let me see."
    assert sent_back(result) == {"role": "assistant", "content": "42", name: "Let me see."}
    assert sent_back(answer(drive, whole(content="42", **{name: "Let me see."}))[1]) == sent_back(result)


CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize("signed", ["extra_content", "provider_specific_fields", "thought_signature"])
def test_the_signature_of_a_call_goes_back_with_it(drive: Drive, signed: str) -> None:
    call = {**CALL, signed: {"google": {"thought_signature": "c2ln"}}}
    _, streamed = answer(drive, deltas({"tool_calls": [call]}))
    del call["index"]
    _, at_once = answer(drive, whole(content=None, tool_calls=[call]))
    assert sent_back(streamed)["tool_calls"] == sent_back(at_once)["tool_calls"] == [call]


@SIZES
def test_signed_thinking_goes_back_whole(drive: Drive, size: int | None) -> None:
    blocks = [
        {"type": "thinking", "thinking": "Let me", "signature": None},
        {"type": "thinking", "thinking": " see.", "signature": ""},
        {"type": "thinking", "thinking": "", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "thinking", "thinking": "More."},
        {"type": "thinking", "thinking": "", "signature": "c2ln2"},
    ]
    fields = [{"thinking_blocks": [block], "reasoning_content": block.get("thinking") or None} for block in blocks]
    chunks, result = answer(drive, deltas(*fields, {"tool_calls": [CALL]}), size)
    assert [chunk.content for chunk in chunks if isinstance(chunk, ReasoningChunk)] == ["Let me", " see.", "More."]
    expected = [
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "thinking", "thinking": "More.", "signature": "c2ln2"},
    ]
    message = sent_back(result)
    assert message["thinking_blocks"] == expected
    assert message["reasoning_content"] == "Let me see.More."
    assert "reasoning" not in message
    _, at_once = answer(drive, whole(content=None, thinking_blocks=expected))
    assert (at_once.reasoning, sent_back(at_once)["thinking_blocks"]) == ("Let me see.More.", expected)


def test_geminis_thoughts_and_the_signature_of_a_message(drive: Drive) -> None:
    thought = {"google": {"thought": True}}
    fields = [
        {"content": "<thought>Hm", "extra_content": thought},
        {"content": ", yes.", "extra_content": thought},
        {"content": "</thought>42"},
        {"content": "", "extra_content": {"google": {"thought_signature": "c2ln"}}},
    ]
    chunks, result = answer(drive, deltas(*fields))
    assert chunks[:3] == [ReasoningChunk("Hm"), ReasoningChunk(", yes."), ContentChunk("42")]
    message = sent_back(result)
    assert message["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    assert message["content"] == "42"


THINKING_PARTS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "Mistral": (
        [
            {"type": "thinking", "thinking": [{"type": "text", "text": "Let me"}]},
            {"type": "thinking", "thinking": [{"type": "text", "text": " see."}], "closed": True},
        ],
        {"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}], "closed": True},
    ),
    "Databricks": (
        [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Let me", "signature": ""}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": " see.", "signature": ""}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "", "signature": "c2ln"}]},
        ],
        {"type": "reasoning", "summary": [{"type": "summary_text", "signature": "c2ln", "text": "Let me see."}]},
    ),
    "a plain text": (
        [{"type": "thinking", "thinking": "Let me"}, {"type": "thinking", "thinking": " see.", "signature": "c2ln"}],
        {"type": "thinking", "signature": "c2ln", "thinking": "Let me see."},
    ),
    "in the place of text": (
        [{"type": "reasoning", "text": "Let me see."}],
        {"type": "reasoning", "text": "Let me see."},
    ),
}


@SIZES
@pytest.mark.parametrize("parts", THINKING_PARTS.values(), ids=THINKING_PARTS)
def test_thinking_among_the_parts_of_the_content(
    drive: Drive, parts: tuple[list[dict[str, Any]], dict[str, Any]], size: int | None
) -> None:
    pieces, together = parts
    data = deltas(
        *({"content": [piece]} for piece in pieces), {"content": [{"type": "text", "text": "4"}]}, {"content": "2"}
    )
    chunks, result = answer(drive, data, size)
    assert "".join(chunk.content for chunk in chunks if isinstance(chunk, ReasoningChunk)) == "Let me see."
    assert (result.reasoning, result.content) == ("Let me see.", "42")
    message = sent_back(result)
    assert message["content"] == [together, {"type": "text", "text": "42"}]
    assert "reasoning" not in message
    _, at_once = answer(drive, whole(content=message["content"]))
    assert (at_once.reasoning, sent_back(at_once)["content"]) == ("Let me see.", message["content"])


# Content that is not text


@SIZES
@pytest.mark.parametrize("padded", [False, True])
def test_sound_and_its_transcript(drive: Drive, size: int | None, padded: bool) -> None:
    sound = bytes(range(50))
    cut = 20 if padded else 21
    pieces = [base64.b64encode(part).decode() for part in (sound[:cut], sound[cut:])]
    fields: list[dict[str, Any]] = [
        {"audio": {"id": "audio_1", "transcript": "Hel"}},
        {"audio": {"data": pieces[0]}},
        {"audio": {"transcript": "lo", "data": pieces[1]}},
        {"audio": {"expires_at": 1800000000}},
    ]
    chunks, result = answer(drive, deltas(*fields), size)
    assert chunks[:3] == [AudioChunk("", "Hel"), AudioChunk(pieces[0]), AudioChunk(pieces[1], "lo")]
    assert b"".join(chunk.sound for chunk in chunks if isinstance(chunk, AudioChunk)) == sound
    assert result.audio is not None
    assert base64.b64decode(result.audio["data"]) == sound
    assert {**result.audio, "data": ""} == {
        "id": "audio_1", "expires_at": 1800000000, "data": "", "transcript": "Hello",
    }  # fmt: skip
    assert sent_back(result)["audio"] == {"id": "audio_1"}
    _, at_once = answer(drive, whole(content=None, audio=result.audio))
    assert at_once.audio == result.audio


@SIZES
def test_words_of_refusal_are_chunks_and_no_part_of_the_text(drive: Drive, size: int | None) -> None:
    chunks, result = answer(drive, deltas({"refusal": "I can"}, {"refusal": "not."}, {"content": None}), size)
    assert chunks == [RefusalChunk("I can"), RefusalChunk("not.")]
    assert (result.content, result.refusal) == ("", "I cannot.")
    part = {"type": "refusal", "refusal": "I cannot."}
    assert answer(drive, deltas({"content": [part]}))[1].refusal == "I cannot."


@SIZES
def test_sources_beside_the_choices_are_reported_once_each(drive: Drive, size: int | None) -> None:
    beside = {
        "citations": ["https://b.example/", "https://a.example/"],
        "search_results": [
            {"title": "A", "url": "https://a.example/", "date": "2026-01-01"},
            {"title": "C", "url": "https://c.example/"},
        ],
    }
    chunks, result = answer(drive, deltas({"content": "One [1]"}, {"content": " and two [2]."}, **beside), size)
    expected = [
        {"type": "url_citation", "url_citation": {"url": "https://b.example/"}},
        {"type": "url_citation", "url_citation": {"title": "A", "date": "2026-01-01", "url": "https://a.example/"}},
        {"type": "url_citation", "url_citation": {"title": "C", "url": "https://c.example/"}},
    ]
    assert list(result.annotations) == expected
    assert [chunk.annotation for chunk in chunks if isinstance(chunk, AnnotationChunk)] == expected
    assert "annotations" not in sent_back(result)


def test_sources_of_others(drive: Drive) -> None:
    found = [{"link": "https://a.example/", "title": "A", "content": "..."}, {"title": "without a place"}]
    _, result = answer(
        drive, deltas({"content": "x"}, web_search=found, citations=[None, 5, {"url": "https://b.example/"}])
    )
    assert [each["url_citation"]["url"] for each in result.annotations] == ["https://b.example/", "https://a.example/"]
    reference = {"type": "reference", "reference_ids": [1, 2]}
    _, result = answer(drive, deltas({"content": [{"type": "text", "text": "x"}, reference]}))
    assert result.annotations == (reference,)


# Odd shapes


HALVES = [
    '{"choices":[{"index":0,"delta":{"NAME":"a\\ud83d"}}]}',
    '{"choices":[{"index":0,"delta":{"NAME":"\\ude00b"}}]}',
]


@SIZES
@pytest.mark.parametrize("name", ["content", "reasoning", "reasoning_content", "refusal"])
def test_a_character_that_is_cut_in_two_is_joined(drive: Drive, name: str, size: int | None) -> None:
    first, second = (half.replace("NAME", name) for half in HALVES)
    between = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    chunks, result = answer(drive, body(first, between, second) + deltas({"content": "!"}), size)
    said = {"content": result.content, "refusal": result.refusal}.get(name, result.reasoning)
    assert said == ("a\U0001f600b!" if name == "content" else "a\U0001f600b")
    assert "".join(getattr(chunk, "content", "") for chunk in chunks) == ("a\U0001f600b!")


@pytest.mark.parametrize("order", [[0], [1], [1, 0], [0, 0], [1, 1]], ids=str)
def test_half_a_character_alone_costs_nothing_but_itself(drive: Drive, order: list[int]) -> None:
    data = body(*(HALVES[which].replace("NAME", "content") for which in order))
    chunks, result = answer(drive, data + deltas({"content": "end"}))
    assert result.content.replace("\ufffd", "") == "".join("ab"[which] for which in order) + "end"
    assert "".join(chunk.content for chunk in chunks if isinstance(chunk, ContentChunk)) == result.content
    assert result.content.isprintable()


@pytest.mark.parametrize("order", [[0, 1], [1, 0]], ids=str)
def test_of_several_answers_the_first_is_taken_wherever_it_stands(drive: Drive, order: list[int]) -> None:
    def choices(texts: list[str], **fields: Any) -> dict[str, Any]:
        return {"choices": [{"index": n, "delta": {"content": texts[n]}, **fields} for n in order]}

    end = choices(["", ""], finish_reason="stop")
    data = body(choices(["good", "bad"]), choices([" and", " or"]), {**end, "usage": USAGE}) + b"data: [DONE]\n\n"
    assert answer(drive, data)[1].content == "good and"
    messages = [{"index": n, "message": {"content": ["good", "bad"][n]}, "finish_reason": "stop"} for n in order]
    assert answer(drive, json.dumps({"choices": messages, "usage": USAGE}).encode())[1].content == "good"


@SIZES
def test_one_object_where_a_list_of_tool_calls_belongs(drive: Drive, size: int | None) -> None:
    start = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a"'}}
    more = {"index": 0, "id": "", "function": {"name": None, "arguments": ":1}"}}
    _, result = answer(drive, deltas({"tool_calls": start}, {"tool_calls": more}), size)
    assert [(call.id, call.name, call.arguments) for call in result.tool_calls] == [("c", "f", {"a": 1})]


@SIZES
def test_calls_of_functions_as_they_were_before_tools(drive: Drive, size: int | None) -> None:
    fields: list[dict[str, Any]] = [
        {"function_call": {"name": "f", "arguments": '{"a"'}},
        {"function_call": {"arguments": ":1}"}},
    ]
    _, result = answer(drive, deltas(*fields), size)
    assert [(call.name, call.arguments) for call in result.tool_calls] == [("f", {"a": 1})]
    assert result.finish_reason == "tool_calls"


@SIZES
def test_the_shape_of_legacy_completions(drive: Drive, size: int | None) -> None:
    texts = [{"choices": [{"text": text, "index": 0, "finish_reason": None}]} for text in ("One", " two")]
    end = {"choices": [{"text": ".", "index": 0, "finish_reason": "length"}], "usage": USAGE}
    chunks, result = answer(drive, body(*texts, end) + b"data: [DONE]\n\n", size)
    assert chunks == [ContentChunk("One"), ContentChunk(" two"), ContentChunk(".")]
    assert (result.content, result.finish_reason) == ("One two.", "length")
    assert answer(drive, json.dumps(end).encode())[1].content == "."


@pytest.mark.parametrize("tokens", [0, 3])
def test_silence_without_a_token_is_no_answer(drive: Drive, tokens: int) -> None:
    end = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]}
    usage = {"prompt_tokens": 8, "completion_tokens": tokens, "total_tokens": 8 + tokens}
    _, result, failure = drive(body({**end, "usage": usage}) + b"data: [DONE]\n\n")
    if tokens:
        assert result is not None and result.content == ""
    else:
        assert isinstance(failure, InvalidResponseError) and failure.retryable
        assert str(failure) == "Invalid AI API response: the answer has no content"


@pytest.mark.parametrize(
    ("said", "means"),
    [("model_length", "length"), ("model_context_window_exceeded", "length"), ("sensitive", "content_filter")],
)
def test_other_words_for_the_end(drive: Drive, said: str, means: str) -> None:
    end = {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": said}], "usage": USAGE}
    assert answer(drive, body(end) + b"data: [DONE]\n\n")[1].finish_reason == means


@pytest.mark.parametrize("said", ["insufficient_system_resource", "network_error", "MALFORMED_FUNCTION_CALL"])
def test_words_for_the_end_that_mean_a_failure(drive: Drive, said: str) -> None:
    end = {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": said}], "usage": USAGE}
    _, _, failure = drive(body(end) + b"data: [DONE]\n\n")
    assert isinstance(failure, StreamInterruptedError) and failure.retryable
    assert failure.partial is not None and failure.partial.content == "x"
