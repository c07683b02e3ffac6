"""`openrouter_client`: the client that a whole process shares, with the environment's settings."""

from __future__ import annotations

import threading
from typing import Any

from raptscallions_ai.client.openrouter import OpenRouterClient

__all__ = ["EnvironmentClient", "openrouter_client"]

_STATE = frozenset(name for kind in OpenRouterClient.__mro__ for name in vars(kind).get("__annotations__", ()))


class EnvironmentClient(OpenRouterClient):
    """A client of the environment's settings, which are read when it is first used and not before."""

    _building = threading.Lock()

    def __init__(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name not in _STATE:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with self._building:
            if name not in self.__dict__:
                try:
                    super().__init__()
                except BaseException:
                    vars(self).clear()
                    raise
        return self.__dict__[name]

    async def aclose(self) -> None:
        """Close all connections; the next use builds a new client."""
        if self.__dict__:
            await super().aclose()
            vars(self).clear()

    @property
    def _name(self) -> str:
        return OpenRouterClient.__name__

    def __repr__(self) -> str:
        return super().__repr__() if self.__dict__ else "OpenRouterClient(environment not read yet)"


openrouter_client: OpenRouterClient = EnvironmentClient()
"""A client for the whole process, of the environment's settings; importing it reads nothing."""
