"""Sync clients and the process around them: Ctrl-C, fork, exit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from raptscallions_ai.testing import FakeGateway, Gate, Hang, chunk, sse, usage

pytestmark = pytest.mark.requirement("E04-T005.AC11")

START = """
import os, sys, threading
from raptscallions_ai import SyncOpenRouterClient
client = SyncOpenRouterClient(sys.argv[1], sys.argv[2], "m", max_retries=0)
"""
END = [sse(chunk("", finish_reason="stop")), sse({"choices": [], "usage": usage()})]


@contextmanager
def running(program: str, gateway: FakeGateway) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", START + program, gateway.api_key, gateway.base_url]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def outcome(program: str, gateway: FakeGateway) -> tuple[str, str, int]:
    with running(program, gateway) as process:
        printed, complaints = process.communicate(timeout=30)
        return printed, complaints, process.returncode


CALLS = {
    "iterating": "for piece in client.stream_chat('Hi').text_stream: print(piece, flush=True)",
    "chat": "client.chat('Hi')",
    "look-up": "client.models()",
}


@pytest.mark.skipif(os.name == "nt", reason="a test cannot send Ctrl-C to one process there")
@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_ends_the_call_and_closes_the_connection(fake_gateway: FakeGateway, call: str) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    fake_gateway.route("GET", "/api/v1/models").reply(Hang(), before_headers=True)
    program = f"""
try:
    {CALLS[call]}
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.stdin.readline()  # still there: what the gateway sees next is not the end of the process
"""
    with running(program, fake_gateway) as process:
        assert fake_gateway.wait_until(lambda: bool(fake_gateway.requests), 20)
        if call == "iterating":
            assert process.stdout is not None
            assert process.stdout.readline() == "Hello\n"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert fake_gateway.requests[0].wait_closed()
        assert time.monotonic() - began < 2
        assert fake_gateway.requests[0].disconnected
        printed, complaints = process.communicate(timeout=10)
    assert (printed, complaints, process.returncode) == ("interrupted\n", "", 0)


@pytest.mark.skipif(os.name == "nt", reason="a test cannot send Ctrl-C to one process there")
def test_after_ctrl_c_the_client_is_as_good_as_before(fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(Hang(), before_headers=True)
    program = """
try:
    client.chat("Hi")
except KeyboardInterrupt:
    print(client.chat("Hi").content)
client.close()
"""
    with running(program, fake_gateway) as process:
        assert fake_gateway.wait_until(lambda: bool(fake_gateway.requests), 20)
        process.send_signal(signal.SIGINT)
        printed, complaints = process.communicate(timeout=10)
    assert (printed, complaints) == ("Hello from the fake gateway.\n", "")


ENDINGS = {
    "nothing closed": "client.chat('Hi')",
    "an open stream": "stream = client.stream_chat('Hang'); print(next(stream).content)",
    "a thread in a call": "threading.Thread(target=client.chat, args=['Hang'], daemon=True).start(); input()",
    "an error": "stream = client.stream_chat('Hang'); next(stream); sys.exit(3)",
    "in atexit": "import atexit; client.chat('Hi'); atexit.register(lambda: print(client.chat('Hi').content))",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_process_ends_at_once_and_without_complaint(fake_gateway: FakeGateway, ending: str) -> None:
    if "Hang" in ENDINGS[ending]:
        fake_gateway.reply(sse(chunk("Hello")), Hang())
    with running(ENDINGS[ending], fake_gateway) as process:
        assert fake_gateway.wait_until(lambda: bool(fake_gateway.requests), 20)
        _, complaints = process.communicate("\n", timeout=20)
    assert (complaints, process.returncode) == ("", 3 if ending == "an error" else 0)
    assert fake_gateway.wait_until(lambda: fake_gateway.open_connections == 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_after_a_fork_both_processes_go_on(fake_gateway: FakeGateway) -> None:
    gate = Gate()
    fake_gateway.stream("before").reply(sse(chunk("parent")), gate, sse(chunk(" goes on")), *END)
    fake_gateway.stream("child").stream("child again").stream("parent again")
    program = """
import gc, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks with threads
print(client.chat("Hi").content, flush=True)
stream = client.stream_chat("Hi").text_stream
print(next(stream), flush=True)
if (child := os.fork()) == 0:
    del stream
    gc.collect()
    print(client.chat("Hi").content, flush=True)
    with client.stream_chat("Hi") as answer:
        print("".join(answer.text_stream), flush=True)
    client.close()
    os._exit(0)
print("child ended with", os.waitpid(child, 0)[1], flush=True)
print("".join(stream), flush=True)
print(client.chat("Hi").content, flush=True)
client.close()
"""
    with running(program, fake_gateway) as process:
        assert fake_gateway.wait_until(lambda: len(fake_gateway.requests) == 4, 20)
        assert fake_gateway.requests[2].wait_closed()
        assert not fake_gateway.requests[1].ended  # the child left alone what is the parent's
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(5)]
        gate.open()
        printed, complaints = process.communicate(timeout=20)
    assert lines == ["before", "parent", "child", "child again", "child ended with 0"]
    assert (printed, complaints, process.returncode) == (" goes on\nparent again\n", "", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_pool_of_forked_processes(fake_gateway: FakeGateway) -> None:
    program = """
import multiprocessing, warnings
warnings.simplefilter("ignore", DeprecationWarning)

def ask(number):
    return client.chat(str(number)).content

client.chat("Hi")
with multiprocessing.get_context("fork").Pool(3) as pool:
    print(set(pool.map(ask, range(12))))
client.close()
"""
    printed, complaints, code = outcome(program, fake_gateway)
    assert (printed, complaints, code) == ("{'Hello from the fake gateway.'}\n", "", 0)
    assert len(fake_gateway.requests) == 13
