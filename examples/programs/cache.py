"""Keep answers on disk, and give them again without asking."""

import asyncio

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.wrappers import CachedClient, disk_store


async def main() -> None:
    async with CachedClient(OpenRouterClient(), disk_store("answers"), ttl=3600) as client:
        for _ in range(2):
            stream = client.stream_chat("Name three fruits.", temperature=0, max_tokens=40)
            pieces = [piece async for piece in stream.text_stream]
            result = await stream.result()
            print(repr("".join(pieces)), len(pieces), result.usage.total_tokens, len(result.attempts))


asyncio.run(main())
