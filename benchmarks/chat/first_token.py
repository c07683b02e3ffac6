"""What the runtime adds to the first token of the bare client in the same run, and what an answer costs the store.

python3 dev.py run python benchmarks/chat/first_token.py [ROUNDS] [DATABASE_URL] [REDIS_URL]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import event, text

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.testing import FakeGateway
from raptscallions_chat.testing import serve_chat

WORDS = [f"word{n} " for n in range(400)]


async def bare(client: OpenRouterClient) -> float:
    """Return the milliseconds to the first content without the runtime."""
    began = time.perf_counter()
    async with client.stream_chat("Hi") as stream:
        async for chunk in stream:
            if chunk.type == "content":
                return (time.perf_counter() - began) * 1000
    raise AssertionError("no content came")


async def through(http: httpx2.AsyncClient, conversation: str) -> float:
    """Return the milliseconds to the first content through the service."""
    began, first = time.perf_counter(), 0.0
    headers = {"Accept": "text/event-stream"}
    path = f"/conversations/{conversation}/messages"
    async with http.stream("POST", path, json={"message": "Hi"}, headers=headers) as response:
        async for data in response.aiter_bytes():
            if not first and b"event: content" in data:
                first = (time.perf_counter() - began) * 1000
    return first


async def main() -> None:
    """Measure, and print the figures."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    with tempfile.TemporaryDirectory() as folder, FakeGateway() as gateway:
        gateway.stream(*WORDS, interval_s=0.0, times=None)
        settings: dict[str, Any] = {"database_url": f"sqlite:///{Path(folder) / 'chat.db'}"}
        if len(sys.argv) > 3:
            settings = {"database_url": sys.argv[2], "redis_url": sys.argv[3]}
        async with (
            OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model) as client,
            serve_chat(client, migrate=True, **settings) as chat,
            httpx2.AsyncClient(base_url=chat.url, timeout=30) as http,
        ):
            store = chat.app.state.services.runtime.store
            statements: list[str] = []

            def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
                statements.append(statement)

            for engine in store.database.engines:
                event.listen(engine, "before_cursor_execute", note)
            alone, served = list[float](), list[float]()
            for _ in range(rounds):
                conversation = (await http.post("/conversations", json={})).json()["id"]
                alone.append(await bare(client))
                served.append(await through(http, conversation))
            answer = len("".join(WORDS).encode())
            async with store.database.read() as connection:
                query = text("SELECT sum(length(events)), count(*) FROM answer_pieces")
                piece_bytes, pieces = (await connection.execute(query)).one()
            per_answer = int(piece_bytes) / rounds
            print(f"first token, bare client:  median {statistics.median(alone):.2f} ms")
            print(f"first token, the service:  median {statistics.median(served):.2f} ms")
            print(f"added:                     median {statistics.median(served) - statistics.median(alone):.2f} ms")
            told = f"{(per_answer + answer) / answer:.2f}x of its text, {pieces / rounds:.1f} pieces"
            print(f"bytes stored an answer:    {told}")
            writes = [one for one in statements if one.lstrip()[:6].upper() in ("INSERT", "UPDATE", "SELECT", "WITH f")]
            print(f"statements of the writer:  {len(writes) / rounds:.1f} a run, pieces and housekeeping among them")


asyncio.run(main())
