"""`run_tools` of a sync client: the same events, with hooks in the thread that reads them."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from raptscallions_ai import (
    ChatResult,
    SyncChatClient,
    SyncOpenRouterClient,
    ToolCall,
    ToolRun,
    has_tool_call,
    tool,
)
from raptscallions_ai.testing import FakeGateway, Hang, ScriptedClient, chunk, sse

pytestmark = pytest.mark.requirement("E04-T005.AC11")

CALL = ChatResult(tool_calls=(ToolCall("c1", "weather", '{"city": "Paris"}'),), finish_reason="tool_calls")
THREADS: list[threading.Thread] = []


@tool
def weather(city: str) -> str:
    """Tell how warm it is."""
    THREADS.append(threading.current_thread())
    return f"12 degrees in {city}"


@pytest.fixture
def client() -> Iterator[SyncChatClient[ScriptedClient]]:
    with SyncChatClient(ScriptedClient(CALL, ["It is ", "12."])) as client:
        yield client


def test_events_and_result(client: SyncChatClient[ScriptedClient]) -> None:
    run = client.run_tools("How warm?", tools=[weather])
    kinds = [event.type for event in run]
    assert kinds[-4:] == ["content", "content", "step_finished", "done"]
    assert {"tool_started", "tool_finished"} <= set(kinds)
    assert run.result().content == "It is 12."
    assert (len(run.steps), len(run.messages), run.usage) == (2, 4, run.result().usage)
    assert repr(run) == "SyncToolRun(complete, 2 steps)"
    assert THREADS[-1] is not threading.current_thread()
    assert THREADS[-1].name != "raptscallions-ai"


def test_text_alone(client: SyncChatClient[ScriptedClient]) -> None:
    assert list(client.run_tools("How warm?", tools=[weather]).text_stream) == ["It is ", "12."]


def test_hooks_run_in_the_thread_that_reads(client: SyncChatClient[ScriptedClient]) -> None:
    asked: list[threading.Thread] = []

    def approve(call: ToolCall) -> str:
        asked.append(threading.current_thread())
        return f"not {call.name}"

    def enough(run: ToolRun) -> bool:
        asked.append(threading.current_thread())
        return len(run.steps) == 1

    run = client.run_tools("How warm?", tools=[weather], approve=approve, stop_when=enough)
    assert [event.content for event in run if event.type == "tool_finished"] == ["not weather"]
    assert asked == [threading.current_thread()] * 2
    assert run.result().stopped_by == "enough"


def test_hooks_that_are_async_run_in_the_loop(client: SyncChatClient[ScriptedClient]) -> None:
    asked: list[str] = []

    async def approve(call: ToolCall) -> bool:
        asked.append(threading.current_thread().name)
        return True

    stop = [has_tool_call("weather")]
    assert client.run_tools("How warm?", tools=[weather], approve=approve, stop_when=stop).result().stopped_by
    assert asked == ["raptscallions-ai"]


def test_what_a_hook_raises_is_raised(client: SyncChatClient[ScriptedClient]) -> None:
    def approve(call: ToolCall) -> bool:
        raise LookupError(call.name)

    with pytest.raises(LookupError, match="weather"):
        client.run_tools("How warm?", tools=[weather], approve=approve).result()


def test_ctrl_c_in_a_hook_ends_the_run(client: SyncChatClient[ScriptedClient]) -> None:
    def approve(call: ToolCall) -> bool:
        raise KeyboardInterrupt

    run = client.run_tools("How warm?", tools=[weather], approve=approve)
    with pytest.raises(KeyboardInterrupt):
        list(run)
    assert client.chat("Hi").content == "It is 12."


def test_leaving_early_closes_the_connection(fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang(), times=2)
    address = fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model
    with SyncOpenRouterClient(*address) as client:
        for _ in client.run_tools("Hi", tools=[weather]):
            break
        gc.collect()
        assert fake_gateway.requests[0].wait_closed()
        with client.run_tools("Hi", tools=[weather]) as run:
            assert next(run).type == "content"
        assert fake_gateway.requests[1].wait_closed()


def test_misuse_is_reported_at_once(client: SyncChatClient[ScriptedClient]) -> None:
    with pytest.raises(TypeError, match="tools"):
        client.run_tools("Hi")
    with pytest.raises(ValueError, match="max_steps"):
        client.run_tools("Hi", tools=[weather], max_steps=0)
