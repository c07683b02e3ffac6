"""A run with tools as a response: what a page gets of its steps, and what comes back from there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from raptscallions_ai import ChatResult, ToolCall, ToolCallChunk, ToolError, system, tool
from raptscallions_ai.messages.parts import image
from raptscallions_ai.testing import ScriptedClient
from raptscallions_ai.web import from_ui_messages, openai_sse_body, sse_response_body, ui_message_stream

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@tool
def weather(city: str) -> dict[str, str]:
    """Tell the weather.

    Args:
        city: Where.
    """
    if city == "Atlantis":
        raise ValueError("no row in /srv/secret.db")
    if city == "Oz":
        raise ToolError("There is no such city.")
    return {"city": city, "sky": "clear"}


@tool
def photo() -> list[Any]:
    """Take a picture."""
    return ["The sea.", image(PNG)]


def call(position: int, city: str, id_: str = "") -> ToolCallChunk:
    return ToolCallChunk(position, id_ or None, "weather", json.dumps({"city": city}))


async def events(body: Any) -> list[dict[str, Any]]:
    text = b"".join([data async for data in body]).decode()
    return [json.loads(each.removeprefix("data: ")) for each in text.split("\n\n") if each and "[DONE]" not in each]


async def test_each_answer_is_a_step_and_each_call_has_its_end() -> None:
    client = ScriptedClient(["Let me look. ", call(0, "Rome", "call-1")], "Clear.", model="a/model")
    told = await events(ui_message_stream(client.run_tools("How is Rome?", tools=[weather]), message_id="m-1"))
    assert [part["type"] for part in told] == [
        *("start", "start-step", "text-start", "text-delta", "text-end"),
        *("tool-input-start", "tool-input-delta", "tool-input-available", "tool-output-available", "finish-step"),
        *("start-step", "text-start", "text-delta", "text-end", "finish-step", "finish"),
    ]
    assert told[8] == {
        "type": "tool-output-available",
        "toolCallId": "call-1",
        "output": {"city": "Rome", "sky": "clear"},
    }
    assert told[-1]["messageMetadata"]["model"] == "a/model"


async def test_a_failed_tool_is_told_in_our_words_or_in_those_meant_for_others() -> None:
    client = ScriptedClient(
        [call(0, "Atlantis", "a"), call(1, "Oz", "b"), ToolCallChunk(2, "c", "weather", "{}")], "No."
    )
    told = await events(ui_message_stream(client.run_tools("?", tools=[weather])))
    ends = {part["toolCallId"]: (part["type"], part["errorText"]) for part in told if "errorText" in part}
    assert ends["a"] == ("tool-output-error", "The tool failed.")
    assert ends["b"] == ("tool-output-error", "There is no such city.")
    assert ends["c"][0] == "tool-input-error"
    assert "secret" not in json.dumps(told)


async def test_calls_without_ids_are_told_apart() -> None:
    client = ScriptedClient([call(0, "Rome"), call(1, "Paris"), call(2, "Rome")], "Both clear.")
    told = await events(ui_message_stream(client.run_tools("?", tools=[weather])))
    begun = [part["toolCallId"] for part in told if part["type"] == "tool-input-start"]
    given = {part["toolCallId"]: part["input"]["city"] for part in told if part["type"] == "tool-input-available"}
    ended = {part["toolCallId"]: part["output"]["city"] for part in told if part["type"] == "tool-output-available"}
    assert len(set(begun)) == 3
    assert list(given) == begun
    assert given == ended == dict(zip(begun, ["Rome", "Paris", "Rome"], strict=True))


async def test_a_picture_of_a_tool_is_told_in_words() -> None:
    client = ScriptedClient([ToolCallChunk(0, "p", "photo", "{}")], "Nice.")
    told = await events(ui_message_stream(client.run_tools("?", tools=[photo])))
    assert next(part["output"] for part in told if "output" in part) == "The sea.\n[image_url]"


async def test_a_run_that_is_stopped_has_its_tools_told() -> None:
    client = ScriptedClient([call(0, "Rome", "x")])
    told = await events(ui_message_stream(client.run_tools("?", tools=[weather], max_steps=1)))
    assert [part["type"] for part in told[-3:]] == ["tool-output-available", "finish-step", "finish"]


async def test_what_a_gateway_wants_back_stands_in_its_step() -> None:
    blocks: tuple[dict[str, Any], ...] = ({"type": "reasoning.encrypted", "data": "signed"},)
    asked = ChatResult(
        tool_calls=(ToolCall("", "weather", '{"city": "Rome"}', {"extra_content": {"google": {"signature": "s"}}}),),
        reasoning_details=blocks,
        finish_reason="tool_calls",
    )
    client = ScriptedClient(asked, "Clear.")
    told = await events(ui_message_stream(client.run_tools("?", tools=[weather])))
    back = next(part for part in told if part["type"] == "data-sent-back")
    end = next(part for part in told if part["type"] == "tool-output-available")
    parts = [
        {"type": "step-start"},
        {
            "type": "tool-weather",
            "state": "output-available",
            "toolCallId": end["toolCallId"],
            "input": {"city": "Rome"},
            "output": end["output"],
        },
        back,
        {"type": "step-start"},
        {"type": "text", "text": "Clear."},
    ]
    first, result, last = from_ui_messages([{"id": "1", "role": "assistant", "parts": parts}])
    assert first.reasoning_details == blocks
    assert first.tool_calls[0].extra == asked.tool_calls[0].extra
    assert result.content == '{"city":"Rome","sky":"clear"}'
    assert last.content == "Clear."


async def test_our_own_protocol_tells_of_tools_and_of_nothing_between_us_and_the_gateway() -> None:
    client = ScriptedClient([call(0, "Rome", "a"), call(1, "Atlantis", "b")], "Clear.")
    told = await events(sse_response_body(client.run_tools([system("Be short.")], tools=[weather])))
    assert [event["type"] for event in told] == [
        *("tool_call", "tool_call", "tool_started", "tool_started", "tool_finished", "tool_finished"),
        *("step_finished", "content", "step_finished", "done"),
    ]
    finished = {event["id"]: (event["content"], event["failed"]) for event in told if event["type"] == "tool_finished"}
    assert finished == {"a": ('{"city":"Rome","sky":"clear"}', False), "b": ("The tool failed.", True)}
    assert set(told[6]) == {"type", "step", "finish_reason", "usage"}
    assert "Be short" not in json.dumps(told)


def test_openais_protocol_refuses_a_run_at_once() -> None:
    with pytest.raises(TypeError, match="use ui_message_stream or sse_response_body"):
        openai_sse_body(ScriptedClient("Hi").run_tools("?", tools=[weather]))  # type: ignore[arg-type]
