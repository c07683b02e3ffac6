"""Record a span of OpenTelemetry for each call."""

import asyncio
import sys

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.wrappers import TracedClient

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stdout)))


async def main() -> None:
    async with TracedClient(OpenRouterClient(), tracer_provider=provider) as client:
        await client.chat("Name three fruits.", temperature=0, max_tokens=40)


asyncio.run(main())
