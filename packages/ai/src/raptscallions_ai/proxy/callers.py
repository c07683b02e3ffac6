"""`Caller`: who asks, and what they may."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from starlette.requests import Request

    from raptscallions_ai.wrappers.budget import Budget
    from raptscallions_ai.wrappers.limited import RateLimiter

__all__ = ["Authenticate", "Caller", "bearer_tokens", "token_hash"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks a proxy, and what they may.

    A budget and a limiter count over requests, so each caller needs one and the same object in every request; several
    callers may share one.

    Attributes:
        id: A name that stands for the caller in audit records; answers are kept apart by it.
        models: The names of the models that this caller may ask, of those that the proxy has; None for all of them.
        budget: What the caller's calls may cost or use; None for no limit.
        limiter: How many calls and tokens a minute the caller has; None for no limit.
    """

    id: str
    models: Sequence[str] | None = None
    budget: Budget | None = None
    limiter: RateLimiter | None = None

    def __post_init__(self) -> None:
        if isinstance(self.models, str):
            raise TypeError("models of a Caller must be a list of names, not a text")


Authenticate: TypeAlias = Callable[["Request"], Caller | Awaitable[Caller | None] | None]
"""Returns who sent a request, or None for a stranger; async or not."""


def bearer_tokens(callers: Mapping[str, Caller]) -> Authenticate:
    """Return an `authenticate` that knows callers by tokens of which it holds the hashes only.

    Args:
        callers: The callers, by `token_hash` of their tokens.

    Raises:
        ValueError: A key is no such hash; the message does not show it, for it may be a token.
    """
    known = {hash_.lower(): caller for hash_, caller in callers.items()}
    if any(len(hash_) != 64 or not set(hash_) <= set("0123456789abcdef") for hash_ in known):
        raise ValueError("callers must have the SHA-256 of each token as 64 hexadecimal digits: token_hash(token)")

    def authenticate(request: Request) -> Caller | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return known.get(token_hash(token.strip())) if scheme.lower() == "bearer" else None

    return authenticate


def token_hash(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal.

    It is no password hash: a token must be random, such as `secrets.token_urlsafe(32)`, so that nobody can guess it.
    """
    return hashlib.sha256(token.encode()).hexdigest()
