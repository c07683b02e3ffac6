"""List the gateway's models, and find the one that answers."""

import asyncio

from raptscallions_ai import OpenRouterClient


async def main() -> None:
    async with OpenRouterClient() as client:
        models = await client.models()
        for model in models:
            print(model.id, model.context_length, model.prompt_price)
        print(client.resolve_model() in [model.id for model in models])


asyncio.run(main())
