"""`ApiKey`: the key of a gateway, or a function that returns the one to use for each request."""

from __future__ import annotations

import uuid
from collections import deque
from typing import TYPE_CHECKING

from raptscallions_ai._guards.callbacks import call_hook
from raptscallions_ai.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    KeyFunction = Callable[[], str | Awaitable[str]]
    """Returns the key for the next request; async or not. It must not block."""

__all__ = ["ApiKey", "KnownKeys"]

_MOST_KNOWN = 4  # keys that may still stand in the errors of requests under way
_SECONDS = 30.0


class ApiKey:
    """A key that a function returns for each request, such as a token that expires.

    Args:
        function: Returns the key, async or not.

    Attributes:
        known: The last keys that it returned, which must not appear in any message.
        name: What stands for the key where clients with different keys are kept apart.
    """

    def __init__(self, function: KeyFunction) -> None:
        self._function = function
        self.known: deque[str] = deque(maxlen=_MOST_KNOWN)
        self.name = f"key-of-client-{uuid.uuid4().hex}"

    async def get(self) -> str:
        """Return the key for the next request.

        Raises:
            ConfigurationError: The function failed, or returned something that cannot be a key.
        """
        try:
            key: object = await call_hook("the api_key function", self._function, within=_SECONDS)
        except TimeoutError:
            problem = f"the api_key function took longer than {_SECONDS:g} seconds"
        except Exception as error:
            problem = f"the api_key function raised {type(error).__name__}"
        else:
            if isinstance(key, str) and (key := key.strip()) and key.isascii() and key.isprintable() and " " not in key:
                if key not in self.known:
                    self.known.append(key)
                return key
            problem = f"the api_key function must return a key of printable ASCII letters, not {type(key).__name__}"
        raise ConfigurationError(problem) from None

    def __repr__(self) -> str:
        return "ApiKey(...)"


class KnownKeys:
    """The keys of several gateways, as far as they are known each time that this is iterated.

    Args:
        keys: The keys, or what returns them.
    """

    def __init__(self, keys: Sequence[str | ApiKey]) -> None:
        self._keys = keys

    def __iter__(self) -> Iterator[str]:
        for key in self._keys:
            yield from [key] if isinstance(key, str) else [*key.known]

    def __repr__(self) -> str:
        return "KnownKeys(...)"
