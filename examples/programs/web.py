"""Turn an answer into the body of a web response: server-sent events, one for each chunk."""

import asyncio

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.web import sse_response_body


async def main() -> None:
    async with OpenRouterClient() as client:
        body = sse_response_body(client.stream_chat("Name three fruits.", temperature=0, max_tokens=40))
        try:
            await body.open()  # what fails before the first chunk is raised here, and can be an HTTP status
            print(body.headers["Content-Type"])
            async for data in body:
                print(data.decode(), end="")
        finally:
            await body.aclose()


asyncio.run(main())
