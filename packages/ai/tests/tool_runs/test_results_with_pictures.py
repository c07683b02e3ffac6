"""Pictures and files that a tool returns reach the model as parts, not as text."""

from __future__ import annotations

from typing import Any, cast

import pytest

from raptscallions_ai import OpenRouterClient, image, text, tool
from raptscallions_ai.testing import Answer, FakeGateway
from raptscallions_ai.tools.tool_call import ToolCall

PICTURE = image("https://example.com/cat.png")


@pytest.mark.requirement("E04-T021.AC2")
@pytest.mark.parametrize(
    ("returned", "sent"),
    [
        (["A cat:", PICTURE], [{"type": "text", "text": "A cat:"}, PICTURE]),
        ((text("A cat:"), PICTURE), [{"type": "text", "text": "A cat:"}, PICTURE]),
        (PICTURE, [PICTURE]),
        (["only", "texts"], '["only","texts"]'),
        ({"type": "cat", "name": "Tom"}, '{"type":"cat","name":"Tom"}'),
        ([], "[]"),
    ],
)
async def test_what_a_tool_returns(
    client: OpenRouterClient, fake_gateway: FakeGateway, returned: Any, sent: Any
) -> None:
    @tool
    def look() -> Any:
        """Look."""
        return returned

    fake_gateway.add(Answer((), tool_calls=(ToolCall("c1", "look", "null"),)).stream()).stream("A cat.")
    run = client.run_tools("Look", tools=[look])
    assert (await run.result()).content == "A cat."
    messages = cast("dict[str, Any]", fake_gateway.requests[1].json)["messages"]
    assert messages[-1] == {"role": "tool", "tool_call_id": "c1", "content": sent}
    assert messages[-2]["tool_calls"][0]["function"]["arguments"] == "{}"
