"""Add up what calls use, for each tenant and in all."""

import asyncio

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.wrappers import TrackedClient


async def main() -> None:
    async with TrackedClient(OpenRouterClient()) as client:
        tenants = [client.tagged("tenant-1"), client.tagged("tenant-2")]
        for tenant in tenants:
            await tenant.chat("Name three fruits.", temperature=0, max_tokens=40)
        tokens = [tenant.get_usage().total_tokens for tenant in tenants]
        print(tokens, client.get_usage().calls, client.get_usage().total_tokens == sum(tokens))
        client.reset_usage()
        print(client.get_usage().total_tokens)


asyncio.run(main())
