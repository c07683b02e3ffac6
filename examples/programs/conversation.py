"""Hold a conversation: each answer goes back with the next question."""

import asyncio

from raptscallions_ai import ChatMessage, OpenRouterClient, user


async def main() -> None:
    history: list[ChatMessage] = []
    async with OpenRouterClient() as client:
        for question in ("Name three fruits.", "Name three more."):
            history.append(user(question))
            result = await client.chat(history, temperature=0, max_tokens=40)
            history.append(result.to_message())
            print(result.content, result.usage.prompt_tokens, sep="\n")
    print([message.role for message in history])


asyncio.run(main())
