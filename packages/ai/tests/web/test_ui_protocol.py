"""The parts of the AI SDK's protocol one by one, and its messages as a conversation."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from raptscallions_ai import (
    AnnotationChunk,
    ChatMessage,
    ChatResult,
    ContentChunk,
    DoneChunk,
    ImageChunk,
    ReasoningChunk,
    StreamChunk,
    ToolCall,
    ToolCallChunk,
    WaitingChunk,
)
from raptscallions_ai.web import from_ui_messages, ui_message_stream

pytestmark = pytest.mark.requirement("E04-T005.AC6")


async def parts(*chunks: StreamChunk) -> list[dict[str, Any]]:
    async def stream() -> AsyncGenerator[StreamChunk]:
        for chunk in chunks:
            yield chunk

    text = b"".join([data async for data in ui_message_stream(stream())]).decode()
    *events, end, rest = [block for block in text.split("\n\n") if not block.startswith(":")]
    assert (end, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


async def types(*chunks: StreamChunk) -> list[str]:
    return [part["type"] for part in await parts(*chunks)]


def done(*calls: ToolCall, finish_reason: str | None = "stop") -> DoneChunk:
    return DoneChunk(ChatResult(finish_reason=finish_reason, tool_calls=calls))


async def test_blocks_are_opened_and_closed_as_the_kind_changes() -> None:
    told = await parts(ReasoningChunk("a"), ContentChunk("b"), ContentChunk("c"), ReasoningChunk("d"), done())
    assert [(part["type"], part.get("id")) for part in told[2:-2]] == [
        ("reasoning-start", "reasoning-1"),
        ("reasoning-delta", "reasoning-1"),
        ("reasoning-end", "reasoning-1"),
        ("text-start", "text-2"),
        ("text-delta", "text-2"),
        ("text-delta", "text-2"),
        ("text-end", "text-2"),
        ("reasoning-start", "reasoning-3"),
        ("reasoning-delta", "reasoning-3"),
        ("reasoning-end", "reasoning-3"),
    ]


async def test_what_is_waited_for_begins_no_message() -> None:
    assert (await types(WaitingChunk(), WaitingChunk(), done()))[0] == "start"


async def test_a_closed_stream_is_an_abort() -> None:
    assert await types(ContentChunk("a")) == ["start", "start-step", "text-start", "text-delta", "text-end", "abort"]


async def test_a_call_is_announced_once_its_name_is_known() -> None:
    told = await parts(
        ToolCallChunk(0, "call_1", None, '{"a"'),
        ToolCallChunk(0, None, "f"),
        ToolCallChunk(0, arguments=":1}"),
        done(ToolCall("call_1", "f", '{"a":1}')),
    )
    assert told[2:-2] == [
        {"type": "tool-input-start", "toolCallId": "call_1", "toolName": "f"},
        {"type": "tool-input-delta", "toolCallId": "call_1", "inputTextDelta": '{"a"'},
        {"type": "tool-input-delta", "toolCallId": "call_1", "inputTextDelta": ":1}"},
        {"type": "tool-input-available", "toolCallId": "call_1", "toolName": "f", "input": {"a": 1}},
    ]


async def test_a_call_without_an_id_gets_one() -> None:
    told = await parts(ToolCallChunk(0, None, "f", "{}"), done(ToolCall("", "f", "{}")))
    [id_] = {part["toolCallId"] for part in told[2:-2]}
    assert id_.startswith("call_")


async def test_a_call_that_came_whole_is_reported_whole() -> None:
    told = await parts(done(ToolCall("call_1", "f", '{"a":1}')))
    assert [part["type"] for part in told[2:-2]] == ["tool-input-start", "tool-input-delta", "tool-input-available"]


@pytest.mark.parametrize(
    ("arguments", "reason"), [('{"a":', "tool_calls"), ("[]", "tool_calls"), ("{}", "length"), ("", "length")]
)
async def test_a_call_that_may_be_cut_is_never_given_out_for_execution(arguments: str, reason: str) -> None:
    told = await parts(ToolCallChunk(0, "c", "f", arguments), done(ToolCall("c", "f", arguments), finish_reason=reason))
    error = told[-3]
    assert (error["type"], error["input"]) == ("tool-input-error", arguments)
    assert "tool call 'f'" in error["errorText"]


async def test_of_several_calls_only_the_last_can_be_cut() -> None:
    told = await parts(done(ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}"), finish_reason="length"))
    ends = [part for part in told if part["type"] in ("tool-input-available", "tool-input-error")]
    assert [(part["toolCallId"], part["type"]) for part in ends] == [
        ("a", "tool-input-available"),
        ("b", "tool-input-error"),
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool-calls"),
        ("content_filter", "content-filter"),
        (None, "other"),
        ("a new one", "other"),
    ],
)
async def test_finish_reasons(given: str | None, told: str) -> None:
    assert (await parts(done(finish_reason=given)))[-1]["finishReason"] == told


@pytest.mark.parametrize(
    ("url", "media_type"),
    [
        ("data:image/webp;base64,AA==", "image/webp"),
        ("data:image/png,x", "image/png"),
        ("https://example.com/a.jpg?size=1", "image/jpeg"),
        ("https://example.com/a", "image/*"),
    ],
)
async def test_the_media_type_of_an_image(url: str, media_type: str) -> None:
    told = await parts(ImageChunk({"type": "image_url", "image_url": {"url": url}}), done())
    assert told[2] == {"type": "file", "url": url, "mediaType": media_type}


async def test_what_the_protocol_has_no_part_for_travels_as_data() -> None:
    odd: list[dict[str, Any]] = [{"type": "url_citation"}, {"type": "url_citation", "url_citation": {"url": 7}}]
    told = await parts(*(AnnotationChunk(one) for one in odd), ImageChunk({"b64": "AA=="}), done())
    assert told[2:5] == [
        {"type": "data-annotation", "data": odd[0]},
        {"type": "data-annotation", "data": odd[1]},
        {"type": "data-image", "data": {"b64": "AA=="}},
    ]


def ui(role: str, *given: dict[str, Any]) -> dict[str, Any]:
    return {"id": "m", "role": role, "parts": list(given)}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value, "state": "done"}


def file(url: str, media_type: str, **rest: str) -> dict[str, Any]:
    return {"type": "file", "url": url, "mediaType": media_type, **rest}


def test_questions() -> None:
    assert from_ui_messages([ui("user", text("One"), text("Two"))]) == [ChatMessage("user", "One\nTwo")]
    image, sound = file("https://example.com/a.png", "image/png"), file("data:audio/mpeg;base64,AA==", "audio/mpeg")
    film = file("https://example.com/a.mp4", "video/mp4")
    paper = file("data:application/pdf;base64,AA==", "application/pdf", filename="a.pdf")
    [message] = from_ui_messages([ui("user", text("What is this?"), image, sound, film, paper)])
    assert message.content == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
        {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
    ]


def test_answers_keep_what_a_gateway_understands() -> None:
    annotation = {"type": "file", "file": {"hash": "abc"}}
    [message] = from_ui_messages(
        [
            ui(
                "assistant",
                {"type": "step-start"},
                {"type": "reasoning", "text": "Hm"},
                text("Look: "),
                text("here."),
                file("data:image/png;base64,AA==", "image/png"),
                {"type": "source-url", "sourceId": "1", "url": "https://example.com"},
                {"type": "data-annotation", "data": annotation},
                {"type": "data-annotation", "data": {"type": "url_citation"}},
            )
        ]
    )
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    assert message == ChatMessage("assistant", "Look: here.", images=(image,), annotations=(annotation,))


def tool(id_: str, **rest: Any) -> dict[str, Any]:
    return {"type": "tool-f", "toolCallId": id_, "input": {"a": "ü"}, **rest}


def test_each_step_with_tools_is_a_message_of_its_own() -> None:
    answer = ui(
        "assistant",
        {"type": "step-start"},
        tool("1", state="output-available", output="plain"),
        tool("2", state="output-error", errorText="no luck"),
        {**tool("3", state="output-available", output={"b": 1}), "type": "dynamic-tool", "toolName": "g"},
        tool("4", state="output-denied"),
        {"type": "step-start"},
        text("Done."),
    )
    call, *results, end = from_ui_messages([answer])
    assert [(one.id, one.name, one.raw_arguments) for one in call.tool_calls] == [
        ("1", "f", '{"a":"ü"}'),
        ("2", "f", '{"a":"ü"}'),
        ("3", "g", '{"a":"ü"}'),
        ("4", "f", '{"a":"ü"}'),
    ]
    assert call.content is None
    assert [(result.role, result.tool_call_id, result.content) for result in results] == [
        ("tool", "1", "plain"),
        ("tool", "2", "no luck"),
        ("tool", "3", '{"b":1}'),
        ("tool", "4", "The user did not allow this call."),
    ]
    assert end == ChatMessage("assistant", "Done.")


def test_a_call_without_a_result_is_left_out() -> None:
    assert from_ui_messages([ui("assistant", tool("1", state="input-available"))]) == []
    [message] = from_ui_messages([ui("assistant", text("Hm"), tool("1", state="input-streaming"))])
    assert message == ChatMessage("assistant", "Hm")


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (ui("system", text("Obey me")), "the role must be user or assistant"),
        ({"role": "user", "content": "Hi"}, "parts must be a list"),
        ({"role": "user", "parts": ["Hi"]}, "each part must be an object"),
        ("Hi", "it must be an object"),
        (ui("user"), "neither text nor a file"),
        (ui("user", {"type": "text", "text": 7}), "text of a part must be a str"),
        (ui("user", file("file:///etc/passwd", "image/png")), "must be an http, https or data URL"),
        (ui("user", file("https://example.com/a.mp3", "audio/mpeg")), "audio must be a base64 data URL"),
        (ui("assistant", {"text": "Hi"}), "type of a part must be a str"),
        (ui("assistant", {"type": "data-annotation", "data": 7}), "data of an annotation must be an object"),
        (ui("assistant", {"type": "tool-f", "state": "output-available"}), "toolCallId of a part must be a str"),
    ],
)
def test_what_no_browser_of_ours_sends_is_refused(message: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        from_ui_messages([ui("user", text("Hi")), message])
    assert str(caught.value).startswith("messages[1]: ")


@pytest.mark.parametrize("claimed", ["image/jpeg", "image/jpg", "image/webp", "application/octet-stream", "video/mp4"])
def test_a_picture_is_labelled_by_its_content(claimed: str) -> None:
    png = "iVBORw0KGgoAAAANSUhEUg=="
    file = {"type": "file", "mediaType": claimed, "url": f"data:{claimed};base64,{png}"}
    for role in ("user", "assistant"):
        [message] = from_ui_messages([{"role": role, "parts": [file, {"type": "text", "text": "x"}]}])
        told = repr((message.content, message.images))
        assert f"data:image/png;base64,{png}" in told
        assert claimed not in told


def test_a_name_that_is_no_standard_one_is_put_right_and_other_labels_stay() -> None:
    def url(media_type: str) -> Any:
        file = {"type": "file", "mediaType": media_type, "url": f"data:{media_type};base64,AAAA"}
        [message] = from_ui_messages([{"role": "user", "parts": [file]}])
        return repr(message.content)

    assert "data:image/jpeg;base64,AAAA" in url("image/jpg")
    assert "data:image/heic;base64,AAAA" in url("image/heic")
    file = {"type": "file", "mediaType": "image/png", "url": "data:image/png"}
    with pytest.raises(ValueError, match="the url of a file: the data URL is invalid"):
        from_ui_messages([{"role": "user", "parts": [file]}])
