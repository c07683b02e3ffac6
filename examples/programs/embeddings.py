"""Turn texts into vectors."""

import asyncio

from raptscallions_ai import OpenRouterClient


async def main() -> None:
    async with OpenRouterClient() as client:
        result = await client.embed(["A cat", "A dog"], model="openai/text-embedding-3-small")
        print(len(result.vectors), result.dimensions, result.usage.prompt_tokens)


asyncio.run(main())
