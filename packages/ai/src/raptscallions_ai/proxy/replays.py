"""`Replays`: answers that can be read again, by `Idempotency-Key` or from an event on, in bounded memory."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from raptscallions_ai.errors import BadRequestError
from raptscallions_ai.proxy.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from raptscallions_ai.web.body import ResponseBody

__all__ = ["Kept", "Replay", "Replays", "new_run"]

_LONGEST_KEY = 255  # characters


@dataclass(frozen=True, slots=True)
class Replay:
    """How long, and in how much memory, a proxy keeps answers that may be asked for again.

    Kept are answers to requests with an `Idempotency-Key`, and those in the proxy's own event stream.

    Attributes:
        seconds: How long an answer is kept after its end.
        linger: Seconds that upstream goes on without a reader, for one who was cut off and comes back.
        max_bytes: The most bytes of ended answers; the oldest go first.
        max_answer_bytes: The most bytes of one answer; a longer one is sent, at its readers' pace, and not kept.
    """

    seconds: float = 600.0
    linger: float = 10.0
    max_bytes: int = 64 * 1024 * 1024
    max_answer_bytes: int = 8 * 1024 * 1024

    def __post_init__(self) -> None:
        if not (self.seconds >= 0 and self.linger >= 0):
            raise ValueError("seconds and linger must be 0 or more")
        if self.max_bytes < 0 or self.max_answer_bytes < 1:
            raise ValueError("max_bytes must be 0 or more, max_answer_bytes 1 or more")


@dataclass(slots=True, eq=False)
class Kept:
    """A recording with whose it is and what it answers.

    Attributes:
        run: Its name, which the ids of its events begin with.
        caller: The caller's id.
        key: The `Idempotency-Key`; None if there was none.
        digest: What tells its request from others.
        recording: The same.
        ended_at: When it ended, on the monotonic clock.
    """

    run: str
    caller: str
    key: str | None
    digest: bytes
    recording: Recording
    ended_at: float = 0.0


class Replays:
    """What one proxy has recorded.

    Args:
        limits: How much of it is kept.
    """

    def __init__(self, limits: Replay) -> None:
        self._limits = limits
        self._by_key: dict[tuple[str, str], Kept] = {}
        self._running: dict[str, Kept] = {}
        self._ended: OrderedDict[str, Kept] = OrderedDict()  # the oldest first
        self._bytes = 0

    def find_key(self, caller: str, key: str, digest: bytes) -> Kept | None:
        """Return the answer to the request of this key, if there is one.

        Raises:
            BadRequestError: The key is not good, or was given to another request.
        """
        if not 0 < len(key) <= _LONGEST_KEY:
            raise BadRequestError(f"Idempotency-Key must have 1 to {_LONGEST_KEY} characters")
        self._prune()
        kept = self._by_key.get((caller, key))
        if kept is not None and kept.digest != digest:
            raise BadRequestError(
                "This Idempotency-Key was given to another request; give each request its own", status_code=409
            )
        return kept

    def find_run(self, caller: str, run: str) -> Kept | None:
        """Return the answer of this name, if it is the caller's and still here."""
        self._prune()
        kept = self._running.get(run) or self._ended.get(run)
        return kept if kept is not None and kept.caller == caller else None

    def record(
        self,
        body: ResponseBody,
        *,
        run: str,
        caller: str,
        key: str | None,
        digest: bytes,
        is_complete: Callable[[], bool],
    ) -> Kept:
        """Begin to record a response.

        Args:
            body: The response.
            run: The name of the recording.
            caller: The caller's id.
            key: The `Idempotency-Key`, if there is one.
            digest: What tells its request from others.
            is_complete: Tells at its end whether it is a whole answer: only such a one is given for its key again.
        """
        limits = self._limits

        def ended(recording: Recording) -> None:
            self._note_end(kept, keeps_key=is_complete() and recording.whole)

        recording = Recording(body, linger=limits.linger, most=limits.max_answer_bytes, on_end=ended)
        kept = self._running[run] = Kept(run, caller, key, digest, recording)
        if key is not None:
            self._by_key[caller, key] = kept
        return kept

    async def aclose(self) -> None:
        """Stop all that is being recorded, and forget the rest."""
        await asyncio.gather(*(kept.recording.aclose() for kept in [*self._running.values()]))
        self._by_key.clear()
        self._ended.clear()
        self._bytes = 0

    def _note_end(self, kept: Kept, *, keeps_key: bool) -> None:
        self._running.pop(kept.run, None)
        if not keeps_key:
            self._forget_key(kept)
        if kept.recording.failure is None:
            kept.ended_at = monotonic()
            self._ended[kept.run] = kept
            self._bytes += kept.recording.size
            self._prune()

    def _prune(self) -> None:
        """Drop what is too old, and the oldest of what is too much."""
        oldest = monotonic() - self._limits.seconds
        while self._ended:
            kept = next(iter(self._ended.values()))
            if kept.ended_at > oldest and self._bytes <= self._limits.max_bytes:
                return
            del self._ended[kept.run]
            self._bytes -= kept.recording.size
            self._forget_key(kept)

    def _forget_key(self, kept: Kept) -> None:
        if kept.key is not None and self._by_key.get((kept.caller, kept.key)) is kept:
            del self._by_key[kept.caller, kept.key]


def new_run() -> str:
    """Return a name for a recording, which nobody can guess."""
    return secrets.token_hex(12)
