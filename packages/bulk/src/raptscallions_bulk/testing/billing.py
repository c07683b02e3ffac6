"""`BillingGateway`: a gateway on loopback that keeps books, to be the judge of what a run paid for."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

__all__ = ["BillingGateway", "response"]

_PROMPT, _COMPLETION = Decimal("0.000001"), Decimal("0.000002")  # USD a token


class BillingGateway:
    """A gateway that speaks OpenRouter's dialect, and notes what it billed for.

    A request that is not streamed goes on, and is billed, when the client that sent it is gone. With `caches`, a
    request with `X-OpenRouter-Cache: true` that was answered before is answered again for nothing. Two at once both
    miss.

    Args:
        latency: The least and the most seconds that an answer takes.
        caches: Whether it keeps answers.
        has_books: Whether it tells what a generation cost.
        requests_per_second: How many requests it lets through; None for any number.
        answer: The text of an answer, by the prompt.
        drops: Returns whether the connection is closed instead of answering, after a request was billed, by its prompt.
        fail: Returns a status to refuse a request with, by its prompt and how often that was sent; None for none.
        seed: Of what is left to chance.

    Attributes:
        billed: How often each prompt was billed.
        sent: How often each prompt arrived.
        cost: USD that were billed.
        refused: How many requests were refused for the limit.
        books: USD of each generation, by its id.
    """

    api_key = "sk-fake-billing"
    model = "fake/billed"

    def __init__(
        self,
        *,
        latency: tuple[float, float] = (0.0, 0.02),
        caches: bool = False,
        has_books: bool = False,
        requests_per_second: float | None = None,
        answer: Callable[[str], str] = lambda prompt: f"answer to {prompt}",
        drops: Callable[[str], bool] = lambda prompt: False,
        fail: Callable[[str, int], int | None] = lambda prompt, times: None,
        seed: int = 0,
    ) -> None:
        self._latency, self._caches, self._has_books = latency, caches, has_books
        self._rate, self._answer, self._fail = requests_per_second, answer, fail
        self._chance, self._drops = random.Random(seed), drops
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="billing-gateway", daemon=True)
        self._port = 0
        self._level, self._filled_at = requests_per_second or 0.0, 0.0
        self._kept: dict[str, bytes] = {}
        self.books: dict[str, Decimal] = {}
        self.billed: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.cost: Decimal = Decimal(0)
        self.refused = 0

    @property
    def base_url(self) -> str:
        """The base URL, once it is started."""
        return f"http://127.0.0.1:{self._port}/api/v1"

    @property
    def paid_twice(self) -> list[str]:
        """The prompts that were billed more than once."""
        return [prompt for prompt, times in self.billed.items() if times > 1]

    def refuse_when(self, fail: Callable[[str, int], int | None]) -> None:
        """Refuse requests from now on as `fail` says."""
        self._fail = fail

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024))
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                method, path, _ = first.split(" ")
                writer.write(await self._respond(method, path, headers, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the client is gone, or the gateway ends
        finally:
            writer.close()

    async def _respond(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        if headers.get("authorization") != f"Bearer {self.api_key}":
            return response(401, {"error": {"code": 401, "message": "No auth credentials found"}})
        if method == "GET" and path.endswith("/models"):
            prices = {"prompt": str(_PROMPT), "completion": str(_COMPLETION)}
            return response(200, {"data": [{"id": self.model, "name": self.model, "pricing": prices}]})
        if method == "GET" and "/generation?id=" in path:
            return self._book(path.partition("?id=")[2])
        return await self._chat(headers, body)

    async def _chat(self, headers: dict[str, str], body: bytes) -> bytes:
        prompt = str(json.loads(body)["messages"][-1]["content"])
        self.sent[prompt] += 1
        if not self._lets_through():
            self.refused += 1
            return response(429, {"error": {"code": 429, "message": "Rate limit exceeded"}})
        if (status := self._fail(prompt, self.sent[prompt])) is not None:
            return response(status, {"error": {"code": status, "message": "It failed"}})
        wants_cache = self._caches and headers.get("x-openrouter-cache") == "true"
        name = hashlib.sha256(body).hexdigest()
        if wants_cache and name in self._kept:
            return self._completion(prompt, self._kept[name].decode(), "hit", Decimal(0))
        await asyncio.sleep(self._chance.uniform(*self._latency))
        answer = self._answer(prompt)
        cost = self.price_of(prompt, answer)
        self.billed[prompt] += 1
        self.cost += cost
        if wants_cache:
            self._kept[name] = answer.encode()
        if self._drops(prompt):
            raise ConnectionError
        return self._completion(prompt, answer, "miss" if wants_cache else None, cost)

    def price_of(self, prompt: str, answer: str) -> Decimal:
        """Return what an answer costs, in USD."""
        return _PROMPT * (len(prompt) // 4 + 1) + _COMPLETION * (len(answer) // 4 + 1)

    def _completion(self, prompt: str, answer: str, cached: str | None, cost: Decimal) -> bytes:
        data = self.document(prompt, answer, cost, is_cached=cached == "hit")
        extra = {"X-Generation-Id": str(data["id"])}
        if cached is not None:
            extra["X-OpenRouter-Cache-Status"] = cached.upper()
        return response(200, data, extra)

    def document(self, prompt: str, answer: str, cost: Decimal, *, is_cached: bool = False) -> dict[str, Any]:
        """Return an answer as chat completions have it, and put its cost into the books."""
        generation = f"gen-{sum(self.billed.values())}-{self._chance.getrandbits(48):012x}"
        self.books[generation] = cost
        tokens = (0, 0) if is_cached else (len(prompt) // 4 + 1, len(answer) // 4 + 1)
        message = {"role": "assistant", "content": answer}
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
        return {
            "id": generation,
            "object": "chat.completion",
            "model": self.model,
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {**usage, "cost": float(cost)},
        }

    def _book(self, generation: str) -> bytes:
        cost = self.books.get(generation) if self._has_books else None
        if cost is None:
            return response(404, {"error": {"code": 404, "message": "Generation not found"}})
        return response(200, {"data": {"id": generation, "model": self.model, "total_cost": float(cost)}})

    def _lets_through(self) -> bool:
        if self._rate is None:
            return True
        now = self._loop.time()
        self._level = min(self._rate, self._level + (now - (self._filled_at or now)) * self._rate)
        self._filled_at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


def response(status: int, body: dict[str, Any] | bytes, extra: dict[str, str] | None = None) -> bytes:
    """Return the bytes of an HTTP response; with a JSON object, or with these bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(extra or {})}
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + content
