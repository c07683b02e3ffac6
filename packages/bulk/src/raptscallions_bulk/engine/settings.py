"""`Settings`: how a run asks, all of it checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

from raptscallions_ai import CallOptions, Timeouts
from raptscallions_bulk.rows.answer_type import AnswerType

__all__ = ["InDoubt", "Settings", "checked"]

InDoubt: TypeAlias = Literal["recover", "keep", "ask"]
"""What is done about rows that were sent, and of which nothing is known.

- `recover`: look in the gateway's books, and get the answer again from its cache where it has shown that it has one.
- `keep`: look in the gateway's books only.
- `ask`: ask again, and maybe pay twice.
"""

_CACHE = {"X-OpenRouter-Cache": "true", "X-OpenRouter-Cache-TTL": "86400"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run asks.

    Attributes:
        model: The model; None for the client's default.
        answer_type: Reads and writes answers; None for text.
        answer_as: The type itself.
        options: The options of each call, all but the time limits.
        timeout: Seconds for one row, from sending it to its whole answer.
        stream: Whether the gateway is asked to stream.
        max_cost: The cap, in picodollars; None for none.
        tariff: Picodollars for a token of the request, a token of the answer, and a request; None if unknown.
        max_tokens: The most tokens of an answer; None if that is not limited.
        in_doubt: What is done about rows in doubt.
        caches: Whether the gateway is asked to keep answers, so that they can be had again.
        dedupe: Whether equal requests are asked once.
        max_open: The most requests at a time.
        requests: Requests a second that are known to be allowed; None to find out.
        tokens: Tokens a second, likewise.
        is_batch: Whether rows go into batches.
        batch_size: The most rows of one; None for what is usual.
    """

    model: str | None = None
    answer_type: AnswerType | None = None
    answer_as: Any = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    timeout: float = 600.0
    stream: bool = False
    max_cost: int | None = None
    tariff: tuple[int, int, int] | None = None
    max_tokens: int | None = None
    in_doubt: InDoubt = "recover"
    caches: bool = False
    dedupe: bool = True
    max_open: int = 2048
    requests: float | None = None
    tokens: float | None = None
    is_batch: bool = False
    batch_size: int | None = None

    @property
    def plain_options(self) -> CallOptions:
        """The options of a request in a batch: those of the person."""
        return cast("CallOptions", dict(self.options))

    def call_options(self) -> dict[str, Any]:
        """Return the options of each call: those of the person, and those that a run is in charge of."""
        limits = Timeouts(first_chunk=self.timeout, idle=self.timeout, total=self.timeout)
        options: dict[str, Any] = {**self.options, "timeout": limits, "max_retries": 0}
        if self.tariff is None or any(self.tariff):
            options["resend"] = False  # what was lost may have been billed
        if self.caches:
            options["extra_headers"] = {**_CACHE, **(options.get("extra_headers") or {})}
        return options

    def most(self, prompt_tokens: int) -> int:
        """Return the most that a request of so many tokens can cost, in picodollars."""
        if self.tariff is None:
            return 0
        prompt, completion, request = self.tariff
        return prompt * prompt_tokens + completion * (self.max_tokens or 0) + request

    @property
    def quiet_after(self) -> float:
        """Seconds after sending a request, after which nobody works on it any more."""
        return self.timeout + max(1.0, self.timeout / 4)


def checked(name: str, value: object, *, least: float, whole: bool = False) -> None:
    """Make sure that a figure is one.

    Raises:
        ValueError: It is none, or too small.
    """
    kinds = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds) or not value >= least:
        raise ValueError(f"{name} must be {'a whole number' if whole else 'a number'}, {least} or more")
