"""Tell what this key has spent, and what it may still spend."""

import asyncio

from raptscallions_ai import OpenRouterClient


async def main() -> None:
    async with OpenRouterClient() as client:
        key = await client.key_info()
        print(key.usage, "spent,", "no limit" if key.limit is None else f"{key.limit_remaining} left")


asyncio.run(main())
