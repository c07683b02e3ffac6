import json
from typing import Any

import pytest
from ai_tests import Drive

from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    ContentChunk,
    ImageChunk,
    ReasoningChunk,
    RefusalChunk,
    StreamChunk,
)
from raptscallions_ai.answer.result import ChatResult

USAGE = {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11}


def choice(content: object = None, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": 0, "delta": {"role": "assistant", "content": content, **delta}, "finish_reason": finish}


def streamed(drive: Drive, *choices: dict[str, Any]) -> tuple[list[StreamChunk], ChatResult]:
    events: list[Any] = [{"choices": [choice]} for choice in choices]
    events.append({"choices": [], "usage": USAGE})
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    chunks, result, failure = drive(body + b"data: [DONE]\n\n")
    assert failure is None and result is not None
    return chunks, result


def whole(drive: Drive, **message: Any) -> tuple[list[StreamChunk], ChatResult]:
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": USAGE}
    chunks, result, failure = drive(json.dumps(body).encode())
    assert failure is None and result is not None
    return chunks, result


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
CITATION = {"type": "url_citation", "url_citation": {"url": "https://example.com", "start_index": 0}}
TOLD = {"type": "reasoning.text", "text": "hm"}
PARTS = [{"type": "text", "text": "Hel"}, {"type": "text", "text": ""}, IMAGE, 5, None, {"type": "text", "text": "lo"}]


def test_parts_as_content(drive: Drive) -> None:
    for chunks, result in (streamed(drive, choice(PARTS, "stop")), whole(drive, content=PARTS)):
        assert chunks == [ContentChunk("Hel"), ImageChunk(IMAGE), ContentChunk("lo")]
        assert (result.content, result.images) == ("Hello", (IMAGE,))


@pytest.mark.parametrize("content", [[], [5], [{"type": "text"}], [{"type": "text", "text": None}], [[]]], ids=str)
def test_parts_that_hold_nothing(drive: Drive, content: object) -> None:
    assert streamed(drive, choice(content, "stop"))[1].content == ""


def test_annotations_images_refusal_and_logprobs(drive: Drive) -> None:
    probabilities: list[dict[str, Any]] = [{"token": "a", "logprob": -0.1}, {"token": "b", "logprob": -0.2}]
    first = {**choice(None, annotations=[CITATION]), "logprobs": {"content": probabilities[:1]}}
    second = {
        **choice("ab", images=[IMAGE], refusal="I ca"),
        "logprobs": {"content": probabilities[1:], "refusal": None},
    }
    chunks, result = streamed(drive, first, second, choice("", "stop", refusal="n't"))
    assert chunks == [
        *(AnnotationChunk(CITATION), ContentChunk("ab"), ImageChunk(IMAGE)),
        *(RefusalChunk("I ca"), RefusalChunk("n't")),
    ]
    assert (result.annotations, result.images, result.refusal) == ((CITATION,), (IMAGE,), "I can't")
    assert list(result.logprobs) == probabilities


def test_a_whole_message_gives_what_a_stream_gives(drive: Drive) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    other = {"id": "", "type": "function", "function": {"name": "f", "arguments": None}}
    fields: dict[str, Any] = {
        "reasoning": "hm",
        "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}],
        "annotations": [CITATION],
        "images": [IMAGE],
        "refusal": None,
    }
    chunks, result = whole(drive, content="Hello", tool_calls=[call, other], **fields)
    indexed = [{**call, "index": 0}, {**other, "index": 1}]
    assert (chunks, result) == streamed(drive, choice("Hello", "stop", tool_calls=indexed, **fields))
    assert [(call.id, call.arguments) for call in result.tool_calls] == [("c1", {}), ("", {})]
    assert result.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("delta", "text"),
    [
        pytest.param({"reasoning": "hm"}, "hm", id="reasoning"),
        pytest.param({"reasoning_content": "hm"}, "hm", id="reasoning_content"),
        pytest.param({"reasoning": "hm", "reasoning_content": "hm"}, "hm", id="both names are one text"),
        pytest.param({"reasoning_details": [TOLD]}, "hm", id="details only"),
        pytest.param({"reasoning": "hm", "reasoning_details": [TOLD]}, "hm", id="both"),
        pytest.param({"reasoning": None, "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}, "",
                     id="encrypted"),
        pytest.param({"reasoning": "", "reasoning_content": None}, "", id="nothing"),
    ],
)  # fmt: skip
def test_reasoning(drive: Drive, delta: dict[str, Any], text: str) -> None:
    chunks, result = streamed(drive, choice("", **delta), choice("Hello", "stop"))
    assert chunks == [*([ReasoningChunk(text)] if text else []), ContentChunk("Hello")]
    assert (result.reasoning, list(result.reasoning_details)) == (text, delta.get("reasoning_details", []))
