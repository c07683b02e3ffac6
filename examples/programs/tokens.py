"""Estimate what a conversation takes, and compare it with what the gateway counted."""

import asyncio

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.prices import estimate_tokens

QUESTION = "Name three fruits."


async def main() -> None:
    estimate = estimate_tokens(QUESTION)
    async with OpenRouterClient() as client:
        result = await client.chat(QUESTION, temperature=0, max_tokens=5)
    print(estimate.at_least <= estimate.tokens <= estimate.at_most, estimate.tokens, result.usage.prompt_tokens)


asyncio.run(main())
