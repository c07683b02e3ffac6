"""The event loop that a call runs in, which has to be asyncio's or one made for asyncio."""

from __future__ import annotations

import asyncio

from raptscallions_ai.errors import AiError

__all__ = ["running_loop"]

_WITHOUT_ASYNCIO = (
    "There is no asyncio event loop here, and calls need one. Under trio or curio use a sync client in a thread, "
    "such as `await trio.to_thread.run_sync(client.chat, ...)` with SyncOpenRouterClient"
)


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop that is running.

    Raises:
        AiError: There is none, because another async library runs this code.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise AiError(_WITHOUT_ASYNCIO) from None
