"""What is asked of the store in one transaction, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from raptscallions_chat.domain.tree import UNSET, Unset

if TYPE_CHECKING:
    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.domain.records import Conversation, Message, Run
    from raptscallions_chat.domain.statuses import OnBusy, RunStatus, StopReason

__all__ = [
    "Generation",
    "Guard",
    "Idempotent",
    "Known",
    "Outcome",
    "Reply",
    "RunEnd",
    "Send",
    "Sent",
]

T = TypeVar("T")
Guard: TypeAlias = "Callable[[Any, Conversation], Awaitable[None]]"
"""Refuses something in the transaction that stores it; it is given the store's connection, and awaits nothing else."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply, as it is kept for a request that comes again.

    Attributes:
        status: The HTTP status.
        body: The body; JSON.
        run_id: The run whose stream it leads to, if any.
    """

    status: int
    body: bytes
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Idempotent(Generic[T]):
    """A request that must not be carried out twice.

    Attributes:
        principal: Who asks.
        path: What is asked for.
        key: The name that the client gave the request.
        sha256: The digest of its body.
        reply: Makes the reply to keep from what came of it.
    """

    principal: Principal
    path: str
    key: str
    sha256: str
    reply: Callable[[T], Reply]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What came of a request: a new result, or the reply that was given before."""

    result: T | None
    replayed: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A message to be stored and answered.

    Attributes:
        parent_id: The message that it follows; `UNSET` for the last one.
        branch: Whether it may stand beside others.
        title: The conversation's title, if it has none yet.
        queue_depth: The most runs that may wait in a conversation.
        worker_id: The worker that can begin at once; None if the run is to wait for one.
        guards: What may still refuse it.
    """

    principal: Principal
    conversation_id: str
    text: str
    parts: list[dict[str, Any]] | None = None
    parent_id: str | Unset | None = UNSET
    branch: bool = False
    model: str | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    on_busy: OnBusy = "reject"
    title: str | None = None
    queue_depth: int = 5
    worker_id: str | None = None
    guards: tuple[Guard, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What a run's prompt is made of, if it was read together with what began the run.

    Attributes:
        path: The messages up to the one that is answered.
        answer: The answer that is to be written.
        tool_id: The conversation's tool.
    """

    path: list[Message]
    answer: Message
    tool_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a send, a continue or a regenerate has stored.

    Attributes:
        message: The user's message.
        answer: The answer, which has yet to come.
        run: The run that writes it.
        title: The conversation's title if this gave it one.
        to_stop: Runs that are to be stopped for this one.
        stopped: Runs that waited and were stopped for this one.
        known: What its prompt is made of, if it begins at once.
    """

    message: Message
    answer: Message
    run: Run
    title: str | None = None
    to_stop: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    known: Known | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What is known of one generation of a run: what it used, and by which id the gateway can be asked for more."""

    number: int
    generation_id: str | None = None
    credential_id: str | None = None
    model: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cost: Decimal | None = None
    cost_source: str = "unknown"
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended, with everything that is to be stored at once.

    Attributes:
        piece: The last event's number and the lines of the events that are not stored yet, the end among them.
        settle_after: When the gateway is to be asked for the cost; None if there is nothing to ask.
    """

    status: RunStatus
    last_seq: int
    text: str
    parts: list[dict[str, Any]] | None
    piece: tuple[int, str]
    stop_reason: StopReason | None = None
    error: dict[str, Any] | None = None
    finish_reason: str | None = None
    model: str | None = None
    first_token_at: datetime | None = None
    generations: tuple[Generation, ...] = ()
    settle_after: datetime | None = None


Piece: TypeAlias = "tuple[str, int, int, str]"
"""A run, its attempt, the number of the last event, and the lines of the events."""
