"""One measurement of one client, in a process of its own: `vendor_sdks.py JSON` prints its figures as JSON.

It runs in our environment and in that of the vendors' SDKs, so nothing is imported before it is needed; importing is
among what is measured.
"""

import json
import sys
import time

_LEAST_SECONDS = 0.5


def decode(task):
    """Return CPU microseconds a chunk, from the bytes of an answer to its chunks, without a socket."""
    import asyncio

    with open(task["bytes"], "rb") as file:
        body = file.read()
    reads = [body[start : start + task["read"]] for start in range(0, len(body), task["read"])]
    once = DECODERS[task["client"]](task, reads)

    async def repeat():
        assert await once() == task["chunks"]
        rounds, began = 0, time.process_time()
        while time.process_time() - began < _LEAST_SECONDS:
            rounds += await once() == task["chunks"]
        return {"cpu_us": (time.process_time() - began) / rounds / task["chunks"] * 1e6}

    return asyncio.run(repeat())


def live(task):
    """Return CPU microseconds a chunk of one stream from a server, each chunk in a packet of its own."""
    import asyncio

    async def read():
        stream = CLIENTS[task["client"]](task)
        assert await stream() == task["chunks"]  # what is loaded and connected once
        began = time.process_time()
        assert await stream() == task["chunks"]
        return {"cpu_us": (time.process_time() - began) / task["chunks"] * 1e6}

    return asyncio.run(read())


def failing(task):
    """Return milliseconds of CPU from nothing to the first failure: the import, a client, a refused connection."""
    import asyncio

    began, clock = time.process_time(), time.perf_counter()

    async def fail():
        stream = CLIENTS[task["client"]](task)
        try:
            await stream()
        except Exception as error:
            return type(error).__name__
        raise AssertionError("nothing listens there")

    name = asyncio.run(fail())
    spent = {"cpu_ms": (time.process_time() - began) * 1000, "wall_ms": (time.perf_counter() - clock) * 1000}
    return {**spent, "modules": len(sys.modules), "openai": "openai" in sys.modules, "error": name}


def ours_decoding(task, reads):
    """Decode with this library: events or lines, the dialect's reader, and the fold."""
    from raptscallions_ai._dialects.anthropic.reader import AnthropicReader
    from raptscallions_ai._dialects.decoder import AnswerDecoder
    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai._dialects.ollama.reader import OllamaReader

    async def once():
        fold = Fold(model="m", require_usage=True, redact=str)
        is_claude = task["dialect"] == "anthropic"
        reader = AnthropicReader(fold, origin="http://here") if is_claude else OllamaReader(fold)
        decoder = AnswerDecoder(fold, reader, max_bytes=1 << 24, framing="sse" if is_claude else "lines")
        count = sum(chunk.type == "content" for read in reads for chunk in decoder.feed(read))
        assert decoder.close()[1] is not None
        return count

    return once


def ours(task):
    """Stream with this library's client."""
    from raptscallions_ai import AsyncAnthropicClient, AsyncOllamaClient

    if task["dialect"] == "anthropic":
        client = AsyncAnthropicClient("benchmark-key", "m", base_url=task["url"], max_retries=0)
    else:
        client = AsyncOllamaClient("m", host=task["url"], max_retries=0)

    async def stream():
        return sum([chunk.type == "content" async for chunk in client.stream_chat("Hi", max_tokens=9)])

    return stream


def anthropic_sdk(task, transport=None):
    """Stream with Anthropic's SDK, as its `messages.create(stream=True)` gives events, or its `messages.stream`."""
    import anthropic
    import httpx2

    http_client = None if transport is None else httpx2.AsyncClient(transport=transport)
    url = task.get("url") or "http://127.0.0.1"
    client = anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0, http_client=http_client)
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}

    async def plain():
        events = await client.messages.create(**asked, stream=True)
        return sum([event.type == "content_block_delta" async for event in events])

    async def accumulated():
        async with client.messages.stream(**asked) as stream:
            return sum([1 async for _ in stream.text_stream])

    return accumulated if task["client"].endswith("stream()") else plain


def ollama_sdk(task, transport=None):
    """Stream with Ollama's package."""
    import ollama

    client = ollama.AsyncClient(host=task.get("url") or "http://127.0.0.1", transport=transport)

    async def stream():
        parts = await client.chat(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
        return sum([bool(part.message.content) async for part in parts])

    return stream


def in_memory(client, library, content_type):
    """Return a decoder that is a client with an answer in memory in place of a server."""

    def build(task, reads):
        http = __import__(library)

        class Body(http.AsyncByteStream):
            async def __aiter__(self):
                for read in reads:
                    yield read

        class Transport(http.AsyncBaseTransport):
            async def handle_async_request(self, request):
                return http.Response(200, headers={"content-type": content_type}, stream=Body())

        return client(task, Transport())

    return build


CLIENTS = {
    "raptscallions-ai": ours,
    "anthropic": anthropic_sdk,
    "anthropic, stream()": anthropic_sdk,
    "ollama": ollama_sdk,
}
DECODERS = {
    "raptscallions-ai": ours_decoding,
    "anthropic": in_memory(anthropic_sdk, "httpx2", "text/event-stream"),
    "anthropic, stream()": in_memory(anthropic_sdk, "httpx2", "text/event-stream"),
    "ollama": in_memory(ollama_sdk, "httpx", "application/x-ndjson"),
}


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    print(json.dumps({"decode": decode, "live": live, "failing": failing}[wanted["workload"]](wanted)))
