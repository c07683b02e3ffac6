"""See an object grow while it arrives."""

import asyncio
from typing import Literal

from pydantic import BaseModel, Field

from raptscallions_ai import OpenRouterClient


class Basket(BaseModel):
    owner: Literal["Ada"]
    fruits: list[Literal["apple", "banana", "cherry"]] = Field(max_length=3)


async def main() -> None:
    async with OpenRouterClient() as client:
        stream = client.stream_parse("Put three fruits into a basket.", Basket, temperature=0, max_tokens=60)
        async for basket in stream:
            print(len(basket.fruits), end=" ")
        print((await stream.result()).parsed)


asyncio.run(main())
