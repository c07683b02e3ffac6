"""`run_tools`: steps, events, failures of tools, approval, stop conditions; without a network."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import json
import logging
import pickle
import re
from collections.abc import AsyncIterator
from contextvars import ContextVar
from decimal import Decimal
from typing import Any, Literal

import pytest
import pytest_asyncio

from raptscallions_ai import (
    AiError,
    ChatMessage,
    ChatResult,
    ContentChunk,
    ProviderError,
    StreamInterruptedError,
    Tool,
    ToolCall,
    ToolError,
    ToolRun,
    ToolRunResult,
    Usage,
    has_tool_call,
    max_cost,
    max_tokens_used,
    tool,
    user,
)
from raptscallions_ai.events import StepFinished, ToolFinished
from raptscallions_ai.testing import ScriptedClient
from raptscallions_ai.tool_runs.execution import ToolExecution, ToolPolicy

pytestmark = pytest.mark.requirement("E04-T005.AC3")

USER_ID: ContextVar[str] = ContextVar("USER_ID", default="nobody")


@pytest_asyncio.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    yield
    for _ in range(10):  # what was cancelled last needs some turns to end
        await asyncio.sleep(0)
    here = asyncio.current_task()
    assert [task for task in asyncio.all_tasks() if task is not here and not task.done()] == []


@tool
async def weather(city: str) -> dict[str, Any]:
    """Tell the temperature."""
    return {"city": city, "degrees": 12}


@tool
def failing(reason: str = "no reason") -> str:
    raise ValueError(reason)


def usage(tokens: int = 10, cost: str | None = "0.01") -> Usage:
    known: Literal["reported", "unknown"] = "unknown" if cost is None else "reported"
    price = None if cost is None else Decimal(cost)
    return Usage(tokens, 1, tokens + 1, cost=price, cost_source=known, raw={"total_tokens": tokens + 1})


def asks(*calls: ToolCall | tuple[str, str], finish_reason: str = "tool_calls", **fields: Any) -> ChatResult:
    """Return an answer that asks for tools; a call is one, or a name and the arguments' text."""
    named = [
        call if isinstance(call, ToolCall) else ToolCall(f"call_{i}", call[0], call[1]) for i, call in enumerate(calls)
    ]
    return ChatResult(
        tool_calls=tuple(named), finish_reason=finish_reason, usage=fields.pop("usage", usage()), **fields
    )


def says(text: str) -> ChatResult:
    return ChatResult(content=text, finish_reason="stop", usage=usage(), model="m")


PARIS = ("weather", '{"city": "Paris"}')
ROME = ("weather", '{"city": "Rome"}')


def wire(run: ToolRun) -> list[dict[str, Any]]:
    return [message.to_dict() if isinstance(message, ChatMessage) else dict(message) for message in run.messages]


def results(run: ToolRun) -> list[str]:
    """Return the texts that the model got, after checking that every call has exactly one."""
    messages = wire(run)
    asked = [call["id"] for message in messages for call in message.get("tool_calls", [])]
    assert [message["tool_call_id"] for message in messages if message["role"] == "tool"] == asked
    return [message["content"] for message in messages if message["role"] == "tool"]


async def test_a_run_gives_its_events_in_order_and_the_sum_of_its_usage() -> None:
    client = ScriptedClient(asks(PARIS, content="Let me look."), says("12 degrees."))
    run = client.run_tools("How warm is it?", tools=[weather], temperature=0)
    kinds = [event.type async for event in run]
    assert kinds == [
        "content",
        "tool_call",
        "tool_started",
        "tool_finished",
        "step_finished",
        "content",
        "step_finished",
        "done",
    ]
    result = await run.result()
    assert (result.content, result.finish_reason, result.stopped_by) == ("12 degrees.", "stop", None)
    assert (result.usage.total_tokens, result.usage.cost) == (22, Decimal("0.02"))
    assert result.usage == run.usage
    assert [step.usage.total_tokens for step in result.steps] == [11, 11]
    assert result.duration is not None
    assert list(result.messages) == run.messages
    assert wire(run) == [
        {"role": "user", "content": "How warm is it?"},
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {"id": "call_0", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
            ],
        },
        {"role": "tool", "content": '{"city":"Paris","degrees":12}', "tool_call_id": "call_0"},
        {"role": "assistant", "content": "12 degrees."},
    ]
    assert client.calls[1].messages == wire(run)[:-1]
    assert [call.options["temperature"] for call in client.calls] == [0, 0]
    assert [call.options["tools"] for call in client.calls] == [[weather], [weather]]


