"""Log every call: its model, its tokens and its time, but nothing of what was said."""

import asyncio
import logging
import sys

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.wrappers import LoggedClient

log = logging.getLogger("raptscallions_ai")
log.setLevel(logging.INFO)
log.addHandler(logging.StreamHandler(sys.stdout))


async def main() -> None:
    async with LoggedClient(OpenRouterClient()) as client:
        await client.chat("Name three fruits.", temperature=0, max_tokens=40)


asyncio.run(main())
