"""What a gateway wants back survives the way through a browser and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from raptscallions_ai import ChatResult
from raptscallions_ai.testing import ScriptedClient
from raptscallions_ai.tools.tool_call import ToolCall
from raptscallions_ai.web import from_ui_messages, ui_message_stream

pytestmark = pytest.mark.requirement("E04-T018.AC1")
SIGNED = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
BLOCKS = [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}]


async def parts_of(result: ChatResult) -> list[dict[str, Any]]:
    body = b"".join([data async for data in ui_message_stream(ScriptedClient(result).stream_chat("Hi"))]).decode()
    events = [line.removeprefix("data: ") for line in body.split("\n") if line.startswith("data: {")]
    return [json.loads(event) for event in events]


async def through_a_browser(result: ChatResult) -> dict[str, Any]:
    """The assistant message that the server sees again after the page has put the parts together and run the tools."""
    kept: list[dict[str, Any]] = [{"type": "step-start"}, {"type": "text", "text": result.content}]
    for part in await parts_of(result):
        if part["type"].startswith("data-") and not part.get("transient"):
            kept.append(part)
        if part["type"] == "tool-input-available":
            known = {"toolCallId": part["toolCallId"], "input": part["input"]}
            kept.append({"type": f"tool-{part['toolName']}", "state": "output-available", "output": "4", **known})
    return from_ui_messages([{"role": "assistant", "parts": kept}])[0].to_dict()


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_details": ({"type": "reasoning.encrypted", "data": "b3BhcXVl", "index": 0},)},
        {"extra": {"reasoning_content": "Hm."}, "reasoning": "Hm."},
        {"extra": {"thinking_blocks": BLOCKS, "reasoning_content": "Hm."}, "reasoning": "Hm."},
        {"extra": SIGNED},
        {"tool_calls": (ToolCall("c1", "f", '{"a":1}', SIGNED), ToolCall("c2", "g", "{}"))},
    ],
    ids=["details", "reasoning_content", "thinking_blocks", "message", "calls"],
)
async def test_what_must_go_back_goes_back(fields: dict[str, Any]) -> None:
    result = ChatResult(content="Four", finish_reason="stop", model="m", **fields)
    assert await through_a_browser(result) == result.to_message().to_dict()


async def test_an_answer_with_nothing_to_send_back_has_no_such_part() -> None:
    parts = await parts_of(ChatResult(content="Four", reasoning="Hm.", finish_reason="stop"))
    assert not [part for part in parts if part["type"].startswith("data-")]


@pytest.mark.parametrize(
    "data", [5, {"reasoning_details": "x"}, {"thinking_blocks": [5]}, {"extra_content": "x"}, {"tool_calls": {"c": 5}},
             {"reasoning_content": {}}],
)  # fmt: skip
def test_what_no_browser_of_ours_sends_is_refused(data: Any) -> None:
    part = {"type": "data-sent-back", "data": data}
    with pytest.raises(ValueError, match=r"^messages\[0\]: "):
        from_ui_messages([{"role": "assistant", "parts": [{"type": "text", "text": "x"}, part]}])