async def test_what_an_answer_needs_is_sent_back_unchanged() -> None:
    details = ({"type": "reasoning.text", "text": "hm", "signature": "c2ln", "index": 0},)
    client = ScriptedClient(asks(PARIS, reasoning="hm", reasoning_details=details), says("12"))
    await client.run_tools("Hi", tools=[weather]).result()
    assert client.calls[1].messages[1]["reasoning_details"] == list(details)


async def test_the_given_conversation_is_left_alone() -> None:
    given: list[ChatMessage] = [user("Hi")]
    client = ScriptedClient(asks(PARIS), says("12"))
    run = client.run_tools(given, tools=[weather])
    await run.result()
    assert given == [user("Hi")]
    assert run.messages[0] is given[0]
    run.messages.clear()
    assert len(run.messages) == 4


async def test_an_answer_without_tools_is_the_end() -> None:
    run = ScriptedClient("Hello.").run_tools("Hi", tools=[weather])
    result = await run.result()
    assert (result.content, len(result.steps)) == ("Hello.", 1)
    assert await run.result() is result


async def test_parallel_calls_run_side_by_side_and_their_results_keep_the_order() -> None:
    both = asyncio.Barrier(2)
    finished: list[str] = []

    @tool
    async def meet(name: str, wait: int) -> str:
        await both.wait()
        for _ in range(wait):
            await asyncio.sleep(0)
        return name

    first, second = ("meet", '{"name": "slow", "wait": 5}'), ("meet", '{"name": "quick", "wait": 0}')
    run = ScriptedClient(asks(first, second), says("ok")).run_tools("Hi", tools=[meet])
    async for event in run:
        if event.type == "tool_finished":
            finished.append(event.content)
    assert finished == ["quick", "slow"]
    assert results(run) == ["slow", "quick"]


async def test_calls_one_by_one() -> None:
    running = 0

    @tool
    async def alone() -> int:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        running -= 1
        return running

    client = ScriptedClient(asks(*[("alone", "")] * 3), says("ok"))
    run = client.run_tools("Hi", tools=[alone], parallel_tool_calls=False)
    kinds = [event.type async for event in run if event.type.startswith("tool_") and event.type != "tool_call"]
    assert kinds == ["tool_started", "tool_finished"] * 3
    assert results(run) == ["0", "0", "0"]


