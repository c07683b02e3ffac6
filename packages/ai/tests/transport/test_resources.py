"""After each kind of ending no task, descriptor, connection or pool slot is left; the soak does it in bulk."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import ssl
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from raptscallions_ai import AiError, ChatStream, OpenRouterClient, TimeoutError, Timeouts
from raptscallions_ai.testing import Cut, FakeGateway, Hang, Reply, Reset, Step, chunk, sse

pytestmark = pytest.mark.requirement("E04-T003.AC7")

Ending = Callable[[OpenRouterClient], Awaitable[object]]

TEXT = sse(chunk("Hello"))
REPEATS = 3


@pytest_asyncio.fixture
async def tight(fake_gateway: FakeGateway) -> AsyncIterator[OpenRouterClient]:
    """A client whose pool has one slot, so that one that is not given back stops the next call."""
    import httpx2
    from openai import AsyncOpenAI, DefaultAioHttpClient

    # An empty context, because reading the certificates takes half a second.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    pool = DefaultAioHttpClient(limits=httpx2.Limits(max_connections=1), verify=tls)
    async with (
        AsyncOpenAI(api_key="k", base_url=fake_gateway.base_url, http_client=pool) as theirs,
        OpenRouterClient(default_model="m", openai_client=theirs, max_retries=0) as client,
    ):
        yield client


def descriptors() -> int:
    folder = next((path for path in (Path("/proc/self/fd"), Path("/dev/fd")) if path.is_dir()), None)
    return 0 if folder is None else len(os.listdir(folder))


async def at_rest(gateway: FakeGateway) -> None:
    """Wait until the gateway sends nothing any more, and no task but the test's own is left."""
    here = asyncio.current_task()
    async with asyncio.timeout(5):
        await gateway.until(lambda: gateway.open_responses == 0)
        while left := [task for task in asyncio.all_tasks() if task is not here]:
            await asyncio.wait(left)


async def fails(client: OpenRouterClient) -> None:
    with pytest.raises(AiError):
        await client.chat("Hi")


async def runs_out_of_time(client: OpenRouterClient) -> None:
    with pytest.raises(TimeoutError):
        await client.chat("Hi", timeout=Timeouts(first_chunk=0.2, idle=0.2))


async def gives_up_waiting(client: OpenRouterClient) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(client.chat("Hi"), 0.2)


async def is_cancelled_in_the_middle(client: OpenRouterClient) -> None:
    stream = client.stream_chat("Hi")
    await anext(stream)
    reader = asyncio.create_task(stream.result())
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.wait({reader})
    assert reader.cancelled()


async def breaks(client: OpenRouterClient) -> None:
    async for _ in client.stream_chat("Hi"):
        break


async def breaks_and_keeps_the_iterator(client: OpenRouterClient) -> None:
    text = client.stream_chat("Hi").text_stream
    await anext(text)
    await text.aclose()


async def raises(client: OpenRouterClient) -> None:
    with contextlib.suppress(KeyError):
        async for _ in client.stream_chat("Hi"):
            raise KeyError


async def leaves(client: OpenRouterClient) -> None:
    async with client.stream_chat("Hi") as stream:
        await anext(stream)


async def closes(client: OpenRouterClient) -> None:
    stream = client.stream_chat("Hi")
    await anext(stream)
    await stream.aclose()


async def closes_from_another_task(client: OpenRouterClient) -> None:
    stream = client.stream_chat("Hi")
    await anext(stream)
    reader = asyncio.create_task(stream.result())
    await asyncio.sleep(0)
    await stream.aclose()
    with pytest.raises(AiError):
        await reader


async def drops(client: OpenRouterClient) -> None:
    await anext(client.stream_chat("Hi"))


async def drops_in_a_cycle(client: OpenRouterClient) -> None:
    await in_a_cycle(client)
    gc.collect()


async def in_a_cycle(client: OpenRouterClient) -> None:
    stream = client.stream_chat("Hi")
    await anext(stream)
    cycle: list[object] = [stream]
    cycle.append(cycle)


