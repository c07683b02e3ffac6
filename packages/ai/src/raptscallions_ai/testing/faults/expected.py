"""What a good client makes of a fault: a complete answer, one error, or a connection that is let go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from raptscallions_ai.tools.tool_call import ToolCall

__all__ = ["Complete", "Expected", "Fails", "Left"]

TEXT = "The sky is blue."
"""The text of most answers of the catalogue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """The answer is complete, whatever it looked like.

    Attributes:
        content: Its text.
        finish_reason: Why it ended.
        tool_calls: Its tool calls.
        reasoning: Its visible reasoning.
        refusal: The model's refusal.
        total_tokens: The tokens reported; None if no usage is.
        cost: The cost reported in USD; None if it does not matter here.
        model: The model that the result must name; None if it does not matter here.
        annotations: How many annotations it has.
        images: How many images it has.
        logprobs: For how many tokens it has log probabilities.
        requests: How many requests it takes.
        waited: Least seconds between the first two requests.
        waiting: Whether keep-alives are reported while the client waits.
    """

    content: str = TEXT
    finish_reason: str | None = "stop"
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    refusal: str | None = None
    total_tokens: int | None = 15
    cost: Decimal | None = None
    model: str | None = None
    annotations: int = 0
    images: int = 0
    logprobs: int = 0
    requests: int = 1
    waited: float = 0.0
    waiting: bool = False

    def __str__(self) -> str:
        parts = ["complete, " + (f"`{self.finish_reason}`" if self.finish_reason else "no finish reason")]
        if self.tool_calls:
            parts.append(f"{len(self.tool_calls)} tool call{'s'[: len(self.tool_calls) > 1]}")
        if self.requests > 1:
            parts.append(f"{self.requests} requests")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fails:
    """The call ends with one error that carries everything that had arrived.

    Attributes:
        error: The name of the error's class in `raptscallions_ai`.
        status_code: Its status.
        says: What its message contains.
        details: Facts that its `details` hold, among others.
        retryable: Whether it may pass; None if it does not matter here.
        retry_after: The seconds that the gateway asks to wait; None if it says nothing.
        provider: The provider that failed.
        error_type: The gateway's own name for the failure; None if it does not matter here.
        partial: The text that had arrived; None if nothing had arrived at all.
        tokens: The tokens reported before, or with, the failure.
        hidden: Texts that no error may show, beside the key and the prompt.
        requests: How many requests are made.
    """

    error: str
    status_code: int
    says: str = ""
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    retryable: bool | None = None
    retry_after: float | None = None
    provider: str | None = None
    error_type: str | None = None
    partial: str | None = None
    tokens: int = 0
    hidden: tuple[str, ...] = ()
    requests: int = 1

    def __str__(self) -> str:
        parts = [f"`{self.error}` ({self.status_code})"]
        if phase := self.details.get("phase"):
            parts.append(f"phase `{phase}`")
        if self.retry_after is not None and self.retry_after >= 1:
            parts.append(f"retry after {self.retry_after:g} s")
        if self.partial:
            parts.append("keeps the text so far")
        if self.tokens:
            parts.append("keeps the usage")
        if self.requests != 1:
            parts.append(f"{self.requests} requests")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The caller leaves, and the gateway sees the connection close.

    Attributes:
        received: The text that the caller had got.
    """

    received: str = ""

    def __str__(self) -> str:
        return "connection closed at once"


Expected: TypeAlias = Complete | Fails | Left
"""What should come of a fault."""
