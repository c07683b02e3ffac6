"""Read an answer as events with brackets around each block."""

import asyncio

from raptscallions_ai import OpenRouterClient


async def main() -> None:
    async with OpenRouterClient() as client:
        async for event in client.stream_chat("Name three fruits.", temperature=0, max_tokens=40).events():
            match event.type:
                case "text_delta":
                    print(event.delta, end="|")
                case "text_end":
                    print(repr(event.content))
                case _:
                    print(event.type)


asyncio.run(main())
