"""What holds on asyncio's own event loop holds on uvloop, too."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import pytest

from raptscallions_ai import (
    OpenRouterClient,
    StreamInterruptedError,
    SyncOpenRouterClient,
    TimeoutError,
    Timeouts,
    ToolCallChunk,
    tool,
)
from raptscallions_ai.testing import Cut, FakeGateway, Hang, ScriptedClient, chunk, sse
from raptscallions_ai.wrappers import HookedClient

uvloop = pytest.importorskip("uvloop")
pytestmark = pytest.mark.requirement("E04-T015.AC3")
Run = Callable[[Coroutine[Any, Any, None]], None]
ONCE = sse(chunk("Once"))


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine in an event loop of its own."""
    return uvloop.run if request.param == "uvloop" else asyncio.run


def client_of(gateway: FakeGateway) -> OpenRouterClient:
    return OpenRouterClient(gateway.api_key, gateway.base_url, "m", max_retries=0)


def test_a_whole_answer_and_one_that_is_cut(run: Run, fake_gateway: FakeGateway) -> None:
    async def main() -> None:
        async with client_of(fake_gateway) as client:
            assert (await client.chat("Hi")).content == "Hello from the fake gateway."
            fake_gateway.reply(ONCE, Cut())
            with pytest.raises(StreamInterruptedError) as caught:
                await client.chat("Hi")
            assert caught.value.partial is not None
            assert caught.value.partial.content == "Once"

    run(main())


@pytest.mark.parametrize("how", ["a deadline", "cancelled", "left"])
def test_the_connection_is_closed_upstream(run: Run, fake_gateway: FakeGateway, how: str) -> None:
    fake_gateway.reply(ONCE, Hang())

    async def main() -> None:
        async with client_of(fake_gateway) as client:
            await client.warm_up()
            stream = client.stream_chat("Hi", timeout=0.1 if how == "a deadline" else 30)
            async for _ in stream:
                if how == "left":
                    break
                if how == "cancelled":
                    reading = asyncio.ensure_future(anext(stream))
                    await asyncio.sleep(0)
                    reading.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await reading
                    break
                with pytest.raises(TimeoutError):
                    await anext(stream)
            await stream.aclose()
            assert await fake_gateway.requests[0].closed()

    run(main())
    assert fake_gateway.requests[0].disconnected


def test_a_tool_can_do_no_more_than_fail(run: Run) -> None:
    @tool
    def leave() -> NoReturn:
        """Leave."""
        raise SystemExit(3)

    async def main() -> None:
        client = ScriptedClient([ToolCallChunk(0, "c1", "leave", "{}")], "Still here.")
        assert (await client.run_tools("Hi", tools=[leave]).result()).content == "Still here."

    run(main())


def test_a_hook_that_hangs_is_ended(run: Run, fake_gateway: FakeGateway) -> None:
    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        async with client_of(fake_gateway) as client:
            with pytest.raises(TimeoutError):
                await HookedClient(client, before_call=hang).chat("Hi", timeout=Timeouts(total=0.1))

    run(main())
    assert fake_gateway.requests == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_sync_calls_beside_a_running_loop(run: Run, fake_gateway: FakeGateway) -> None:
    async def main() -> None:
        with SyncOpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, "m", max_retries=0) as client:
            answers: list[str] = []
            threads = [threading.Thread(target=lambda: answers.append(client.chat("Hi").content)) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                await asyncio.to_thread(thread.join)
            assert answers == ["Hello from the fake gateway."] * 3

    run(main())
