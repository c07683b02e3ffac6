"""Signals, forks and threads around sync clients: it works, or says at once that it does not; nothing is cut short."""

# What is attacked are the insides of a stream and of the thread.
# pyright: reportPrivateUsage=false
from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from raptscallions_ai import AiError, StreamInterruptedError, SyncChatClient, SyncOpenRouterClient
from raptscallions_ai.sync.loop_thread import LoopThread
from raptscallions_ai.testing import FakeGateway, Hang, ScriptedClient, chunk, sse

pytestmark = [
    pytest.mark.requirement("E04-T015.AC2"),
    pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there are no such signals here"),
]

PIECES = ["one ", "two ", "three ", "four"]


class RungError(Exception):
    """What the handler of a signal raises, such as the time limit of a worker."""


@pytest.fixture
def signalled() -> Iterator[None]:
    def ring(number: int, frame: object) -> None:
        raise RungError

    before = signal.signal(signal.SIGUSR1, ring)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def client() -> Iterator[SyncChatClient[ScriptedClient]]:
    with SyncChatClient(ScriptedClient(PIECES)) as client:
        yield client


class RingingDeque(deque[Any]):
    """Receives a signal when something has been taken out, and nobody has it yet."""

    def popleft(self) -> Any:
        taken = super().popleft()
        signal.raise_signal(signal.SIGUSR1)
        return taken

    def extend(self, more: Any) -> None:
        list(more)
        signal.raise_signal(signal.SIGUSR1)


READERS: dict[str, Callable[[Any], Iterator[Any]]] = {
    "the stream itself": lambda stream: stream,
    "its iterator": iter,
    "its text": lambda stream: stream.text_stream,
}


@pytest.mark.usefixtures("signalled")
@pytest.mark.parametrize("reader", READERS)
def test_a_chunk_that_a_signal_cost_makes_no_short_answer(client: SyncChatClient[Any], reader: str) -> None:
    stream = client.stream_chat("Hi")
    reading = READERS[reader](stream)
    assert next(reading)
    stream._ready = RingingDeque(stream._ready)
    with pytest.raises(RungError):
        next(reading)
    for _ in range(2):
        with pytest.raises(StreamInterruptedError):
            next(reading)
    with pytest.raises(StreamInterruptedError):
        "".join(stream.text_stream)


@pytest.mark.usefixtures("signalled")
def test_the_same_where_the_last_chunks_were_lost() -> None:
    with SyncChatClient(ScriptedClient(["all at once"])) as client:
        stream = client.stream_chat("Hi")
        stream._ready = RingingDeque()
        while True:
            try:
                next(stream)
            except RungError:
                continue
            except StreamInterruptedError:
                break


@pytest.mark.usefixtures("signalled")
@pytest.mark.parametrize("reader", [*READERS, "its events"])
def test_a_signal_while_waiting_gives_the_stream_up(fake_gateway: FakeGateway, reader: str) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    with SyncOpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, "m", max_retries=0) as client:
        stream = client.stream_chat("Hi")
        reading: Iterator[Any] = stream.events() if reader == "its events" else READERS[reader](stream)
        for _ in range(3 if reader == "its events" else 1):
            next(reading)
        ring = threading.Timer(0.2, signal.pthread_kill, [threading.main_thread().ident or 0, signal.SIGUSR1])
        with pytest.raises(RungError):
            ring.start()
            next(reading)
        assert fake_gateway.requests[0].wait_closed()
        with pytest.raises(StreamInterruptedError):
            next(reading)
        assert stream.partial.content == "Hello"
        ring.join()


FORKS = {
    "reading": "next(stream)",
    "its text": "next(stream.text_stream)",
    "events": "next(stream.events())",
    "result": "stream.result()",
    "settle": "stream.settle()",
}
START = """
import os, sys, warnings
from raptscallions_ai import AiError, SyncOpenRouterClient
warnings.simplefilter("ignore", DeprecationWarning)
client = SyncOpenRouterClient(sys.argv[1], sys.argv[2], "m", max_retries=0)
stream = client.stream_chat("Hi")
next(stream)
"""


def outcome(program: str, gateway: FakeGateway) -> str:
    command = [sys.executable, "-c", START + program, gateway.api_key, gateway.base_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_stream_of_the_parent_says_so_in_a_forked_child_and_does_not_hang(fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    program = "if (child := os.fork()) == 0:\n"
    for call in FORKS.values():
        program += f"    try: {call}\n    except AiError as error: print(error)\n"
    program += """
    print(stream.partial.content)
    stream.close()
    with stream: pass
    print(client.chat("And in the child?").content, flush=True)
    client.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
stream.close()
client.close()
"""
    program = program.replace("    with stream: pass\n", "")
    lines = outcome(program, fake_gateway).splitlines()
    told = "This was opened before the process was forked and belongs to the other one; open a new one"
    assert lines == [told] * len(FORKS) + ["Hello", "Hello from the fake gateway."]


def test_leaving_a_with_in_a_forked_child_does_nothing(fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    program = """
with stream:
    child = os.fork()
if child == 0:
    print("left", flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
client.close()
"""
    assert outcome(program, fake_gateway) == "left\n"


def test_a_thread_that_outlives_the_main_thread_calls_or_says_why_not(
    fake_gateway: FakeGateway,
) -> None:
    program = """
import sys, threading
from raptscallions_ai import AiError, SyncOpenRouterClient
def ask():
    threading.main_thread().join()
    url = sys.argv[2].replace("127.0.0.1", "localhost")  # a name, which has to be looked up
    with SyncOpenRouterClient(sys.argv[1], url, "m", max_retries=0) as client:
        print(client.chat("Hi").content, flush=True)
def told():
    try: ask()
    except AiError as error: print(error, flush=True)
threading.Thread(target=told).start()
"""
    command = [sys.executable, "-c", program, fake_gateway.api_key, fake_gateway.base_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if sys.version_info >= (3, 12):
        expected = "The interpreter is ending and starts no more threads: make the first call before\n"
    else:
        expected = "Hello from the fake gateway.\n"
    assert (done.stdout, done.stderr) == (expected, "")


def test_nobody_waits_for_a_thread_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raptscallions_ai.sync.loop_thread._TICK", 0.05)

    async def end() -> None:
        thread._ended = True
        thread._loop.stop()
        await asyncio.sleep(0)

    thread = LoopThread()
    with pytest.raises(AiError, match="has ended"):
        thread.run(end())
    thread._loop.run_until_complete(asyncio.sleep(0))
    thread._loop.close()
