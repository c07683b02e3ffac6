"""Whatever workers and users do, and in whatever order, the store keeps what was promised."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
import pytest
from chat_databases import Migrated
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from sqlalchemy import RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from raptscallions_chat.domain.answer import Answer
from raptscallions_chat.domain.commands import Generation, RunEnd, Send
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.events import event_of, line_of
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.principal import ROOT_TENANT, Principal
from raptscallions_chat.domain.records import Run
from raptscallions_chat.domain.run_ends import end_events
from raptscallions_chat.domain.statuses import ENDS
from raptscallions_chat.store.database import Database
from raptscallions_chat.store.rows import message_of, run_of
from raptscallions_chat.store.schema import answer_pieces, messages, runs
from raptscallions_chat.store.sql_store import SqlStore

T = TypeVar("T")
ANN = Principal(ROOT_TENANT, "ann")
FOLDER = tempfile.TemporaryDirectory()
MIGRATED = Migrated(Path(FOLDER.name))
POLICIES = st.sampled_from(["reject", "enqueue", "interrupt", "merge"])


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


class Worker:
    """A process as the store sees it, and what its readers have seen: of runs that it has, or had."""

    def __init__(self) -> None:
        self.id = new_id()
        self.is_alive = True
        self.runs: dict[str, Run] = {}
        self.seq: dict[str, int] = {}


class Runs(RuleBasedStateMachine):
    """One conversation, its users and their workers."""

    workers: Bundle[Worker] = Bundle("workers")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.shown: dict[str, str] = {}  # by answer
        self.ended: dict[str, Run] = {}
        self.sent = 0

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def attempt(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Do what the store may refuse, but only with a reason that it knows."""
        try:
            return self.do(work)
        except ChatError as error:
            assert error.code in ("run_active", "queue_full", "nothing_to_continue", "stale_parent"), error
            return None

    @initialize(target=workers)
    def begin(self) -> Any:
        self.path = Path(FOLDER.name) / f"{new_id()}.db"
        self.database = Database(self.do(MIGRATED.sqlite(self.path)), pool_size=1)
        self.store = SqlStore(self.database)
        made = self.do(self.store.create_conversation(ANN, title=None, tool_id=None, model=None)).result
        assert made is not None
        self.conversation = made.id
        return multiple(self.start(), self.start())

    def start(self) -> Worker:
        worker = Worker()
        self.do(self.store.register_worker(worker.id, "host", 1000.0))
        return worker

    def take(self, worker: Worker, run: Run) -> None:
        assert run.owner == worker.id
        worker.runs[run.id], worker.seq[run.id] = run, 2

    @rule(worker=workers, on_busy=POLICIES, has_room=st.booleans())
    def send(self, worker: Worker, on_busy: Any, has_room: bool) -> None:
        claimant = worker.id if has_room and worker.is_alive else None
        command = Send(
            principal=ANN,
            conversation_id=self.conversation,
            text="Hi",
            on_busy=on_busy,
            worker_id=claimant,
            queue_depth=2,
        )
        outcome = self.attempt(self.store.send(command))
        if outcome is None or outcome.result is None:
            return
        self.sent += 1
        if outcome.result.run.status == "running":
            self.take(worker, outcome.result.run)

    @rule(worker=workers)
    def claim(self, worker: Worker) -> None:
        if worker.is_alive:
            for run in self.do(self.store.claim_runs(worker.id, 2)):
                self.take(worker, run)

    @rule(worker=workers, text=st.text("ab ", min_size=1, max_size=4))
    def write(self, worker: Worker, text: str) -> None:
        """Store a piece of each run, and show it to readers unless it is refused. The dead try that, too."""
        for run in list(worker.runs.values()):
            seq = worker.seq[run.id] + 1
            piece = (run.id, run.attempt, seq, line_of({"type": "content", "content": text}))
            begun = [(run, Generation(number=1, generation_id="g"))] if seq == 3 else []
            refused = self.do(self.store.append_pieces(worker.id, [piece], begun))
            if run.id in refused:
                del worker.runs[run.id]
            else:
                assert worker.is_alive
                worker.seq[run.id] = seq
                self.shown[run.id] = self.shown.get(run.id, "") + text

    @rule(worker=workers, status=st.sampled_from(["completed", "failed", "stopped"]))
    def finish(self, worker: Worker, status: Any) -> None:
        for run in list(worker.runs.values()):
            text = self.shown.get(run.id, "")
            known = replace(run, status=status, error={"type": "x"} if status == "failed" else None)
            events = end_events(known)
            seq = worker.seq[run.id] + len(events)
            end = RunEnd(
                status=status, last_seq=seq, text=text, parts=None, piece=(seq, "\n".join(map(line_of, events)))
            )
            if self.do(self.store.finish_run(run, end)):
                assert worker.is_alive
            del worker.runs[run.id]

    @rule(worker=workers)
    def die(self, worker: Worker) -> None:
        worker.is_alive = False
        self.do(self.store.leave(worker.id))
        for run in self.do(self.store.find_orphans()):
            self.do(self.store.interrupt_orphan(run))

    @rule(target=workers)
    def start_another(self) -> Worker:
        return self.start()

    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        if found := self.all_runs():
            self.do(self.store.request_stop(ANN, data.draw(st.sampled_from(found)).id, "user"))

    @rule(data=st.data(), worker=workers, again=st.booleans())
    def go_on(self, data: st.DataObject, worker: Worker, again: bool) -> None:
        claimant = worker.id if worker.is_alive else None
        options: dict[str, Any] = {"model": None, "options": None, "worker_id": claimant}
        found = self.all_runs()
        if not found:
            return
        run = data.draw(st.sampled_from(found))
        if again:
            outcome = self.attempt(self.store.regenerate(ANN, run.answer_message_id, **options))
        else:
            outcome = self.attempt(self.store.continue_run(ANN, run.id, **options))
        if outcome is not None and outcome.result is not None and claimant is not None:
            self.take(worker, outcome.result.run)

    def rows(self, query: Select[Any]) -> list[RowMapping]:
        async def work(connection: AsyncConnection) -> list[RowMapping]:
            return list((await connection.execute(query)).mappings())

        return self.do(self.database.reading(work))

    def all_runs(self) -> list[Run]:
        return [run_of(row) for row in self.rows(select(runs).order_by(runs.c.id))]

    @invariant()
    def what_was_promised_holds(self) -> None:
        if not hasattr(self, "conversation"):
            return
        said = {row["id"]: message_of(row) for row in self.rows(select(messages))}
        assert sum(message.role == "user" for message in said.values()) == self.sent
        assert len({message.seq for message in said.values()}) == len(said)
        stored: dict[str, Answer] = {}
        for row in self.rows(select(answer_pieces).order_by(answer_pieces.c.run_id, answer_pieces.c.seq_to)):
            stored.setdefault(row["run_id"], Answer()).add_all(map(event_of, row["events"].split("\n")))
        found = self.all_runs()
        assert sum(run.status == "running" for run in found) <= 1
        for run in found:
            answer = said[run.answer_message_id]
            if answer.run_id == run.id:
                assert (answer.status == "streaming") == (run.status not in ENDS)
            if run.status in ENDS:
                assert self.ended.setdefault(run.id, run) == run
            assert stored.get(run.id, Answer()).text == self.shown.get(run.id, "")

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.do(self.database.aclose())
            for file in self.path.parent.glob(f"{self.path.name}*"):
                file.unlink()
        self.loop.close()


TestRuns = Runs.TestCase
TestRuns.settings = settings(max_examples=5, stateful_step_count=20, deadline=None, suppress_health_check=SLOW)


@pytest.mark.long
class TestManyRuns(Runs.TestCase):
    """The same, until it takes minutes."""

    settings = settings(max_examples=1000, stateful_step_count=60, deadline=None, suppress_health_check=SLOW)
