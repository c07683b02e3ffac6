"""Print an answer as it arrives, then what it used."""

import asyncio

from raptscallions_ai import OpenRouterClient


async def main() -> None:
    async with OpenRouterClient() as client:
        async for chunk in client.stream_chat("Name three fruits.", temperature=0, max_tokens=40):
            if chunk.type == "content":
                print(chunk.content, end="", flush=True)
            elif chunk.type == "done":
                print(f"\n{chunk.usage.total_tokens} tokens, {chunk.result.finish_reason}")


asyncio.run(main())
