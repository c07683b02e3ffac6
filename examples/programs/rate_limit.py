"""Ask many things at once, but no more than two at a time."""

import asyncio

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.wrappers import RateLimitedClient, RateLimiter


async def main() -> None:
    limiter = RateLimiter(requests_per_minute=600, max_concurrency=2)
    async with RateLimitedClient(OpenRouterClient(), limiter) as client:
        calls = [client.chat("Name three fruits.", temperature=0, max_tokens=40) for _ in range(4)]
        results = await asyncio.gather(*calls)
    print(len(results), {result.content for result in results})


asyncio.run(main())
