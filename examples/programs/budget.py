"""Stop when a budget is used up, and keep what had arrived."""

import asyncio

from raptscallions_ai import BudgetExceededError, OpenRouterClient
from raptscallions_ai.wrappers import Budget, BudgetedClient


async def main() -> None:
    budget = Budget(tokens=50)
    async with BudgetedClient(OpenRouterClient(), budget) as client:
        for prompt in ("Tell me a long story.", "And on."):
            try:
                await client.chat(prompt, temperature=0, max_tokens=300)
            except BudgetExceededError as error:
                print(error.limit, error.allowed, bool(error.partial and error.partial.content))
    print(budget.spent.requests)


asyncio.run(main())