@pytest.mark.parametrize(
    ("output", "content"),
    [("text", "text"), ("", ""), (None, "null"), (1.5, "1.5"), ({"é": [1]}, '{"é":[1]}'), (b"\xff", '"_w=="'),
     (Decimal("1.50"), '"1.50"'), (usage, None)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
async def test_what_a_tool_returns_is_reported_as_text(output: Any, content: str | None) -> None:
    @tool
    def give() -> Any:
        return output

    run = ScriptedClient(asks(("give", "{}")), says("ok")).run_tools("Hi", tools=[give])
    outputs = [event.output async for event in run if isinstance(event, ToolFinished)]
    assert outputs == [output]
    assert results(run) == [content if content is not None else json.dumps(str(output))]


async def test_context_variables_of_the_caller_reach_the_tools() -> None:
    @tool
    def plain() -> str:
        return USER_ID.get()

    @tool
    async def other() -> str:
        return USER_ID.get()

    USER_ID.set("u-1")
    run = ScriptedClient(asks(("plain", ""), ("other", "")), says("ok")).run_tools("Hi", tools=[plain, other])
    await run.result()
    assert results(run) == ["u-1", "u-1"]


# What goes wrong with a call


@pytest.mark.parametrize(
    ("call", "told", "error"),
    [
        (("failing", '{"reason": "out of paper"}'), "ValueError: out of paper", ValueError),
        (("weather", '{"town": "Paris"}'), "invalid arguments: city: Field required; town: Extra inputs", ToolError),
        (("wether", "{}"), "there is no such tool; there are: weather, failing", ToolError),
        (("weather", '{"city": "Par'), 'the arguments are not a JSON object: {"city": "Par', ToolError),
        (("weather", '["Paris"]'), 'the arguments are not a JSON object: ["Paris"]', ToolError),
    ],
)
async def test_a_failure_is_reported_to_the_model_and_the_run_goes_on(
    call: tuple[str, str], told: str, error: type[Exception]
) -> None:
    client = ScriptedClient(asks(PARIS, call), says("Sorry."))
    run = client.run_tools("Hi", tools=[weather, failing])
    failed = [event async for event in run if isinstance(event, ToolFinished) and event.error is not None]
    assert [type(event.error) for event in failed] == [error]
    assert (await run.result()).content == "Sorry."
    assert results(run)[0] == '{"city":"Paris","degrees":12}'
    assert results(run)[1].startswith(told)
    assert failed[0].content == results(run)[1]
    sent = client.calls[1].messages[1]["tool_calls"]
    assert isinstance(sent, list)
    for each in sent:  # pyright: ignore[reportUnknownVariableType] - JSON
        json.loads(each["function"]["arguments"])  # pyright: ignore[reportUnknownArgumentType] - JSON


async def test_a_tool_error_is_reported_word_by_word() -> None:
    @tool
    def find(city: str) -> str:
        raise ToolError(f"There is no city called {city}; ask the user.")

    run = ScriptedClient(asks(("find", '{"city": "Pari"}')), says("ok")).run_tools("Hi", tools=[find])
    await run.result()
    assert results(run) == ["There is no city called Pari; ask the user."]


async def test_a_long_message_is_cut() -> None:
    reason = json.dumps({"reason": "x" * 100_000})
    run = ScriptedClient(asks(("failing", reason)), says("ok")).run_tools("Hi", tools=[failing])
    await run.result()
    assert len(results(run)[0]) == 2000


async def test_what_cannot_be_written_as_text_is_a_failure_of_the_tool() -> None:
    circle: list[object] = []
    circle.append(circle)

    @tool
    def turn() -> object:
        return circle

    run = ScriptedClient(asks(("turn", "")), says("ok")).run_tools("Hi", tools=[turn])
    outcomes = [event.output async for event in run if isinstance(event, ToolFinished)]
    assert outcomes == [None]
    assert results(run)[0].startswith("PydanticSerializationError: Error serializing to JSON: ValueError: Circular")


async def test_time_limits_of_the_run_and_of_the_tool() -> None:
    async def endless() -> None:
        await asyncio.Event().wait()

    tools = [Tool(endless, name="of_the_run"), Tool(endless, name="its_own", timeout=0.02)]
    client = ScriptedClient(asks(("of_the_run", ""), ("its_own", "")), says("ok"))
    run = client.run_tools("Hi", tools=tools, tool_timeout=0.01)
    await run.result()
    assert results(run) == ["of_the_run took longer than 0.01 seconds", "its_own took longer than 0.02 seconds"]


async def test_a_tool_that_cancels_itself_does_not_cancel_the_run() -> None:
    @tool
    async def gone() -> None:
        raise asyncio.CancelledError

    run = ScriptedClient(asks(("gone", ""), PARIS), says("ok")).run_tools("Hi", tools=[gone, weather])
    assert (await run.result()).content == "ok"
    assert results(run) == ["CancelledError: ", '{"city":"Paris","degrees":12}']


@pytest.mark.parametrize("finish_reason", ["length", "content_filter", "error"])
async def test_calls_of_an_answer_that_broke_off_are_never_run(finish_reason: str) -> None:
    ran: list[str] = []

    @tool
    def delete(path: str = "/") -> None:
        ran.append(path)

    answer = asks(
        ("delete", '{"path": "/x/y"}'), ("delete", ""), ("delete", '{"path": "/x'), finish_reason=finish_reason
    )
    run = ScriptedClient(answer).run_tools("Hi", tools=[delete])
    kinds = [event.type async for event in run if event.type != "tool_call"]
    assert kinds == ["tool_finished"] * 3 + ["step_finished", "done"]
    result = await run.result()
    assert (result.stopped_by, result.finish_reason) == ("unfinished_call", finish_reason)
    assert ran == []
    told = results(run)
    assert told[:2] == ["not run: the answer broke off before its end"] * 2
    assert told[2] == 'not run: the answer broke off before its end: {"path": "/x'


async def test_ids_that_a_gateway_forgot_or_gave_twice_are_made_good() -> None:
    calls = [ToolCall("", *PARIS), ToolCall("x", *ROME), ToolCall("x", *PARIS), ToolCall("", *ROME)]
    client = ScriptedClient(asks(*calls), asks(*calls), says("ok"))
    run = client.run_tools("Hi", tools=[weather])
    started = [event.call.id async for event in run if event.type == "tool_started"]
    assert [id_ for id_ in started if id_ == "x"] == ["x", "x"]
    made = {id_ for id_ in started if id_ != "x"}
    assert len(made) == 6
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", id_) for id_ in made), "Mistral refuses any other"
    assert len(results(run)) == 8
    assert [call.id for call in run.steps[0].tool_calls] == started[:4]


# Approval


async def test_approval_is_asked_one_after_another_before_a_call_runs() -> None:
    asked: list[str] = []
    deciding = 0

    async def approve(call: ToolCall) -> bool | str:
        nonlocal deciding
        deciding += 1
        assert deciding == 1
        asked.append(call.arguments["city"])
        await asyncio.sleep(0)
        deciding -= 1
        return {"Paris": True, "Rome": False, "Oslo": "It is closed."}[call.arguments["city"]]

    free = Tool(weather.function, name="free", needs_approval=False)
    oslo, free_call = ("weather", '{"city": "Oslo"}'), ("free", '{"city": "Bonn"}')
    client = ScriptedClient(asks(PARIS, ROME, oslo, free_call, ("weather", "{}")), says("ok"))
    run = client.run_tools("Hi", tools=[weather, free], approve=approve)
    started = [event.call.raw_arguments async for event in run if event.type == "tool_started"]
    assert started == [PARIS[1], free_call[1]]
    assert asked == ["Paris", "Rome", "Oslo"]
    told = results(run)
    assert told[1:3] == ["the user did not allow this call", "It is closed."]
    assert told[3] == '{"city":"Bonn","degrees":12}'


@pytest.mark.parametrize("verdict", [None, 1, "", []])
async def test_only_true_is_a_yes(verdict: Any) -> None:
    run = ScriptedClient(asks(PARIS), says("ok")).run_tools("Hi", tools=[weather], approve=lambda call: verdict)
    await run.result()
    assert results(run) == ["the user did not allow this call"]


async def test_what_a_hook_raises_reaches_the_caller_and_nothing_is_left_running() -> None:
    cancelled = asyncio.Event()

    @tool
    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def approve(call: ToolCall) -> bool:
        if call.name == "weather":
            await asyncio.sleep(0)
            raise LookupError("no database")
        return True

    run = ScriptedClient(asks(("endless", ""), PARIS)).run_tools("Hi", tools=[endless, weather], approve=approve)
    with pytest.raises(LookupError, match="no database"):
        await run.result()
    assert cancelled.is_set()
    assert results(run) == ["not finished: it was cancelled while it ran", "not run"]
    with pytest.raises(LookupError, match="no database"):
        await run.result()


# Stopping


async def test_max_steps_stops_after_the_tools_of_the_last_answer() -> None:
    client = ScriptedClient(asks(PARIS), repeat=True)
    run = client.run_tools("Hi", tools=[weather], max_steps=3)
    result = await run.result()
    assert (result.stopped_by, result.has_tool_calls, len(result.steps)) == ("max_steps", True, 3)
    assert results(run) == ['{"city":"Paris","degrees":12}'] * 3
    assert len(client.calls) == 3


async def test_ten_steps_are_the_default() -> None:
    result = await ScriptedClient(asks(PARIS), repeat=True).run_tools("Hi", tools=[weather]).result()
    assert len(result.steps) == 10


async def test_stop_conditions() -> None:
    async def outcome(condition: Any) -> tuple[str | None, int]:
        client = ScriptedClient(asks(PARIS), asks(ROME, ("failing", "")), asks(PARIS), says("ok"))
        run = client.run_tools("Hi", tools=[weather, failing], stop_when=condition)
        result = await run.result()
        assert len(results(run)) == sum(len(step.tool_calls) for step in result.steps)
        return result.stopped_by, len(result.steps)

    async def later(run: ToolRun) -> str:
        await asyncio.sleep(0)
        return "enough" if len(run.messages) > 4 else ""

    def two_steps(run: ToolRun) -> bool:
        return len(run.steps) == 2

    assert await outcome(max_tokens_used(22)) == ("max_tokens_used", 2)
    assert await outcome(max_tokens_used(23)) == ("max_tokens_used", 3)
    assert await outcome(max_cost("0.02")) == ("max_cost", 2)
    assert await outcome(max_cost(0.03)) == ("max_cost", 3)
    assert await outcome(max_cost(Decimal(1))) == (None, 4)
    assert await outcome(has_tool_call("failing")) == ("has_tool_call", 2)
    assert await outcome([max_cost(1), later]) == ("enough", 2)
    assert await outcome(two_steps) == ("two_steps", 2)


async def test_a_gateway_that_tells_no_cost_never_reaches_max_cost() -> None:
    client = ScriptedClient(asks(PARIS, usage=usage(cost=None)), says("ok"))
    assert (await client.run_tools("Hi", tools=[weather], stop_when=max_cost(0.001)).result()).stopped_by is None


async def test_a_stopped_run_is_taken_up_again_with_its_messages() -> None:
    client = ScriptedClient(asks(PARIS), says("12 degrees."))
    first = client.run_tools("Hi", tools=[weather], max_steps=1)
    await first.result()
    result = await client.run_tools(first.messages, tools=[weather]).result()
    assert result.content == "12 degrees."
    assert client.calls[1].messages == wire(first)


@pytest.mark.parametrize(
    ("choice", "later"),
    [("required", None), ({"type": "function", "function": {"name": "weather"}}, None), ("auto", "auto"), (None, None)],
)
async def test_a_forced_call_is_forced_once(choice: Any, later: str | None) -> None:
    client = ScriptedClient(asks(PARIS), says("ok"))
    await client.run_tools("Hi", tools=[weather], tool_choice=choice).result()
    assert client.calls[0].options.get("tool_choice") == choice
    assert client.calls[1].options.get("tool_choice") == later


# Failure and cancellation


async def test_a_failing_gateway_keeps_all_steps_before_it() -> None:
    client = ScriptedClient(asks(PARIS), [ContentChunk("It is "), ProviderError("overloaded")])
    run = client.run_tools("Hi", tools=[weather])
    with pytest.raises(ProviderError, match="overloaded") as caught:
        await run.result()
    assert caught.value.partial is not None
    assert caught.value.partial.content == "It is "
    assert [message["role"] for message in wire(run)] == ["user", "assistant", "tool"]
    assert run.usage.cost == Decimal("0.01")
    assert run.usage.cost_source == "unknown"  # what the broken answer cost, nobody told
    assert len(run.steps) == 1
    with pytest.raises(ProviderError, match="overloaded"):
        await run.result()
    with pytest.raises(ProviderError, match="overloaded"):
        async for _ in run:
            pytest.fail("a failed run goes on")
    assert repr(run) == "ToolRun(failed, 1 steps)"


async def test_a_gateway_that_fails_before_it_begins_costs_nothing() -> None:
    run = ScriptedClient(asks(PARIS), ProviderError()).run_tools("Hi", tools=[weather])
    with pytest.raises(ProviderError):
        await run.result()
    assert run.usage == usage()


async def test_the_first_request_can_fail_on_entering() -> None:
    run = ScriptedClient(ProviderError("down")).run_tools("Hi", tools=[weather])
    with pytest.raises(ProviderError, match="down"):
        async with run:
            pytest.fail("it was entered")
    with pytest.raises(ProviderError, match="down"):
        await run.result()


class Endless:
    """A tool that never ends, and tells what becomes of it."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def wait(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


def endless_run() -> tuple[ToolRun, Endless]:
    endless = Endless()
    client = ScriptedClient(asks(PARIS, ("wait", "")))
    return client.run_tools("Hi", tools=[weather, tool(endless.wait)]), endless


async def test_cancelling_the_reader_cancels_the_tools() -> None:
    run, endless = endless_run()
    reader = asyncio.create_task(run.result())
    await endless.started.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert reader.cancelled()
    assert endless.cancelled.is_set()
    assert results(run) == ['{"city":"Paris","degrees":12}', "not finished: it was cancelled while it ran"]
    with pytest.raises(StreamInterruptedError):
        await run.result()


async def test_closing_from_another_task_ends_the_loop_quietly() -> None:
    run, endless = endless_run()

    async def read() -> list[str]:
        return [event.type async for event in run if event.type != "tool_call"]

    reader = asyncio.create_task(read())
    await endless.started.wait()
    await run.aclose()
    await run.aclose()
    assert endless.cancelled.is_set()
    assert set(await reader) <= {"tool_started", "tool_finished"}
    assert reader.cancelling() == 0
    assert results(run)[1] == "not finished: it was cancelled while it ran"
    with pytest.raises(StreamInterruptedError):
        await run.result()


async def test_closing_before_the_tools_have_begun_ends_the_wait() -> None:
    calls = ToolExecution(asks(PARIS), ToolPolicy({"weather": weather}))
    reader = asyncio.create_task(calls.next())
    await asyncio.sleep(0)  # the reader waits now, and the tools' task has not had its first turn
    await calls.aclose()
    assert await reader is None


async def test_leaving_the_loop_or_the_context_cancels_the_tools() -> None:
    run, endless = endless_run()
    async for event in run:
        if event.type == "tool_started" and event.call.name == "wait":
            break
    await endless.cancelled.wait()
    run, endless = endless_run()
    async with run:
        async for event in run:
            if event.type == "tool_finished":
                break
    assert endless.cancelled.is_set()
    run, endless = endless_run()
    while (await anext(run)).type != "tool_finished":
        pass
    del run
    gc.collect()
    await endless.cancelled.wait()


async def test_an_exception_in_the_loop_cancels_the_tools() -> None:
    run, endless = endless_run()
    with pytest.raises(KeyError):
        async for event in run:
            if event.type == "tool_finished":
                raise KeyError
    await endless.cancelled.wait()


async def test_a_run_that_was_never_read_is_no_trouble() -> None:
    client = ScriptedClient("Hi")
    run = client.run_tools("Hi", tools=[weather])
    await run.aclose()
    with pytest.raises(StreamInterruptedError):
        await run.result()
    assert run.usage == Usage()
    assert repr(run) == "ToolRun(closed, 0 steps)"


async def test_one_reader_at_a_time() -> None:
    run, endless = endless_run()
    reader = asyncio.create_task(run.result())
    await endless.started.wait()
    assert run.being_read
    with pytest.raises(AiError, match="already being read"):
        await anext(run)
    with pytest.raises(AiError, match="already being read"):
        await run.result()
    reader.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reader


async def test_the_text_alone() -> None:
    client = ScriptedClient(asks(PARIS, content="Let me look. "), ["12 ", "degrees."])
    run = client.run_tools("Hi", tools=[weather])
    assert [text async for text in run.text_stream] == ["Let me look. ", "12 ", "degrees."]
    assert repr(run) == "ToolRun(complete, 2 steps)"


# What is shown, and misuse


async def test_no_repr_and_no_log_shows_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    @tool
    def look(word: str) -> str:
        if word == "secret two":
            raise ValueError(word)
        return word

    calls = [("look", '{"word": "secret one"}'), ("look", '{"word": "secret two"}'), ("look", '{"word": "secret')]
    client = ScriptedClient(asks(*calls, content="secret"), says("secret"))
    with caplog.at_level(logging.DEBUG, "raptscallions_ai"):
        run = client.run_tools("secret", tools=[look])
        shown = [repr(event) async for event in run]
    assert "secret" not in "".join([*shown, repr(run), caplog.text])
    assert "ToolFinished('look', error=ValueError)" in shown
    assert "ToolFinished('look', 10 characters)" in shown
    assert "tool 'look' failed: ValueError" in caplog.text
    assert shown[-1].startswith("ToolRunDone(result=ToolRunResult(model='m', finish_reason='stop', steps=2")


async def test_a_result_is_pickled_and_a_run_is_not() -> None:
    run = ScriptedClient(asks(PARIS), says("ok")).run_tools("Hi", tools=[weather])
    result = await run.result()
    assert isinstance(result, ToolRunResult)
    assert pickle.loads(pickle.dumps(result)) == result
    for duplicate in (copy.copy, pickle.dumps):
        with pytest.raises(TypeError, match="a run cannot be pickled or copied"):
            duplicate(run)


async def test_events_tell_of_their_step() -> None:
    run = ScriptedClient(asks(PARIS), says("ok")).run_tools("Hi", tools=[weather])
    steps = [event async for event in run if isinstance(event, StepFinished)]
    assert [(event.step, event.usage.total_tokens) for event in steps] == [(1, 11), (2, 11)]
    assert steps[1].result.content == "ok"


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({}, TypeError, r"run_tools needs tools=\[...\]"),
        ({"tools": []}, TypeError, r"run_tools needs tools=\[...\]"),
        ({"tools": weather}, TypeError, r"run_tools needs tools=\[...\]"),
        ({"tools": [print]}, TypeError, "cannot be passed by keyword"),
        ({"tools": [weather.to_dict()]}, TypeError, "only a schema; see Tool.from_schema"),
        ({"tools": [weather, weather]}, ValueError, "two tools are called 'weather'"),
        ({"tools": [weather], "max_steps": 0}, ValueError, "max_steps must be a whole number, at least 1"),
        ({"tools": [weather], "max_steps": True}, ValueError, "max_steps must be a whole number"),
        ({"tools": [weather], "tool_timeout": 0}, ValueError, "tool_timeout must be more than 0"),
        ({"tools": [weather], "stop_when": [5]}, TypeError, "stop_when must be a function"),
        ({"tools": [weather], "approve": True}, TypeError, "approve must be a function, not bool"),
        ({"tools": [tool(needs_approval=True)(weather.function)]}, TypeError, "'weather' needs approval: give"),
        ({"tools": [weather], "unknown": 1}, TypeError, "unknown"),
        ({"tools": [weather], "messages": 5}, TypeError, "messages must be"),
    ],
)
async def test_misuse_is_reported_at_once(options: dict[str, Any], error: type[Exception], problem: str) -> None:
    messages = options.pop("messages", "Hi")
    with pytest.raises(error, match=problem):
        ScriptedClient("Hi").run_tools(messages, **options)


@pytest.mark.parametrize("condition", [lambda: max_cost(0), lambda: max_cost(-1), lambda: max_tokens_used(0)])
def test_limits_are_positive(condition: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        condition()


async def test_tools_that_the_gateway_runs_itself_are_passed_on() -> None:
    search: dict[str, Any] = {"type": "openrouter:web_search", "parameters": {}}
    client = ScriptedClient(asks(PARIS), says("ok"))
    assert (await client.run_tools("Hi", tools=[weather, search]).result()).content == "ok"
    assert client.calls[0].options["tools"] == [weather, search]
