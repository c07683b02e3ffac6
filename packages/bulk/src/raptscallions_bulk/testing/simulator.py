"""A gateway with limits, a clock that is only a number, and a run that asks it: what a pace makes of it."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from raptscallions_bulk.pace.controller import Pace

__all__ = ["SCENES", "Gateway", "Outcome", "Scene", "simulate"]

_LENGTH = 600.0  # seconds of a scene
_REFUSAL = 0.1  # seconds until a refusal is there


@dataclass
class Gateway:
    """Limits of a gateway, as functions of the time; a second's worth may come at once.

    Attributes:
        requests: Requests a second.
        tokens: Tokens a second.
        is_down: Whether it fails everything.
        slots: Requests that are answered at a time; others queue. None for any number.
        size: The tokens of a row.
    """

    requests: Callable[[float], float] = lambda now: math.inf
    tokens: Callable[[float], float] = lambda now: math.inf
    is_down: Callable[[float], bool] = lambda now: False
    slots: int | None = None
    size: Callable[[random.Random], float] = lambda chance: 1000.0
    levels: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])

    def admits(self, now: float, tokens: float) -> bool:
        """Whether a request of so many tokens is let through now."""
        if self.is_down(now):
            return False
        wanted = {"requests": (self.requests(now), 1.0), "tokens": (self.tokens(now), tokens)}
        after: dict[str, tuple[float, float]] = {}
        for name, (rate, amount) in wanted.items():
            if rate == math.inf:
                continue
            level, at = self.levels.get(name, (rate, now))
            level = min(rate, level + (now - at) * rate)
            if level < min(amount, rate):
                return False
            after[name] = (level - amount, now)
        self.levels |= after
        return True


@dataclass(frozen=True)
class Outcome:
    """What came of a scene.

    Attributes:
        used: The part of the gateway's capacity that was used.
        refused: The part of all requests that was refused.
    """

    used: float
    refused: float


@dataclass(frozen=True)
class Scene:
    """A gateway, and what it can do in ten minutes.

    Attributes:
        gateway: Makes the gateway.
        capacity: The requests, or tokens, that it can answer in that time.
        by_tokens: Whether these are tokens.
    """

    gateway: Callable[[], Gateway]
    capacity: float
    by_tokens: bool = False


def _uneven(chance: random.Random) -> float:
    return min(20_000.0, chance.lognormvariate(math.log(1500), 1.0))


SCENES: Mapping[str, Scene] = MappingProxyType(
    {
        "3,000 requests a minute": Scene(lambda: Gateway(requests=lambda now: 50.0), 50 * _LENGTH),
        "30,000 requests a minute": Scene(lambda: Gateway(requests=lambda now: 500.0), 500 * _LENGTH),
        "2 million tokens a minute, uneven rows": Scene(
            lambda: Gateway(tokens=lambda now: 2e6 / 60, size=_uneven), 2e6 / 60 * _LENGTH, by_tokens=True
        ),
        "a limit that halves and returns": Scene(
            lambda: Gateway(requests=lambda now: 25.0 if 200 <= now < 400 else 50.0), 50 * 400 + 25 * 200
        ),
        "an outage of 100 seconds": Scene(
            lambda: Gateway(requests=lambda now: 50.0, is_down=lambda now: 200 <= now < 300), 50 * _LENGTH
        ),
        "64 places and no refusals": Scene(lambda: Gateway(slots=64), 64 / 4 * _LENGTH),
    }
)
"""Gateways that tell nothing of their limits, by what they are."""


def simulate(scene: Scene, seed: int) -> Outcome:
    """Let a pace ask rows of about four seconds for ten minutes, in a moment.

    Args:
        scene: Whom it asks.
        seed: Of what is left to chance.
    """
    run = _Run(scene, random.Random(seed))
    while run.now < _LENGTH:
        run.send()
        run.advance()
    return Outcome(run.done / scene.capacity, run.refused / run.sent)


class _Run:
    def __init__(self, scene: Scene, chance: random.Random) -> None:
        self.scene, self.gateway, self.chance = scene, scene.gateway(), chance
        self.pace = Pace(0.0)
        self.now = self.done = self.wait = 0.0
        self.sent = self.refused = 0
        self.row = self.gateway.size(chance)
        self.events: list[tuple[float, int, bool, float, float]] = []
        self.busy: list[float] = []  # when each of the gateway's places is free again

    def send(self) -> None:
        """Send all that the pace lets through now."""
        while (wait := self.pace.wait(self.now, self.row)) <= 0:
            self.pace.sent(self.now, self.row)
            self.sent += 1
            admitted = self.gateway.admits(self.now, self.row)
            ends = self._answered_at() if admitted else self.now + _REFUSAL
            heapq.heappush(self.events, (ends, self.sent, admitted, self.now, self.row))
            self.row = self.gateway.size(self.chance)
        self.wait = wait

    def advance(self) -> None:
        """Go on to what happens next."""
        following = self.events[0][0] if self.events else math.inf
        self.now = min(self.now + self.wait, following)
        while self.events and self.events[0][0] <= self.now:
            ends, _, admitted, begun, tokens = heapq.heappop(self.events)
            if admitted:
                self.pace.answered(ends, ends - begun, expected=tokens, used=tokens)
                self.done += (tokens if self.scene.by_tokens else 1) if ends < _LENGTH else 0
                continue
            self.refused += 1
            if self.gateway.is_down(ends):
                self.pace.failed(ends)
            else:
                self.pace.refused(ends, tokens)

    def _answered_at(self) -> float:
        begins = self.now
        if self.gateway.slots is not None and len(self.busy) >= self.gateway.slots:
            begins = max(self.now, heapq.heappop(self.busy))
        ends = begins + self.chance.lognormvariate(math.log(4.0) - 0.125, 0.5)
        if self.gateway.slots is not None:
            heapq.heappush(self.busy, ends)
        return ends
