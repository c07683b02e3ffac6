"""The API as one application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from raptscallions_chat._version import __version__
from raptscallions_chat.http import (
    account,
    approvals,
    conversations,
    files,
    health,
    library,
    page,
    runs,
    tenant_keys,
    tenants,
    ui,
)
from raptscallions_chat.http.errors import install_error_handlers

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

__all__ = ["make_api"]

_ABOUT = """A chat runtime that loses no answer.

A message is stored before it is answered, an answer goes on whatever becomes of the connection, and its events can be
followed from any point, by any number of readers. Every error has the same envelope: `{"error": {...}}`."""


def make_api(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """Return the application with all endpoints; what they work with is on its state once it is started."""
    app = FastAPI(
        title="RaptScallions chat", version=__version__, description=_ABOUT, lifespan=lifespan, redirect_slashes=False
    )
    install_error_handlers(app)
    for router in (conversations.router, library.of_conversations):
        app.include_router(router, prefix="/conversations")
        # What the original called them.
        app.include_router(router, prefix="/sessions", include_in_schema=False)
    for module in (runs, approvals, library, files, account, tenants, tenant_keys, ui):
        app.include_router(module.router)
    app.include_router(health.router)
    app.include_router(page.router)
    return app
