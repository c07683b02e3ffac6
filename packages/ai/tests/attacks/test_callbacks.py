"""A tool, a hook or a callback can do no more than fail."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from raptscallions_ai import AiError, ChatResult, SyncChatClient, ToolCall, tool
from raptscallions_ai.errors import CallbackError
from raptscallions_ai.events import ToolFinished
from raptscallions_ai.testing import ScriptedClient

pytestmark = pytest.mark.requirement("E04-T014.AC1")


class Abort(BaseException):
    """One of no library."""


class Mute(Exception):
    def __str__(self) -> str:
        raise SystemExit("even its text ends the process")


class Odd(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


class Circle(Exception):
    def __str__(self) -> str:
        return str(self)


class Unprintable:
    def __str__(self) -> str:
        raise LookupError("no text")


def parse_arguments() -> None:
    argparse.ArgumentParser(exit_on_error=True).parse_args(["--unknown"])


def recurse() -> object:
    return recurse()


def raiser(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


RAISES: dict[str, Callable[[], object]] = {
    "sys.exit": lambda: sys.exit(3),
    "argparse": parse_arguments,
    "KeyboardInterrupt": raiser(KeyboardInterrupt()),
    "CancelledError": raiser(asyncio.CancelledError()),
    "GeneratorExit": raiser(GeneratorExit()),
    "StopIteration": raiser(StopIteration()),
    "StopAsyncIteration": raiser(StopAsyncIteration()),
    "a BaseException": raiser(Abort()),
    "a group of them": raiser(BaseExceptionGroup("several", [SystemExit(), Abort()])),
    "no text": raiser(Mute()),
    "a text that is none": raiser(Odd()),
    "a text without end": raiser(Circle()),
    "half a character": raiser(OSError("caf\udce9")),
    "endless recursion": recurse,
}
RETURNS: dict[str, Callable[[], object]] = {
    "a name that is no UTF-8": lambda: os.fsdecode(b"caf\xe9"),
    "such a name in a list": lambda: {"files": [os.fsdecode(b"caf\xe9")]},
    "no text": Unprintable,
    "no text, deep inside": lambda: [{"a": (Unprintable(),)}],
    "an iterator without end": count,
}


def asks(*names: str) -> ChatResult:
    calls = tuple(ToolCall(f"call_{number}", name, "{}") for number, name in enumerate(names))
    return ChatResult(tool_calls=calls, finish_reason="tool_calls")


@tool
def good() -> str:
    return "fine"


def tools_of(function: Callable[[], object]) -> list[Any]:
    def plain() -> object:
        return function()

    async def asynchronous() -> object:
        await asyncio.sleep(0)
        return function()

    return [tool(plain), tool(asynchronous), good]


@pytest.mark.parametrize("name", [*RAISES, *RETURNS])
async def test_whatever_a_tool_does_is_reported_to_the_model(name: str) -> None:
    secret = "caf\udce9"
    client = ScriptedClient(asks("plain", "asynchronous", "good"), "The end.")
    run = client.run_tools("Hi", tools=tools_of((RAISES | RETURNS)[name]))
    finished = {event.call.name: event async for event in run if isinstance(event, ToolFinished)}
    assert finished["good"].content == "fine"
    for failed in (finished["plain"], finished["asynchronous"]):
        assert isinstance(failed.error, Exception)
        assert failed.content
        failed.content.encode()
        assert secret not in repr(failed.error) or name == "half a character"
    assert (await run.result()).content == "The end."


@pytest.mark.parametrize("name", RAISES)
def test_whatever_a_tool_does_the_thread_of_the_sync_clients_goes_on(name: str) -> None:
    with SyncChatClient(ScriptedClient(asks("plain", "asynchronous", "good"), "The end.", "And on.")) as client:
        run = client.run_tools("Hi", tools=tools_of(RAISES[name]))
        told = [event.content for event in run if event.type == "tool_finished"]
        assert len(told) == 3
        assert run.result().content == "The end."
        assert client.chat("Hi").content == "And on."


HOOKS = ["approve", "async approve", "stop_when", "async stop_when"]


def hooks(where: str, function: Callable[[], object]) -> dict[str, Any]:
    def plain(_: object) -> Any:
        return function()

    async def asynchronous(_: object) -> Any:
        await asyncio.sleep(0)
        return function()

    return {where.split()[-1]: asynchronous if where.startswith("async") else plain}


@pytest.mark.parametrize("where", HOOKS)
@pytest.mark.parametrize("name", RAISES)
async def test_whatever_a_hook_raises_the_caller_gets_an_exception(name: str, where: str) -> None:
    run = ScriptedClient(asks("good"), "The end.").run_tools("Hi", tools=[good], **hooks(where, RAISES[name]))
    with pytest.raises(Exception) as caught:
        await run.result()
    if name in ("sys.exit", "KeyboardInterrupt", "CancelledError", "a BaseException"):
        assert isinstance(caught.value, CallbackError)


@pytest.mark.parametrize("where", HOOKS)
@pytest.mark.parametrize("name", RAISES)
def test_whatever_a_hook_raises_the_thread_of_the_sync_clients_goes_on(name: str, where: str) -> None:
    with SyncChatClient(ScriptedClient(asks("good"), "The end.")) as client:
        run = client.run_tools("Hi", tools=[good], **hooks(where, RAISES[name]))
        # In a hook that is not async it is the caller's own thread, whose end the hook may want.
        with pytest.raises(Exception if where.startswith("async") else BaseException):
            run.result()
    with SyncChatClient(ScriptedClient("And on.")) as client:
        assert client.chat("Hi").content == "And on."


async def test_a_real_cancellation_and_a_real_ctrl_c_still_end_the_run() -> None:
    started = asyncio.Event()

    @tool
    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    reader = asyncio.create_task(ScriptedClient(asks("endless")).run_tools("Hi", tools=[endless]).result())
    await started.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader


async def test_a_tool_that_ignores_cancellation_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raptscallions_ai._guards.callbacks._GRACE", 0.05)
    free = asyncio.Event()

    @tool(timeout=0.01)
    async def stubborn() -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    run = ScriptedClient(asks("stubborn"), "The end.").run_tools("Hi", tools=[stubborn])
    result = await run.result()
    assert result.messages[-2].to_dict()["content"] == "stubborn took longer than 0.01 seconds"  # type: ignore[union-attr]
    assert result.content == "The end."
    free.set()
    await asyncio.sleep(0.01)


async def test_of_20_000_calls_at_once_few_run_and_none_at_the_same_time_as_many_others() -> None:
    running: set[int] = set()
    most = 0

    @tool
    async def crowd() -> str:
        nonlocal most
        running.add(id(asyncio.current_task()))
        most = max(most, len(running))
        await asyncio.sleep(0)
        running.discard(id(asyncio.current_task()))
        return "done"

    run = ScriptedClient(asks(*["crowd"] * 20_000), "The end.").run_tools("Hi", tools=[crowd])
    finished = [event async for event in run if isinstance(event, ToolFinished)]
    assert len(finished) == 20_000
    assert sum(event.content == "done" for event in finished) == 256
    assert 1 < most <= 32


async def test_tools_that_block_for_ever_leave_threads_for_others() -> None:
    gate = threading.Event()

    @tool(timeout=0.02)
    def blocked() -> None:
        gate.wait(30)

    try:
        blocks = ScriptedClient(asks(*["blocked"] * 40), "The end.").run_tools("Hi", tools=[blocked])
        assert (await blocks.result()).content == "The end."
        run = ScriptedClient(asks("good"), "The end.").run_tools("Hi", tools=[good])
        assert [event.content async for event in run if isinstance(event, ToolFinished)] == ["fine"]
        await asyncio.get_running_loop().run_in_executor(None, int)  # the loop's own threads are untouched
    finally:
        gate.set()


async def test_a_hook_that_asks_a_person_does_not_block_the_loop() -> None:
    answered = threading.Event()
    asyncio.get_running_loop().call_soon(answered.set)

    def approve(call: ToolCall) -> bool:
        return answered.wait(10)  # which only the loop ends

    run = ScriptedClient(asks("good"), "The end.").run_tools("Hi", tools=[good], approve=approve)
    assert [event.content async for event in run if isinstance(event, ToolFinished)] == ["fine"]


def test_a_tool_that_stops_the_loop_stops_nobody() -> None:
    @tool
    async def vandal() -> str:
        asyncio.get_running_loop().stop()
        asyncio.get_running_loop().call_soon(sys.exit)
        return "stopped"

    with SyncChatClient(ScriptedClient(asks("vandal"), "The end.", "And on.")) as client:
        assert client.run_tools("Hi", tools=[vandal]).result().content == "The end."
        assert client.chat("Hi").content == "And on."


def test_an_error_of_a_hook_has_a_name_and_no_content() -> None:
    with SyncChatClient(ScriptedClient(asks("good"))) as client:

        async def approve(call: ToolCall) -> bool:
            raise SystemExit("prompt: my PIN is 4711")

        with pytest.raises(AiError) as caught:
            client.run_tools("Hi", tools=[good], approve=approve).result()
    assert str(caught.value) == "the approve hook raised SystemExit"
    assert isinstance(caught.value.__cause__, SystemExit)
