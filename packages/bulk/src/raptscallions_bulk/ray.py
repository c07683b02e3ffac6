"""Runs on many machines, with Ray: `Ask` for `ray.data`, and what `bulk run --ray` does (extra `ray`).

::

    tickets = ray.data.read_parquet("s3://bucket/tickets")
    labelled = ask_dataset(tickets, "runs/tickets", client=OpenRouterClient, ask="Classify: {text}", key="id")
    labelled.write_parquet("s3://bucket/labelled")
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from raptscallions_ai import ChatClient
from raptscallions_bulk.cluster.journal import Asked, Claim, Journal, Outcome
from raptscallions_bulk.cluster.worker import Worker
from raptscallions_bulk.engine.settings import Settings
from raptscallions_bulk.errors import BulkError, SourceError
from raptscallions_bulk.money import Price, amount_of, to_pico
from raptscallions_bulk.planning import known_price
from raptscallions_bulk.report import Report
from raptscallions_bulk.rows.answer_type import AnswerType
from raptscallions_bulk.rows.request import RequestMaker
from raptscallions_bulk.rows.sources import Source
from raptscallions_bulk.store import RunStore
from raptscallions_bulk.summary import report_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_bulk.rows.request import Ask as AskOf

__all__ = ["Ask", "Asking", "ask_dataset", "run_on_ray"]

_BLOCK = 64  # rows that a worker asks at a time
_AHEAD = 2  # blocks for each worker
# A worker waits for the gateway nearly all the time; and what is left of a cluster must have room for all of them.
_WORKER = {"max_restarts": -1, "max_task_retries": -1, "num_cpus": 0.1}


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How rows are asked on a cluster; it goes to every worker, and holds no key.

    Args:
        client: Makes the client, in the worker, with the worker's environment.
        ask: A template, such as `Classify: {text}`; or a function of the row that returns a text or messages.
        instructions: The system message.
        answer_as: The type of the answers: what pydantic knows.
        key: The field that names a row.
        model: The model; else the client's default.
        options: `CallOptions` of each call.
        max_cost: USD that the run may cost in all.
        price: What the model costs at most, where the gateway's list does not tell.
        timeout: Seconds for one row.
        response_cache: Whether the gateway is asked to keep answers for a day, where it can.
        max_open: The most requests of one worker at a time.
        requests_per_minute: A limit that you know, of all workers together; else each finds its own out.
        tokens_per_minute: Likewise.
        tariff: What `ask_dataset` and `run_on_ray` found out of the price.
    """

    client: Callable[[], ChatClient]
    ask: AskOf = "{text}"
    instructions: str | None = None
    answer_as: Any = None
    key: str | None = None
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    max_cost: Decimal | str | float | None = None
    price: Price | None = None
    timeout: float = 600.0
    response_cache: bool = True
    max_open: int = 256
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    tariff: tuple[int, int, int] | None = None

    @property
    def maker(self) -> RequestMaker:
        """What makes the requests."""
        schema = None if self.answer_as is None else AnswerType(self.answer_as).schema
        return RequestMaker(
            self.ask, instructions=self.instructions, model=self.model, options=self.options, schema=schema
        )

    @property
    def settings(self) -> Settings:
        """How they are asked."""
        return Settings(
            model=self.model,
            answer_as=self.answer_as,
            answer_type=None if self.answer_as is None else AnswerType(self.answer_as),
            options=self.options,
            timeout=self.timeout,
            max_cost=None if self.max_cost is None else to_pico(amount_of(self.max_cost, "max_cost")),
            tariff=self.tariff,
            max_tokens=self.options.get("max_completion_tokens") or self.options.get("max_tokens"),
            caches=self.response_cache,
            max_open=self.max_open,
            requests=None if self.requests_per_minute is None else self.requests_per_minute / 60,
            tokens=None if self.tokens_per_minute is None else self.tokens_per_minute / 60,
        )


