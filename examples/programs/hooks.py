"""Change every call before it is made, and look at every answer."""

import asyncio
from dataclasses import replace

from raptscallions_ai import ChatResult, OpenRouterClient
from raptscallions_ai.wrappers import ChatCall, HookedClient


def careful(call: ChatCall) -> ChatCall:
    return replace(call, options={**call.options, "temperature": 0, "max_tokens": 40})


def show(call: ChatCall, result: ChatResult) -> None:
    print(call.options, result.content, result.usage.total_tokens, sep="\n")


async def main() -> None:
    async with HookedClient(OpenRouterClient(), before_call=careful, after_call=show) as client:
        await client.chat("Name three fruits.")


asyncio.run(main())
