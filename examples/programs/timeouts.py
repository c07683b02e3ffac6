"""Give a call one second, and keep what had arrived by then."""

import asyncio

from raptscallions_ai import OpenRouterClient, TimeoutError, Timeouts


async def main() -> None:
    limits = Timeouts(connect=1, first_chunk=30, idle=10, total=1)
    async with OpenRouterClient(timeout=limits) as client:
        await client.warm_up()  # imports take their time, once
        try:
            await client.chat("Tell me a long story.", temperature=0, max_tokens=2000)
        except TimeoutError as error:
            print(error.phase, repr(error.partial.content if error.partial else ""))


asyncio.run(main())
