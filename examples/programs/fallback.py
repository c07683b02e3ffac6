"""Ask somebody else when the first gateway is down."""

import asyncio

from raptscallions_ai import OpenRouterClient


async def main() -> None:
    async with (
        OpenRouterClient() as second,
        OpenRouterClient(base_url="http://127.0.0.1:9/v1", max_retries=0, fallback_clients=[second]) as client,
    ):
        result = await client.chat("Name three fruits.", temperature=0, max_tokens=40)
        print(result.content)
        print([attempt.error for attempt in result.attempts])


asyncio.run(main())
