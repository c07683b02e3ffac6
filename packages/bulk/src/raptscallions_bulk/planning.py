"""What a run will take, before it does: prices, rows, tokens, money, time."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from raptscallions_ai import AiError, ChatClient
from raptscallions_ai.batches import Batching
from raptscallions_ai.models import ModelInfo
from raptscallions_bulk.engine.settings import Settings
from raptscallions_bulk.errors import PriceError, SourceError
from raptscallions_bulk.index import RequestIndex
from raptscallions_bulk.ledger.ledger import Ledger
from raptscallions_bulk.money import Price, price_from, to_decimal
from raptscallions_bulk.report import Plan
from raptscallions_bulk.rows.request import Request, RequestMaker
from raptscallions_bulk.rows.sources import Source
from raptscallions_bulk.store import RunStore

__all__ = ["Planner", "known_price"]

_BYTES = 4  # of a token, as long as no answer has told better
_CAUTION = 1.15  # times the sampled cost, for the high end where the cap of tokens is not known


async def known_price(client: ChatClient, settings: Settings, price: Price | None) -> Settings:
    """Return the settings with the price of the model in them: the given one, else that of the gateway's list.

    Raises:
        PriceError: There is a cap, and nobody knows what a row may cost.
    """
    price = price or await _listed(client, settings)
    tariff = None if price is None else price.tariff
    if settings.max_cost is not None:
        if tariff is None:
            raise PriceError(
                "max_cost needs the price of the model, and the gateway's list does not tell it; give "
                "price=Price(prompt=..., completion=...), in USD for a million tokens"
            )
        if settings.max_tokens is None and tariff[1]:
            raise PriceError("max_cost needs a limit for the length of an answer; give options={'max_tokens': ...}")
    return replace(settings, tariff=tariff)


async def _listed(client: ChatClient, settings: Settings) -> Price | None:
    if not isinstance(client, _HasModels):
        return None
    model = client.resolve_model(settings.model)
    if settings.is_batch and isinstance(client, Batching):
        model = cast("Batching", client).batch_model(settings.model)
    try:
        return price_from(await client.models(), model)
    except AiError:
        return None


@runtime_checkable
class _HasModels(Protocol):
    """A client whose gateway has a list of models."""

    def resolve_model(self, model: str | None = None) -> str: ...

    async def models(self) -> list[ModelInfo]: ...


class Planner:
    """Reads the whole source, and tells what is left to do of it.

    Args:
        folder: The run's folder.
        source: Its rows.
        maker: Makes their requests.
        settings: How they are asked.
        key: The field that names a row.
    """

    def __init__(self, folder: Path, source: Source, maker: RequestMaker, settings: Settings, key: str | None) -> None:
        self._folder, self._source, self._maker, self._settings = folder, source, maker, settings
        self._key = key
        self._rows = self._duplicates = self._invalid = self._bytes = 0

    def plan(self) -> Plan:
        """Return what is left to do."""
        if not (self._folder / "run.json").exists():
            return self._planned(Ledger(), 0, None)
        store = RunStore(self._folder)
        try:
            return self._planned(store.ledger, store.file.base, store.index)
        finally:
            store.index.close()
            store.storage.close()

    def _planned(self, ledger: Ledger, base: int, index: RequestIndex | None) -> Plan:
        seen: set[bytes] = set()
        for number, row in self._source.rows(lambda number: ledger.is_waiting(number + base)):
            found = None if (request := self._request(row)) is None or index is None else index.find(request.digest)
            if request is None:
                self._invalid += 1
            elif self._settings.dedupe and (request.digest in seen or (found and found.row != number + base)):
                self._duplicates += 1
            else:
                seen.add(request.digest)
                self._rows += 1
                self._bytes += request.prompt_tokens
        answers = len(ledger.answered) - ledger.count("duplicates")
        prompt = self._bytes // _BYTES
        most = self._most(self._bytes) if self._settings.max_tokens is not None else None
        if not answers:
            return self._as_plan(prompt, None, None, most, None, 0, ledger)
        completion = round(self._rows * ledger.count("completion_tokens") / answers)
        low = round(ledger.spent / answers * self._rows)
        prompt = round(self._rows * ledger.count("prompt_tokens") / answers) or prompt
        if self._settings.tariff is None and not ledger.spent:
            return self._as_plan(prompt, completion, None, None, ledger.latencies.percentile(0.5), answers, ledger)
        high = round(low * _CAUTION) if most is None else most
        return self._as_plan(prompt, completion, low, high, ledger.latencies.percentile(0.5), answers, ledger)

    def _request(self, row: dict[str, Any] | SourceError) -> Request | None:
        if isinstance(row, SourceError):
            return None
        if self._key is not None and not isinstance(row.get(self._key), str | int):
            return None
        try:
            return self._maker.make(row)
        except SourceError:
            return None

    def _most(self, tokens: int) -> int | None:
        if self._settings.tariff is None:
            return None
        prompt, completion, request = self._settings.tariff
        return prompt * tokens + (completion * (self._settings.max_tokens or 0) + request) * self._rows

    def _as_plan(
        self,
        prompt: int,
        completion: int | None,
        low: int | None,
        high: int | None,
        latency: float | None,
        sampled: int,
        ledger: Ledger,
    ) -> Plan:
        return Plan(
            rows=self._rows,
            duplicates=self._duplicates,
            invalid=self._invalid,
            prompt_tokens=prompt,
            completion_tokens=completion,
            cost_low=None if low is None else to_decimal(low),
            cost_high=None if high is None else to_decimal(high),
            seconds=None if latency is None else self._seconds(latency),
            sampled=sampled,
            spent=to_decimal(ledger.spent) if sampled else Decimal(0),
        )

    def _seconds(self, latency: float) -> float:
        """Return how long it takes with as many requests at a time as are allowed, and within the told limits."""
        by_window = self._rows * latency / min(self._settings.max_open, max(1, self._rows))
        by_rate = self._rows / self._settings.requests if self._settings.requests else 0.0
        by_tokens = self._bytes / _BYTES / self._settings.tokens if self._settings.tokens else 0.0
        return max(by_window, by_rate, by_tokens)
