"""Test kit: the service on a real socket of loopback, and a reader of its streams."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn

from raptscallions_chat.app import create_app
from raptscallions_chat.settings import ChatSettings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Sequence
    from types import FrameType

    from fastapi import FastAPI

    from raptscallions_ai import ChatClient, Tool

__all__ = ["ServedChat", "ServerEvent", "read_events", "serve_chat"]


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event."""

    id: str
    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServedChat:
    """A service that runs."""

    url: str
    app: FastAPI


async def read_events(chunks: AsyncIterable[bytes]) -> AsyncGenerator[ServerEvent]:
    """Yield the events of a response's body; comments are passed over."""
    rest = b""
    async for chunk in chunks:
        rest += chunk
        *whole, rest = rest.split(b"\n\n")
        for block in whole:
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if not line.startswith(":"))
            if "data" in fields:
                yield ServerEvent(fields["id"], fields["event"], json.loads(fields["data"]))


class _Server(uvicorn.Server):
    """uvicorn, which ends as soon as it is told to; its own loop looks ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told_to_end = asyncio.Event()

    def end(self) -> None:
        self._told_to_end.set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.end()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._told_to_end.wait()


@asynccontextmanager
async def serve_chat(
    client: ChatClient | None,
    *,
    migrate: bool | None = None,
    functions: Sequence[Tool[..., Any]] = (),
    **settings: Any,
) -> AsyncGenerator[ServedChat]:
    """Serve the application on a free port of loopback.

    Args:
        client: Who answers.
        migrate: Whether tables are brought up to date; by default on SQLite only.
        functions: What models may call.
        **settings: Fields of `ChatSettings`; limits that are not given are off.
    """
    unlimited = {"messages_per_minute": 0, "runs_per_user": 0, "streams_per_user": 0}
    app = create_app(ChatSettings(**{**unlimited, **settings}), client=client, migrate=migrate, functions=functions)
    # Named, or asyncio would not know that it may switch Nagle's algorithm off, and events would wait 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        server = _Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5, lifespan="on"))
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:
            if serving.done():
                await serving
                raise RuntimeError("the service did not start; its log says why")
            await asyncio.sleep(0.005)
        try:
            yield ServedChat(f"http://127.0.0.1:{listener.getsockname()[1]}", app)
        finally:
            server.end()
            await serving
