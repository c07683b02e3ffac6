"""What the store keeps, as plain objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raptscallions_chat.domain.statuses import MessageStatus, RunKind, RunStatus, StopReason

__all__ = ["Conversation", "Message", "Run", "UsageTotal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotal:
    """What generations used, summed.

    Attributes:
        cost: In USD; None if nothing is known of it.
        cost_source: `reported`, `priced`, or `unknown` if a part of the cost is not known.
        final: Whether nothing more is to be learnt from the gateway.
        generations: How many generations there were.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cost: Decimal | None = None
    cost_source: str = "unknown"
    final: bool = True
    generations: int = 0

    def payload(self) -> dict[str, Any]:
        """Return the usage as the API tells it; the cost is a text, so that no reader rounds it."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            "cached_tokens": self.cached_tokens,
            "cache_write_tokens": self.cache_write_tokens,
            "cost": None if self.cost is None else money_text(self.cost),
            "cost_source": self.cost_source,
            "final": self.final,
        }


def money_text(amount: Decimal) -> str:
    """Return an amount without exponent and without zeros at the end."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation of a user."""

    id: str
    tenant_id: str
    user_id: str
    tool_id: str | None
    title: str | None
    title_source: str | None
    model: str | None
    state: str
    parent_id: str | None
    forked_at: str | None
    head_id: str | None
    last_seq: int
    version: int
    metadata: dict[str, Any]
    created_at: datetime
    last_activity_at: datetime
    completed_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of a conversation; an answer's text is what is stored of it so far."""

    id: str
    conversation_id: str
    parent_id: str | None
    seq: int
    role: str
    status: MessageStatus
    text: str
    parts: list[dict[str, Any]] | None
    model: str | None
    run_id: str | None
    finish_reason: str | None
    created_at: datetime
    completed_at: datetime | None
    usage: UsageTotal | None = None
    siblings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One generation of an answer, from being asked for to its end."""

    id: str
    tenant_id: str
    user_id: str
    conversation_id: str
    user_message_id: str
    answer_message_id: str
    kind: RunKind
    follows_run_id: str | None
    status: RunStatus
    attempt: int
    owner: str | None
    last_seq: int
    stop_requested_at: datetime | None
    stop_reason: StopReason | None
    model: str | None
    options: dict[str, Any]
    error: dict[str, Any] | None
    finish_reason: str | None
    queued_at: datetime
    started_at: datetime | None
    first_token_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    usage: UsageTotal = field(default_factory=UsageTotal)
