"""`Route`: one way to an answer, and what a call has to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from raptscallions_ai._call.breaker import CircuitBreakers
    from raptscallions_ai._dialects.dialect import ModelFacts
    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai.answer.result import Usage
    from raptscallions_ai.options.timeouts import Timeouts

    Price = Callable[[Usage, str | None, str | None], Usage]
    """Takes a usage, and the names of the model that answered and of the one that was asked."""

    LookUp = Callable[[str], Awaitable[Usage | None]]
    """Returns what the books say of a generation id; None where they do not know it, or there are none."""

__all__ = ["Price", "Route"]


@dataclass(frozen=True, slots=True)
class Route:
    """One way to an answer: a model at a gateway.

    Attributes:
        gateway: The gateway; routes of one client share it.
        model: The model to ask.
        timeouts: How long to wait for it.
        max_retries: Further attempts after a failure that may pass.
        breakers: Remember how the client's models answered before.
        facts: What is known of the model.
        waits_by_default: Whether no timeout was set, so that another route is asked sooner.
        price: Returns a usage with its cost, by the prices that the caller has given; None without such.
        look_up: Looks up what an answer used, in the gateway's books; None if it keeps none.
    """

    gateway: Gateway
    model: str
    timeouts: Timeouts
    max_retries: int
    breakers: CircuitBreakers
    facts: ModelFacts
    price: Price | None = None
    look_up: LookUp | None = None
    waits_by_default: bool = False

    def __repr__(self) -> str:
        return f"Route({self.model!r} at {self.gateway.url!r})"
