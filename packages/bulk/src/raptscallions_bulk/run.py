"""`BulkRun`: many prompts, each asked and paid once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raptscallions_ai import ChatClient
from raptscallions_ai.batches import Batching
from raptscallions_bulk.engine.batches import BatchEngine
from raptscallions_bulk.engine.engine import Engine
from raptscallions_bulk.engine.settings import InDoubt, Settings, checked
from raptscallions_bulk.export import export_rows
from raptscallions_bulk.interrupts import draining_first
from raptscallions_bulk.live import read_limits, write_status
from raptscallions_bulk.money import Price, amount_of, to_pico
from raptscallions_bulk.objects import ObjectCopy
from raptscallions_bulk.planning import Planner, known_price
from raptscallions_bulk.report import Plan, Report, Row, RunStoppedError, Status
from raptscallions_bulk.retrying import reset_rows
from raptscallions_bulk.rows.answer_type import AnswerType
from raptscallions_bulk.rows.request import Ask, RequestMaker
from raptscallions_bulk.rows.sources import open_source
from raptscallions_bulk.store import RunStore
from raptscallions_bulk.summary import report_of, status_of
from raptscallions_bulk.viewing import RunView

if TYPE_CHECKING:
    from raptscallions_bulk.rows.sources import Source

__all__ = ["BulkRun"]

_ROOM = 1000  # rows that wait to be taken by `async for`, before nothing more is sent
_TICK = 1.0  # seconds between two reports of progress


class BulkRun:
    """A run of many prompts: each row of a source is asked once, and what comes is kept in a folder.

    Nothing happens before it is awaited or iterated. Whatever ends it - Ctrl-C, a crash, `kill -9` - the same call goes
    on where it was: what was answered is not asked again, and what was under way is settled, or listed as in doubt.

    ::

        run = BulkRun(client, "tickets.csv", "runs/tickets", ask="Classify: {text}", answer_as=Ticket, max_cost="5")
        print(await run.plan(sample=20))
        print(await run)

    Args:
        client: Whom to ask; its own retries are not used.
        source: The path of a JSONL, CSV, TSV, text or Parquet file, or an iterable of dicts or texts.
        folder: Where the run is kept; made if it is not there. It holds no key, and no prompt.
        ask: A template, such as `Classify: {text}`; or a function of the row that returns a text or messages.
        instructions: The system message.
        answer_as: The type of the answers: what pydantic knows. They are asked for with its JSON schema, and validated.
        key: The field that names a row; else its number does.
        model: The model; else the client's default.
        options: `CallOptions` of each call, such as `{"max_tokens": 200}`.
        max_cost: USD that the run may cost in all, in this folder: a cap that is never exceeded, because a row is only
            sent when the most that it can cost is left.
        price: What the model costs at most, where the gateway's list does not tell.
        timeout: Seconds for one row.
        in_doubt: What is done about rows that were sent and of which nothing is known; see the guide.
        response_cache: Whether the gateway is asked to keep answers for a day, where it can (OpenRouter), so that those
            that were under way in a crash can be had again for nothing.
        dedupe: Whether rows that ask the same are asked once.
        changed: Whether a changed template, option or source is meant: then only rows whose request is new are asked.
        stream: Whether the gateway is asked to stream; costs more CPU, and stops the model when the run is cut.
        max_open: The most requests at a time.
        requests_per_minute: A limit that you know; else it is found out.
        tokens_per_minute: Likewise.
        batch: Whether rows are handed over in batches, which the gateway answers within a day at about half the price:
            OpenRouter, OpenAI and Anthropic have them.
        batch_size: The most rows of a batch; 5,000 if not given.
        copy_to: Where the folder is copied to when the run ends: `s3://bucket/runs/tickets` or another object store.
        on_progress: Called about once a second with the `Status`; a `ProgressLine` shows it.
        handle_signals: Whether the first Ctrl-C or SIGTERM lets what is open end, and a second one cuts. Without it
            they do what they always do in the program, which cuts.

    Attributes:
        report: What came of it the last time; None before.

    Raises:
        ValueError: An argument is out of its range.
        TypeError: `answer_as` is no type, or the client cannot give objects, or its gateway takes no batches.
        SourceError: The source is not there, or of no kind that is known.
    """

    def __init__(
        self,
        client: ChatClient,
        source: str | Path | Iterable[Any],
        folder: str | Path,
        *,
        ask: Ask = "{text}",
        instructions: str | None = None,
        answer_as: Any = None,
        key: str | None = None,
        model: str | None = None,
        options: Mapping[str, Any] | None = None,
        max_cost: Decimal | str | float | None = None,
        price: Price | None = None,
        timeout: float = 600.0,
        in_doubt: InDoubt = "recover",
        response_cache: bool = True,
        dedupe: bool = True,
        changed: bool = False,
        stream: bool = False,
        max_open: int = 2048,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        batch: bool = False,
        batch_size: int | None = None,
        copy_to: str | None = None,
        on_progress: Callable[[Status], None] | None = None,
        handle_signals: bool = False,
    ) -> None:
        checked("timeout", timeout, least=0.001)
        checked("max_open", max_open, least=1, whole=True)
        for name, rate in (("requests_per_minute", requests_per_minute), ("tokens_per_minute", tokens_per_minute)):
            if rate is not None:
                checked(name, rate, least=0.001)
        if in_doubt not in ("recover", "keep", "ask"):
            raise ValueError("in_doubt must be recover, keep or ask")
        if batch and not isinstance(client, Batching):
            raise TypeError(f"batch needs a client whose gateway takes batches, which {type(client).__name__} does not")
        if batch_size is not None:
            checked("batch_size", batch_size, least=1, whole=True)
        if answer_as is not None and not hasattr(client, "parse"):
            raise TypeError(f"answer_as needs a client that can `parse`, which {type(client).__name__} cannot")
        options = dict(options or {})
        answer_type = None if answer_as is None else AnswerType(answer_as)
        self._client, self._folder, self._key, self._price = client, Path(folder), key, price
        self._copy = None if copy_to is None else ObjectCopy(copy_to)
        self._changed, self._on_progress, self._handle_signals = changed, on_progress, handle_signals
        self._source: Source = open_source(source)
        schema = None if answer_type is None else answer_type.schema
        self._maker = RequestMaker(ask, instructions=instructions, model=model, options=options, schema=schema)
        self._settings = Settings(
            model=model,
            answer_as=answer_as,
            answer_type=answer_type,
            options=options,
            timeout=timeout,
            stream=stream,
            max_cost=None if max_cost is None else to_pico(amount_of(max_cost, "max_cost")),
            max_tokens=options.get("max_completion_tokens") or options.get("max_tokens"),
            in_doubt=in_doubt,
            caches=response_cache,
            dedupe=dedupe,
            max_open=max_open,
            requests=None if requests_per_minute is None else requests_per_minute / 60,
            tokens=None if tokens_per_minute is None else tokens_per_minute / 60,
            is_batch=batch,
            batch_size=batch_size,
        )
        self.command: dict[str, Any] = {}
        self._engine: Engine | BatchEngine | None = None
        self._store: RunStore | None = None
        self._begun = 0.0
        self.report: Report | None = None

    async def plan(self, sample: int = 0) -> Plan:
        """Return what the run will take: rows, tokens, USD and time.

        Args:
            sample: How many of the first rows to ask for this. They are asked and paid as a part of the run, so that it
                does not ask them again; without them time and the lower cost are not known.

        Raises:
            BulkError: Source, folder or price are not usable, or the sample shows that nothing works.
        """
        checked("sample", sample, least=0, whole=True)
        if sample:
            await self._run_to_end(limit=sample)
        settings = await known_price(self._client, self._settings, self._price)
        return await asyncio.to_thread(Planner(self._folder, self._source, self._maker, settings, self._key).plan)

    def drain(self) -> None:
        """Send nothing more, and let what is open end; whoever awaits the run gets its report. Safe in any state."""
        if self._engine is not None:
            self._engine.stop("it was asked to end")

    def cut(self) -> None:
        """End the run now; what is open will be in doubt."""
        if self._engine is not None:
            self._engine.cut()

    @property
    def status(self) -> Status | None:
        """Where the run is; None while it does not run."""
        if self._engine is None or self._store is None:
            return None
        return status_of(self._store, self._engine, self._settings)

    def limit_open(self, most: int) -> None:
        """Change the most requests at a time, while the run goes on."""
        checked("most", most, least=1, whole=True)
        if self._engine is not None:
            self._engine.limit_open(most)

    async def retry(self, only: Iterable[str] = ()) -> int:
        """Let rows that have failed be asked again by the next run, and return how many; what they cost stays spent.

        Args:
            only: The classes of errors, such as `ProviderError`, and `in_doubt` and `lost` for such rows, which may be
                paid twice then. All that failed if none is given; those in doubt and lost are never meant by that.

        Raises:
            RunFolderError: There is no run, or another process owns it.
        """
        return await reset_rows(self._folder, set(only))

    def export(self, path: str | Path, *, with_input: bool = True) -> int:
        """Write all rows to a JSONL, CSV, TSV or Parquet file in the order of the source, and return how many.

        Args:
            path: The file; written anew.
            with_input: Whether each row's own fields come first.

        Raises:
            RunFolderError: There is no run.
            SourceError: The file is of no kind that is known.
        """
        return export_rows(RunView(self._folder), Path(path), self._source if with_input else None)

    def __await__(self) -> Generator[Any, None, Report]:
        return self._run_to_end().__await__()

    async def __aiter__(self) -> AsyncIterator[Row]:
        """Run, and yield each row that comes to an end, in the order in which they do.

        Rows that had come to an end before are not yielded; `export` has all. Leaving the loop early lets what is open
        end, and asks nothing more.
        """
        rows: deque[Row] = deque()
        arrived = asyncio.Event()

        def on_row(row: Row) -> None:
            rows.append(row)
            arrived.set()

        running = asyncio.create_task(self._run_to_end(on_row=on_row, has_room=lambda: len(rows) < _ROOM))
        running.add_done_callback(lambda _: arrived.set())
        try:
            while rows or not running.done():
                if not rows:
                    arrived.clear()
                    await arrived.wait()
                    continue
                yield rows.popleft()
                if len(rows) == _ROOM // 2 and self._engine is not None:
                    self._engine.changed()
            await running
        except asyncio.CancelledError:
            running.cancel()
            raise
        finally:
            if not running.done():
                self.drain()
                with contextlib.suppress(asyncio.CancelledError):
                    await running

    async def _run_to_end(
        self,
        *,
        limit: int | None = None,
        on_row: Callable[[Row], None] | None = None,
        has_room: Callable[[], bool] = lambda: True,
    ) -> Report:
        if self._engine is not None:
            raise RuntimeError("this run is going on already")
        begun = time.monotonic()
        settings = await known_price(self._client, self._settings, self._price)
        count = await asyncio.to_thread(self._source.count)
        fingerprint = await asyncio.to_thread(self._source.fingerprint)
        store = RunStore(self._folder, rows=count or 0)
        try:
            store.adopt({"name": self._source.name, **fingerprint}, self._maker.fingerprint, changed=self._changed)
            store.file.rows = count
            if self.command:
                store.file.command = self.command
            store.save()
            await store.begin()
            engine = (BatchEngine if settings.is_batch else Engine)(
                self._client,
                store,
                self._source,
                self._maker,
                settings,
                key=self._key,
                on_row=on_row,
                has_room=has_room,
                limit=limit,
            )
            self._engine, self._store = engine, store
            watcher = asyncio.create_task(self._watch(engine, store))
            signals = draining_first(self.drain, self.cut) if self._handle_signals else contextlib.nullcontext()
            try:
                with signals:
                    await engine.run()
            finally:
                watcher.cancel()
                self._engine = self._store = None
            if engine.feed.is_read and limit is None and store.file.rows is None:
                store.file.rows = engine.feed.seen
                store.save()
        finally:
            await store.aclose()
        if self._copy is not None:
            await asyncio.to_thread(self._copy.send, self._folder)
        self.report = report_of(store, engine.stopped, time.monotonic() - begun)
        if self._on_progress is not None:
            self._on_progress(status_of(store, engine, settings))
        if engine.stop_error is not None:
            raise RunStoppedError(engine.stopped or "it stopped", self.report) from engine.stop_error
        if store.committer.failure is not None:
            raise RunStoppedError(str(store.committer.failure), self.report) from store.committer.failure
        return self.report

    async def _watch(self, engine: Engine | BatchEngine, store: RunStore) -> None:
        """Tell where the run is, and see whether somebody has changed its limits."""
        while True:
            await asyncio.sleep(_TICK)
            status = status_of(store, engine, self._settings)
            write_status(self._folder, status)
            if (most := read_limits(self._folder)) is not None:
                engine.limit_open(most)
            if self._on_progress is not None:
                self._on_progress(status)
