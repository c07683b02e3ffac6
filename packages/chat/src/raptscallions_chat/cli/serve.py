"""Serving: the application under uvicorn, with an end that loses nothing."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import uvicorn

from raptscallions_ai import ConfigurationError, OpenRouterClient
from raptscallions_chat.app import create_app

if TYPE_CHECKING:
    from types import FrameType

    from fastapi import FastAPI

    from raptscallions_ai import ChatClient
    from raptscallions_chat.settings import ChatSettings

__all__ = ["serve_until_told"]

_BACKLOG = 2048


class _Server(uvicorn.Server):
    """uvicorn, which drains before it ends: it would wait for all streams to end before it told the application."""

    def __init__(self, config: uvicorn.Config, application: FastAPI) -> None:
        super().__init__(config)
        self._application = application
        self._draining: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal; end at once at the second."""
        if self._draining is None and self.started and hasattr(self._application.state, "services"):
            loop = asyncio.get_running_loop()
            loop.call_soon_threadsafe(self._drain_soon)
        else:
            super().handle_exit(sig, frame)

    def _drain_soon(self) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            await self._application.state.services.runtime.drain()
        finally:
            self.should_exit = True


async def serve_until_told(settings: ChatSettings, *, local: bool, migrate: bool) -> None:
    """Serve until a signal tells to end.

    Args:
        settings: What it stands on, and where it listens.
        local: Whether a small model on this machine answers.
        migrate: Whether tables of PostgreSQL are brought up to date first.

    Raises:
        MigrationNeededError: The tables are not those of this version.
        ConfigurationError: The address cannot be listened on.
    """
    async with AsyncExitStack() as stack:
        client = await _client(stack, local=local)
        application = create_app(settings, client=client, migrate=True if migrate else None)
        config = uvicorn.Config(
            application,
            log_level="warning",
            timeout_graceful_shutdown=5,
            lifespan="on",
            server_header=False,
            date_header=False,
            ws="none",
            # Whose headers are believed is for the service's own authentication to say.
            proxy_headers=False,
        )
        listener = _listen(settings.host, settings.port)
        stack.callback(listener.close)
        server = _Server(config, application)
        serving = asyncio.create_task(server.serve([listener]))
        await _started(server, serving)
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print(f"RaptScallions chat listens on http://{shown}:{port}", flush=True)  # noqa: T201 - a command's output
        if client is None:
            told = "No AI is configured: set AI_API_KEY, or use --local; until then sends are answered with 424."
            print(told, file=sys.stderr, flush=True)  # noqa: T201 - a command's output
        await serving


async def _started(server: _Server, serving: asyncio.Task[None]) -> None:
    while not server.started:
        if serving.done():
            await serving
            # uvicorn has logged why; its own code for this is 3.
            sys.exit(3)
        await asyncio.sleep(0.01)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, or asyncio would not know that it may switch Nagle's algorithm off, and events would wait 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    listener.setblocking(False)
    return listener


async def _client(stack: AsyncExitStack, *, local: bool) -> ChatClient | None:
    """Return who answers: the local model, the environment's gateway, or nobody."""
    if local:
        from raptscallions_ai.local import LocalGateway

        gateway: Any = await stack.enter_async_context(LocalGateway())
        return await stack.enter_async_context(OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model))
    try:
        client = OpenRouterClient()
    except ConfigurationError:
        return None
    return await stack.enter_async_context(client)
