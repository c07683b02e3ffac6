"""Record an exchange with the gateway, then play it without one."""

import asyncio

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.testing import Cassette


async def main() -> None:
    for mode in ("record", "replay"):
        async with (
            Cassette("fruits.jsonl", mode=mode) as cassette,
            OpenRouterClient(cassette.api_key, cassette.base_url) as client,
        ):
            result = await client.chat("Name three fruits.", temperature=0, max_tokens=40)
            print(mode, repr(result.content), result.usage.total_tokens)


asyncio.run(main())
