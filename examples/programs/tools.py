"""Let the model call a function."""

import asyncio

from raptscallions_ai import OpenRouterClient, tool


@tool
def weather(city: str) -> str:
    """Tell how warm it is in a city."""
    return f"12 degrees in {city}"


async def main() -> None:
    async with OpenRouterClient() as client:
        run = client.run_tools("How warm is it in Paris?", tools=[weather], temperature=0, max_tokens=60)
        async for event in run:
            if event.type == "tool_finished":
                print(event.call.name, event.call.arguments, event.content)
        result = await run.result()
        print(result.content, len(result.steps), result.usage.total_tokens, sep="\n")


asyncio.run(main())
