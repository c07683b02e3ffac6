"""Show a model's thinking apart from its answer."""

import asyncio

from raptscallions_ai import OpenRouterClient


async def main() -> None:
    async with OpenRouterClient() as client:
        async for chunk in client.stream_chat(
            "What is 2 plus 2?", reasoning_effort="low", temperature=0, max_tokens=60
        ):
            if chunk.type == "done":
                print("thought:", chunk.result.reasoning)
                print("said:", chunk.result.content)


asyncio.run(main())
