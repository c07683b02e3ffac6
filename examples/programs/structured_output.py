"""Get an object instead of a text."""

import asyncio

from pydantic import BaseModel

from raptscallions_ai import OpenRouterClient


class City(BaseModel):
    name: str
    people: int


async def main() -> None:
    async with OpenRouterClient() as client:
        result = await client.parse("Describe the city of Paris.", City, temperature=0, max_tokens=60)
        print(type(result.parsed).__name__, result.parsed.name, result.parsed.people + 1)
        print(result.usage.total_tokens)


asyncio.run(main())
