"""Tell failures apart by their type."""

import asyncio

from raptscallions_ai import AiError, AuthenticationError, OpenRouterClient


async def main() -> None:
    async with OpenRouterClient(api_key="sk-not-the-key") as client:
        try:
            await client.chat("Name three fruits.")
        except AuthenticationError as error:
            print("check your key:", error.status_code, error.retryable)
        except AiError as error:
            print("something else:", type(error).__name__, error.message)


asyncio.run(main())
