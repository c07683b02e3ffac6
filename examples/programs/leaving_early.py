"""Leave an answer early: the model stops, and the next question is answered at once."""

import asyncio

from raptscallions_ai import OpenRouterClient


async def main() -> None:
    async with OpenRouterClient() as client:
        stream = client.stream_chat("Tell me a long story.", temperature=0, max_tokens=2000)
        async for text in stream.text_stream:
            print("left after", repr(text))
            break
        print(stream.partial.finish_reason, (await stream.settle()).cost_source)
        print((await client.chat("Name three fruits.", temperature=0, max_tokens=40)).content)


asyncio.run(main())
