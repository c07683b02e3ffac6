"""How much work a chunk and a call cost, counted instead of timed, so that speed cannot be lost unseen.

What is counted are the bytecode instructions that run in this package's own functions, with the whole public loop in
the path and no socket: the same on every machine with the same Python. `benchmarks/run.py` tells their time.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI

import raptscallions_ai
from raptscallions_ai import OpenRouterClient, assistant, user
from raptscallions_ai.testing import chunk, sse, usage
from raptscallions_ai.testing.wire import COMMENT, DONE

TraceFunction = Callable[[FrameType, str, Any], Any]
PACKAGE = str(Path(raptscallions_ai.__file__).parent)
TOOL = 4  # of those that sys.monitoring leaves to everybody
_BLOCK = 65536

# Instructions by version of Python, 4 % above what was counted. Who makes a path cheaper lowers its ceiling; who makes
# it dearer for a good reason raises it, and says in the commit why.
CEILINGS = {
    "a chunk, read in blocks": {(3, 11): 207, (3, 12): 185, (3, 13): 192},
    "a chunk, read alone": {(3, 11): 501, (3, 12): 452, (3, 13): 485},
    "a tool call's delta": {(3, 11): 292, (3, 12): 266, (3, 13): 276},
    "a call": {(3, 11): 6060, (3, 12): 5550, (3, 13): 5630},
    "a message of the conversation": {(3, 11): 135, (3, 12): 124, (3, 13): 123},
}
_LOOSEST = 0.9  # of a ceiling; below that it no longer guards anything


class InMemoryTransport(httpx2.AsyncBaseTransport):
    """Answers with blocks that are there already."""

    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = blocks

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, stream=Body(self._blocks))


class Body(httpx2.AsyncByteStream):
    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = blocks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for block in self._blocks:
            yield block


class Instructions:
    """Counts the bytecode instructions that run in functions of this package."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Instructions:
        self._before = sys.gettrace()
        gc.collect()
        gc.disable()  # else finalizers of earlier tests' objects could be counted
        if sys.version_info >= (3, 12):
            monitoring = sys.monitoring
            monitoring.use_tool_id(TOOL, "instructions")
            monitoring.register_callback(TOOL, monitoring.events.INSTRUCTION, self._note)
            monitoring.set_events(TOOL, monitoring.events.INSTRUCTION)
        else:
            sys.settrace(self._trace)
        return self

    def __exit__(self, *error: object) -> None:
        if sys.version_info >= (3, 12):
            sys.monitoring.set_events(TOOL, 0)
            sys.monitoring.free_tool_id(TOOL)
        else:
            sys.settrace(self._before)
        gc.enable()

    def _note(self, code: CodeType, offset: int) -> object:
        if not is_ours(code):
            return sys.monitoring.DISABLE if sys.version_info >= (3, 12) else None
        self.count += 1
        return None

    def _trace(self, frame: FrameType, event: str, argument: Any) -> TraceFunction | None:
        if event == "opcode":
            self._note(frame.f_code, frame.f_lasti)
        elif event == "call":
            if not is_ours(frame.f_code):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._trace


def is_ours(code: CodeType) -> bool:
    """Whether it is this package's, or made at run time, as the `__init__` of a dataclass is."""
    return code.co_filename.startswith(PACKAGE) or code.co_filename == "<string>"


def text(length: int) -> bytes:
    return sse(chunk(" token")) * length


def arguments(length: int) -> bytes:
    start = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    delta = {"tool_calls": [{"index": 0, "function": {"arguments": "12345678"}}]}
    return sse(chunk(delta={"tool_calls": [start]})) + sse(chunk(delta=delta)) * length


def in_blocks(body: bytes) -> list[bytes]:
    return [body[start : start + _BLOCK] for start in range(0, len(body), _BLOCK)]


def event_by_event(body: bytes) -> list[bytes]:
    return [event + b"\n\n" for event in body.split(b"\n\n")[:-1]]


async def instructions(blocks: list[bytes], *, messages: int = 1) -> int:
    """Return what one whole answer costs."""
    http_client = httpx2.AsyncClient(transport=InMemoryTransport(blocks))
    history = [user("word " * 40), assistant("word " * 40)] * (messages // 2) + [user("Hi")]
    async with AsyncOpenAI(api_key="k", base_url="http://127.0.0.1/v1", http_client=http_client) as sdk:
        client = OpenRouterClient(default_model="m", openai_client=sdk)
        await client.chat("Hi")  # what is imported and built once, is not counted
        with Instructions() as counted:
            async for _ in client.stream_chat(history):
                pass
    return counted.count


def end(finish_reason: str = "stop") -> bytes:
    return sse(chunk(finish_reason=finish_reason)) + sse(chunk(choices=[], usage=usage())) + DONE


async def per_chunk(content: Callable[[int], bytes], cut: Callable[[bytes], list[bytes]]) -> float:
    few, many = [await instructions(cut(COMMENT + content(n) + end())) for n in (500, 1500)]
    return (many - few) / 1000


async def count(path: str) -> float:
    if path == "a chunk, read in blocks":
        return await per_chunk(text, in_blocks)
    if path == "a chunk, read alone":
        return await per_chunk(text, event_by_event)
    if path == "a tool call's delta":
        return await per_chunk(arguments, in_blocks)
    one = await instructions([text(1) + end()])
    if path == "a call":
        return one
    return (await instructions([text(1) + end()], messages=101) - one) / 100


@pytest.mark.requirement("E04-T004.AC7")
@pytest.mark.parametrize("path", CEILINGS)
async def test_the_work_stays_under_its_ceiling(path: str) -> None:
    counted = await count(path)
    ceilings = CEILINGS[path]
    ceiling = ceilings.get(sys.version_info[:2], max(ceilings.values()))
    assert counted <= ceiling, f"{path} takes {counted:.1f} instructions, more than the {ceiling:.0f} it may"
    assert counted >= ceiling * _LOOSEST or sys.version_info[:2] not in ceilings, "lower the ceiling: it guards nothing"


async def test_the_count_is_the_same_every_time() -> None:
    assert {await instructions(in_blocks(text(100) + end())) for _ in range(3)} == {
        await instructions(in_blocks(text(100) + end()))
    }
