"""What a run tells: of each row, of its state now, and of all of it at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from raptscallions_bulk.errors import BulkError

__all__ = ["Plan", "Report", "Row", "RowStatus", "RunStoppedError", "Status"]

RowStatus: TypeAlias = Literal["answered", "failed"]


@dataclass(frozen=True, slots=True)
class Row:
    """A row that has come to an end.

    Attributes:
        number: Its place in the source, from 0.
        key: Its key; the number where there is no key.
        status: `answered` or `failed`.
        answer: The text; or the object, where answers have a type. None if it failed.
        error: What it failed with; None if it was answered.
        cost: What it cost, in USD.
        input: The row as the source had it.
        same_as: The number of the row that asked the same before; None if none did.
    """

    number: int
    key: str | int
    status: RowStatus
    answer: Any = field(default=None, repr=False)
    error: Exception | None = None
    cost: Decimal = Decimal(0)
    input: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    same_as: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will take, before it does.

    Attributes:
        rows: How many rows there are to ask, duplicates left out.
        duplicates: How many rows ask what another one asks.
        invalid: How many rows cannot be asked, because a field is missing, for instance.
        prompt_tokens: Tokens of all requests, about.
        completion_tokens: Tokens of all answers, about; None before anything was sampled.
        cost_low: USD that it costs if all answers are as the sampled ones; None if prices are not known.
        cost_high: USD that it costs at most; None if prices or `max_tokens` are not known.
        seconds: How long it takes, about; None before anything was sampled.
        sampled: How many rows have been asked for this.
        spent: USD that the sample cost.
    """

    rows: int
    duplicates: int
    invalid: int
    prompt_tokens: int
    completion_tokens: int | None
    cost_low: Decimal | None
    cost_high: Decimal | None
    seconds: float | None
    sampled: int
    spent: Decimal


@dataclass(frozen=True, slots=True)
class Status:
    """Where a run is now.

    Attributes:
        rows: How many rows there are; None while that is not known.
        answered: Rows with an answer, duplicates included.
        failed: Rows that failed for good.
        open: Rows that are being asked.
        in_doubt: Rows that were sent, and of which nothing is known.
        lost: Rows that were paid, and whose answer is gone.
        spent: USD.
        reserved: USD that open rows and rows in doubt can cost at most.
        max_cost: The cap, in USD; None for none.
        per_second: Rows a second, lately.
        seconds_left: How long it will still take, about; None while that is not known.
        binding: What keeps it from being faster: `window`, `requests`, `tokens`, `retry-after`, `outage`, `batch`,
            `none`.
        retries: How often requests came back unpaid, by the class of the error.
    """

    rows: int | None
    answered: int
    failed: int
    open: int
    in_doubt: int
    lost: int
    spent: Decimal
    reserved: Decimal
    max_cost: Decimal | None
    per_second: float
    seconds_left: float | None
    binding: str
    retries: Mapping[str, int]

    @property
    def settled(self) -> int:
        """How many rows have come to an end."""
        return self.answered + self.failed + self.lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a run.

    Attributes:
        rows: How many rows there are; None if it was stopped before that was known.
        answered: Rows with an answer, duplicates included.
        failed: Rows that failed for good.
        waiting: Rows that have not been asked, or came back unpaid; None if `rows` is.
        in_doubt: Numbers of the rows that were sent, and of which nothing is known; they are not asked again unasked.
        in_batches: Rows in batches that are not over yet.
        lost: Rows that were paid, and whose answer is gone.
        recovered: Rows whose answer the gateway gave again for nothing.
        duplicates: Rows that ask what another one asks.
        errors: Failed rows by the class of their error.
        retries: How often requests came back unpaid, by the class of the error.
        requests: Requests that were sent.
        spent: USD for certain; what is uncertain counts with the most that it can be.
        uncertain: How many rows that is.
        reserved: USD that rows in doubt can have cost at most.
        unpriced: Answers whose cost nobody told; they count as nothing.
        prompt_tokens: Tokens of all requests.
        completion_tokens: Tokens of all answers.
        p50: Seconds within which half of the answers came.
        p95: Seconds within which 95 of 100 did.
        seconds: How long this process took.
        stopped: Why it stopped before the end; None if it did not.
    """

    rows: int | None
    answered: int
    failed: int
    waiting: int | None
    in_doubt: tuple[int, ...]
    in_batches: int
    lost: int
    recovered: int
    duplicates: int
    errors: Mapping[str, int]
    retries: Mapping[str, int]
    requests: int
    spent: Decimal
    uncertain: int
    reserved: Decimal
    unpriced: int
    prompt_tokens: int
    completion_tokens: int
    p50: float | None
    p95: float | None
    seconds: float
    stopped: str | None

    @property
    def complete(self) -> bool:
        """Whether every row has an answer or has failed for good."""
        return self.rows is not None and self.answered + self.failed + self.lost >= self.rows

    def __str__(self) -> str:
        total = "" if self.rows is None else f" of {self.rows}"
        lines = [f"{self.answered}{total} rows answered, {self.spent:f} USD spent"]
        lines += [f"{count} failed with {name}" for name, count in sorted(self.errors.items())]
        if self.waiting:
            lines.append(f"{self.waiting} not asked yet")
        if self.in_doubt:
            lines.append(f"{len(self.in_doubt)} in doubt, which can have cost {self.reserved:f} USD at most")
        if self.lost:
            lines.append(f"{self.lost} paid and lost")
        if self.unpriced:
            lines.append(f"{self.unpriced} answers without a known cost")
        if self.stopped:
            lines.append(f"stopped: {self.stopped}")
        return "\n".join(lines)


class RunStoppedError(BulkError):
    """The run stopped because it made no sense to go on: a wrong key, no credits, or every row failing alike.

    Attributes:
        report: What came of it so far; everything is kept, and the run can be resumed.
    """

    def __init__(self, why: str, report: Report) -> None:
        super().__init__(why)
        self.report = report
