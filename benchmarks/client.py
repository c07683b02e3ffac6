"""One measurement in a process of its own: `client.py CLIENT SCENARIO URL` prints its figures as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

HISTORY = [{"role": role, "content": "word " * 40} for _ in range(50) for role in ("user", "assistant")]
QUESTION = {"role": "user", "content": "Hi"}
REPEATS = {"coalesced": 4, "live": 1, "first": 200, "first, 100 messages": 100}

Ask = Callable[[str, list[dict[str, str]]], Awaitable[int]]
"""Ask a model and read the whole answer; returns the number of chunks with text."""


async def measure(ask: Ask, scenario: str) -> dict[str, float]:
    """Run one scenario once to warm up and then as often as it needs; CPU is that of the whole process."""
    model = scenario.partition(",")[0]
    messages = [*HISTORY, QUESTION] if "messages" in scenario else [QUESTION]
    await ask(model, messages)
    repeats = REPEATS[scenario]
    cpu, wall, chunks = time.process_time(), time.perf_counter(), 0
    for _ in range(repeats):
        chunks += await ask(model, messages)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu_us": cpu / chunks * 1e6, "wall_us": wall / chunks * 1e6}


async def ours(url: str, scenario: str) -> dict[str, float]:
    """Measure this library with its full public loop."""
    from raptscallions_ai import OpenRouterClient

    async with OpenRouterClient("benchmark-key", url, "model") as client:

        async def ask(model: str, messages: list[dict[str, str]]) -> int:
            count = 0
            async for chunk in client.stream_chat(messages, model=model):
                if chunk.type == "content":
                    count += 1
            return count

        return await measure(ask, scenario)


async def sdk(url: str, scenario: str, *, aiohttp: bool) -> dict[str, float]:
    """Measure the plain OpenAI SDK, with its default transport or with aiohttp."""
    from openai import AsyncOpenAI, DefaultAioHttpClient
    from openai.types.chat import ChatCompletionMessageParam

    http_client = DefaultAioHttpClient() if aiohttp else None
    async with AsyncOpenAI(api_key="benchmark-key", base_url=url, http_client=http_client) as client:

        async def ask(model: str, messages: list[dict[str, str]]) -> int:
            params: list[ChatCompletionMessageParam] = [
                {"role": "user", "content": message["content"]}
                if message["role"] == "user"
                else {"role": "assistant", "content": message["content"]}
                for message in messages
            ]
            count = 0
            stream = await client.chat.completions.create(
                model=model, messages=params, stream=True, stream_options={"include_usage": True}
            )
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    count += 1
            return count

        return await measure(ask, scenario)


CLIENTS: dict[str, Callable[[str, str], Awaitable[dict[str, float]]]] = {
    "raptscallions-ai": ours,
    "openai": lambda url, scenario: sdk(url, scenario, aiohttp=False),
    "openai, aiohttp": lambda url, scenario: sdk(url, scenario, aiohttp=True),
}


async def main() -> None:
    """Measure what the command line names."""
    name, scenario, url = sys.argv[1:]
    print(json.dumps(await CLIENTS[name](url, scenario)))


if __name__ == "__main__":
    asyncio.run(main())
