"""Ask for a whole answer, streamed under the hood and then as one body."""

import asyncio

from raptscallions_ai import OpenRouterClient, system, user


async def main() -> None:
    messages = [system("Be brief."), user("Name three fruits.")]
    async with OpenRouterClient() as client:
        streamed = await client.chat(messages, temperature=0, max_tokens=40)
        whole = await client.chat(messages, temperature=0, max_tokens=40, stream=False)
        print(streamed.content)
        print(streamed.content == whole.content, whole.usage.prompt_tokens, whole.usage.completion_tokens)


asyncio.run(main())
