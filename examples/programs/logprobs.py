"""Ask how sure the model was of each token."""

import asyncio

from raptscallions_ai import OpenRouterClient


async def main() -> None:
    async with OpenRouterClient() as client:
        result = await client.chat("Name three fruits.", temperature=0, max_tokens=5, logprobs=True, top_logprobs=2)
        for entry in result.logprobs:
            print(repr(entry["token"]), round(entry["logprob"], 2), len(entry["top_logprobs"]))


asyncio.run(main())
