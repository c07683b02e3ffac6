"""Set options: how long, how random, where to stop."""

import asyncio

from raptscallions_ai import ChatOptions, OpenRouterClient

SAMPLING: ChatOptions = {"temperature": 0.7, "top_p": 0.9, "seed": 11, "max_tokens": 20}


async def main() -> None:
    async with OpenRouterClient() as client:
        sampled = [await client.chat("Name three fruits.", **SAMPLING) for _ in range(2)]
        print(sampled[0].content == sampled[1].content != "", sampled[0].usage.completion_tokens <= 20)
        stopped = await client.chat("Name three fruits.", temperature=0, max_tokens=40, stop=["\n"])
        print(stopped.content, stopped.finish_reason)


asyncio.run(main())