class Ask:
    """Asks blocks of rows: a callable for `ray.data.Dataset.map_batches`, and an actor of `bulk run --ray`.

    Each row is asked once in all of the run, whatever dies meanwhile: before it is sent, the journal has it on the
    disk. A block that is run again gets what had arrived.

    Args:
        journal: The handle of the journal's actor.
        asking: How rows are asked.
    """

    def __init__(self, journal: Any, asking: Asking) -> None:
        self._loop = asyncio.new_event_loop()
        self._worker = Worker(asking.client(), _JournalActor(journal), asking.maker, asking.settings, key=asking.key)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a block with the columns `answer`, `status`, `error` and `cost` added; objects are JSON texts."""
        columns: dict[str, list[Any]] = {name: column.tolist() for name, column in batch.items()}
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        told = self._loop.run_until_complete(self._worker.ask(rows))
        answers = [row.answer if isinstance(row.answer, str | None) else _json(row.answer) for row in told]
        more = {
            "answer": answers,
            "status": [row.status for row in told],
            "error": [row.error for row in told],
            "cost": [row.cost for row in told],
        }
        return {**batch, **{f"answer_{name}" if name in batch else name: _column(v) for name, v in more.items()}}

    def ask_numbered(self, numbers: list[int], rows: list[dict[str, Any]]) -> list[str]:
        """Ask rows whose places in the source are known, and return the status of each."""
        return [row.status for row in self._loop.run_until_complete(self._worker.ask(rows, numbers))]


def ask_dataset(dataset: Any, folder: str | Path, *, workers: int = 4, changed: bool = False, **how: Any) -> Any:
    """Return a `ray.data.Dataset` with an answer to each row of one; nothing is asked before it is read.

    Rows that ask the same are asked once. Equal rows of an earlier run of the same folder are not asked again.

    Args:
        dataset: The rows.
        folder: Where the run is kept, on a disk of this machine.
        workers: How many workers ask.
        changed: Whether another template or other options are meant than those that the folder is of.
        **how: The fields of `Asking`.

    Raises:
        ImportError: Ray is not installed.
        BulkError: The folder cannot be used.
    """
    asking = asyncio.run(_priced(Asking(**how)))
    journal = _open_journal(Path(folder), asking, {"name": "dataset"}, changed=changed, rows=None)
    return dataset.map_batches(
        Ask,
        fn_constructor_args=(journal, asking),
        batch_size=_BLOCK,
        concurrency=workers,
        **_WORKER,
    )


def run_on_ray(
    source: Source,
    folder: str | Path,
    asking: Asking,
    *,
    workers: int = 4,
    changed: bool = False,
    command: dict[str, Any] | None = None,
) -> Report:
    """Ask the rows of a source on a cluster, and return the report; the folder is that of any run.

    Args:
        source: The rows, read by this process.
        folder: Where the run is kept, on a disk of this machine.
        asking: How rows are asked.
        workers: How many workers ask.
        changed: Whether a changed template, option or source is meant.
        command: What the command line needs to go on.

    Raises:
        ImportError: Ray is not installed.
        BulkError: The folder cannot be used.
        AiError: No row can be asked, because of the key, for instance.
    """
    ray, begun = _ray(), time.monotonic()
    asking = asyncio.run(_priced(asking))
    rows = source.count()
    told = {"name": source.name, **source.fingerprint()}
    journal = _open_journal(Path(folder), asking, told, changed=changed, rows=rows, command=command)
    actor = ray.remote(Ask).options(**_WORKER, scheduling_strategy="SPREAD")
    kept = ray.put(asking)  # for as long as a worker may have to be started again
    pool = [actor.remote(journal, kept) for _ in range(workers)]
    try:
        _ask_all(ray, pool, _blocks(source))
    finally:
        for worker in pool:
            ray.kill(worker)
        ray.get(journal.aclose.remote())
        ray.kill(journal)
    store = RunStore(Path(folder))
    try:
        return report_of(store, None, time.monotonic() - begun)
    finally:
        store.index.close()
        store.storage.close()


async def _priced(asking: Asking) -> Asking:
    """Return the same with the price of the model, which the workers need not look up then."""
    client = asking.client()
    try:
        return replace(asking, tariff=(await known_price(client, asking.settings, asking.price)).tariff)
    finally:
        await client.aclose()


def _ask_all(ray: Any, pool: Sequence[Any], blocks: Iterator[tuple[list[int], list[dict[str, Any]]]]) -> None:
    """Give each worker a block or two, and the next ones as those come back."""
    open_: dict[Any, Any] = {}
    idle = [worker for worker in pool for _ in range(_AHEAD)]
    while True:
        while idle and (block := next(blocks, None)) is not None:
            worker = idle.pop(0)
            open_[worker.ask_numbered.remote(*block)] = worker
        if not open_:
            return
        done, _ = ray.wait(list(open_), num_returns=1)
        for one in done:
            idle.append(open_.pop(one))
            try:
                ray.get(one)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None


def _blocks(source: Source) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
    numbers, rows = list[int](), list[dict[str, Any]]()
    for number, row in source.rows(lambda _: True):
        # A row that is none has no fields, and fails where its request is made.
        numbers.append(number)
        rows.append({} if isinstance(row, SourceError) else row)
        if len(rows) == _BLOCK:
            yield numbers, rows
            numbers, rows = [], []
    if rows:
        yield numbers, rows


def _open_journal(
    folder: Path,
    asking: Asking,
    source: dict[str, Any],
    *,
    changed: bool,
    rows: int | None,
    command: dict[str, Any] | None = None,
) -> Any:
    """Start the journal's actor on this machine, where the folder is; it is started again whenever it dies."""
    ray, strategies = _ray(), import_module("ray.util.scheduling_strategies")
    if not ray.is_initialized():
        ray.init()
    here = strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    settings = asking.settings
    actor = ray.remote(Journal).options(
        name=f"raptscallions-bulk:{folder.resolve()}",
        num_cpus=0,
        max_restarts=-1,
        max_task_retries=-1,
        max_concurrency=1000,
        scheduling_strategy=here,
    )
    try:
        journal = actor.remote(
            str(folder.resolve()),
            source,
            asking.maker.fingerprint,
            changed=changed,
            max_cost=settings.max_cost,
            quiet_after=settings.quiet_after,
            rows=rows,
            command=command,
        )
        ray.get(journal.heard_of.remote("driver"))
    except ValueError as error:
        raise BulkError(f"{folder} is in use by another run on this cluster") from error
    except ray.exceptions.ActorDiedError as error:
        raise BulkError(str(getattr(error, "cause", None) or error)) from None
    return journal


class _JournalActor:
    """A `RemoteJournal`: the journal's actor, awaited."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def claim(self, worker: str, claims: Sequence[Claim]) -> list[Asked]:
        return cast("list[Asked]", await self._actor.claim.remote(worker, claims))

    async def keep(self, worker: str, outcomes: Sequence[Outcome], *, caches: bool = False) -> None:
        await self._actor.keep.remote(worker, outcomes, caches=caches)

    async def heard_of(self, worker: str) -> int:
        return cast("int", await self._actor.heard_of.remote(worker))


def _ray() -> Any:
    try:
        return import_module("ray")
    except ImportError as error:
        raise ImportError("ray is missing: install raptscallions-bulk[ray]") from error


def _column(values: list[Any]) -> Any:
    return import_module("numpy").array(values, dtype=object)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