ENDINGS: dict[str, tuple[Ending, tuple[Step, ...]]] = {
    "reset before the answer": (fails, (Reset(),)),
    "reset inside": (fails, (TEXT, Reset())),
    "cut inside": (fails, (TEXT, Cut())),
    "clean end too early": (fails, (TEXT,)),
    "error inside": (fails, (TEXT, sse({"error": {"code": 502, "message": "failed"}}), Hang())),
    "malformed inside": (fails, (TEXT, b"data: {\n\n", Hang())),
    "deadline of the first content": (runs_out_of_time, (Hang(),)),
    "deadline between contents": (runs_out_of_time, (TEXT, Hang())),
    "cancelled before the answer": (gives_up_waiting, (Hang(),)),
    "cancelled inside": (is_cancelled_in_the_middle, (TEXT, Hang())),
    "break": (breaks, (TEXT, Hang())),
    "break out of the text": (breaks_and_keeps_the_iterator, (TEXT, Hang())),
    "exception": (raises, (TEXT, Hang())),
    "context": (leaves, (TEXT, Hang())),
    "closed": (closes, (TEXT, Hang())),
    "closed by another task": (closes_from_another_task, (TEXT, Hang())),
    "dropped": (drops, (TEXT, Hang())),
    "dropped in a cycle": (drops_in_a_cycle, (TEXT, Hang())),
}


@pytest.mark.parametrize("name", ENDINGS)
async def test_an_ending_gives_everything_back(tight: OpenRouterClient, fake_gateway: FakeGateway, name: str) -> None:
    ending, steps = ENDINGS[name]
    before_headers = not isinstance(steps[0], bytes)
    await tight.chat("Hi")
    await at_rest(fake_gateway)
    open_before = descriptors()
    for _ in range(REPEATS):
        fake_gateway.add(Reply(steps, before_headers=before_headers))
        await ending(tight)
    # Would wait forever for a slot that was not given back.
    assert (await tight.chat("Hi", timeout=5)).content
    await at_rest(fake_gateway)
    assert len(fake_gateway.requests) == REPEATS + 2
    await fake_gateway.until(lambda: fake_gateway.open_connections <= 1)
    assert fake_gateway.open_connections <= 1
    # The gateway's side of the one connection is in this process too.
    assert descriptors() <= open_before
    gc.collect()
    assert [each for each in gc.get_objects() if isinstance(each, ChatStream)] == []


async def test_a_stream_collected_in_another_thread_gives_everything_back(
    tight: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    for _ in range(REPEATS):
        fake_gateway.reply(TEXT, Hang())
        gc.disable()
        try:
            await in_a_cycle(tight)
            collector = threading.Thread(target=gc.collect)
            collector.start()
            collector.join()
        finally:
            gc.enable()
        assert await fake_gateway.requests[-1].closed()
        assert fake_gateway.requests[-1].disconnected
    assert (await tight.chat("Hi", timeout=5)).content
    await at_rest(fake_gateway)


def test_a_loop_that_ends_in_the_middle_takes_everything_along(fake_gateway: FakeGateway) -> None:
    client = OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, "m", max_retries=0)
    held: list[ChatStream] = []

    async def begin(streams: int) -> None:
        for _ in range(streams):
            fake_gateway.reply(TEXT, Hang())
            held.append(client.stream_chat("Hi"))
            await anext(held[-1])
        # One of them is being read while the loop ends.
        held_by_a_task.append(asyncio.create_task(held[-1].result()))
        await asyncio.sleep(0)

    held_by_a_task: list[asyncio.Task[object]] = []
    asyncio.run(client.warm_up())
    open_before = descriptors()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(REPEATS):
            asyncio.run(begin(3))
            assert fake_gateway.wait_until(lambda: fake_gateway.open_connections == 0)
            assert all(request.disconnected for request in fake_gateway.requests)
        assert [task.cancelled() for task in held_by_a_task] == [True] * REPEATS
        held.clear()
        gc.collect()
    assert descriptors() <= open_before
    fake_gateway.stream("Still here.")
    assert asyncio.run(client.chat("Hi")).content == "Still here."
    asyncio.run(client.aclose())


def test_a_stream_outlives_its_loop_without_harm(fake_gateway: FakeGateway) -> None:
    client = OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, "m", max_retries=0)
    fake_gateway.reply(TEXT, Hang())

    async def begin() -> ChatStream:
        stream = client.stream_chat("Hi")
        await anext(stream)
        return stream

    stream = asyncio.run(begin())
    assert stream.partial.content == "Hello"
    with pytest.raises(AiError):
        asyncio.run(stream.result())
    asyncio.run(stream.aclose())
    asyncio.run(client.aclose())
    assert fake_gateway.wait_until(lambda: fake_gateway.open_connections == 0)
