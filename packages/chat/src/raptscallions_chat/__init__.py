"""A chat runtime that loses no answer: conversations, runs that survive their worker, streams that can be resumed.

::

    raptscallions-chat serve --local                        # one file and a small local model; no account

    app = create_app(ChatSettings(...), client=my_client)   # the same inside a service of your own

`packages/ai` is known by its `ChatClient` only, so any engine, wrapper or test double can be injected.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from raptscallions_chat._version import __version__

if TYPE_CHECKING:
    from raptscallions_chat.app import create_app
    from raptscallions_chat.settings import ChatSettings

__all__ = ["ChatSettings", "__version__", "create_app"]

# FastAPI and SQLAlchemy are slow to import, and the command line needs neither for its help.
_MODULE_OF = {"create_app": "app", "ChatSettings": "settings"}


def __getattr__(name: str) -> Any:
    """Load on first use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
