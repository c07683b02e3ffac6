"""How the runtime works: the figures that an operator may set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from raptscallions_chat.domain.statuses import OnBusy

__all__ = ["RunOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Figures of the runtime; seconds unless a name says otherwise.

    Attributes:
        role: `web` takes requests, `worker` works on runs, `all` does both.
        max_runs: The most runs that this worker works on at a time; 0 for no limit.
        queue_depth: The most runs that may wait in one conversation.
        max_queued: The most runs that may wait in all; 0 for no limit.
        queue_wait: How long a run waits for a worker before it fails; 0 for ever.
        flush: How long events are collected before they are stored and shown.
        lease: How long a worker counts as alive without a sign of life.
        drain: How long running answers may go on after the service was told to end.
        log_ttl: How long the events of a run that is over can be told exactly.
        on_busy: What to do with a message that comes while an answer is being written, if it does not say.
        on_crash: What to do with a run whose worker died: leave it `interrupt`ed, or `continue` it.
        log_content: Whether the debug log has what was asked and answered.
        single_process: Whether this is the only process that uses the store, so that all other workers are dead.
    """

    role: Literal["web", "worker", "all"] = "all"
    max_runs: int = 500
    queue_depth: int = 5
    max_queued: int = 1000
    queue_wait: float = 30.0
    flush: float = 0.04
    lease: float = 10.0
    drain: float = 60.0
    log_ttl: float = 600.0
    on_busy: OnBusy = "reject"
    on_crash: Literal["interrupt", "continue"] = "interrupt"
    single_process: bool = False
    log_content: bool = False

    @property
    def heartbeat(self) -> float:
        """Seconds between signs of life."""
        return self.lease * 0.3
