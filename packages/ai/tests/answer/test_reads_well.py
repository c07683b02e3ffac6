"""Answers where they are printed, and functions as they are."""

from __future__ import annotations

import pytest

from raptscallions_ai import ChatResult, OpenRouterClient
from raptscallions_ai.messages.message import to_wire
from raptscallions_ai.testing import FakeGateway, ScriptedClient
from raptscallions_ai.tools.tool_call import ToolCall


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


@pytest.mark.requirement("E04-T035.AC1")
def test_a_result_prints_as_its_text_and_logs_without_it() -> None:
    result = ChatResult(content="**Hello**")
    assert f"{result}" == result._repr_markdown_() == "**Hello**"  # pyright: ignore[reportPrivateUsage] - what notebooks call
    assert "Hello" not in repr(result)


@pytest.mark.requirement("E04-T035.AC1")
async def test_a_plain_function_is_a_tool() -> None:
    asks = ChatResult(tool_calls=(ToolCall("c1", "weather", '{"city": "Oslo"}'),), finish_reason="tool_calls")
    run = ScriptedClient(asks, "It is sunny.").run_tools("Oslo?", tools=[weather])
    result = await run.result()
    assert str(result) == "It is sunny."
    assert to_wire(run.messages)[2]["content"] == "sunny in Oslo"


async def test_the_schema_of_a_plain_function_is_sent(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    await client.chat("Oslo?", tools=[weather])
    sent = fake_gateway.requests[-1].json["tools"][0]["function"]
    assert (sent["name"], sent["description"]) == ("weather", "Return the weather of a city.")
