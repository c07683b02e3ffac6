"""Cancel a call from outside: it ends at once, and the client goes on."""

import asyncio

from raptscallions_ai import OpenRouterClient


async def main() -> None:
    async with OpenRouterClient() as client:
        task = asyncio.create_task(client.chat("Tell me a long story.", temperature=0, max_tokens=2000))
        await asyncio.sleep(0.5)
        task.cancel()
        print(isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError))
        print((await client.chat("Name three fruits.", temperature=0, max_tokens=40)).content)


asyncio.run(main())
