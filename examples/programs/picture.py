"""Show the model a picture."""

import asyncio
import base64

from raptscallions_ai import OpenRouterClient, image, user

PIXEL = base64.b64decode("R0lGODlhAQABAAAAACwAAAAAAQABAAA=")


async def main() -> None:
    async with OpenRouterClient() as client:
        result = await client.chat([user(["What is in this picture?", image(PIXEL)])], max_tokens=40)
        print(result.content)


asyncio.run(main())
