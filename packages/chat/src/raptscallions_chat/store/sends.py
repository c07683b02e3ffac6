"""Sends: a message, its empty answer, the run and the new head, stored together or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from raptscallions_chat.domain.commands import Known, Sent
from raptscallions_chat.domain.context import MOST_MESSAGES
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.tree import UNSET, place
from raptscallions_chat.store.approvals import is_decided
from raptscallions_chat.store.conversations import find_conversation
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.ends import stop_queued
from raptscallions_chat.store.messages import find_message, path_to
from raptscallions_chat.store.replies import once
from raptscallions_chat.store.rows import message_of, run_of
from raptscallions_chat.store.schema import conversations, messages, runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_chat.domain.commands import Guard, Idempotent, Outcome, Send
    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.domain.records import Conversation, Run
    from raptscallions_chat.store.database import Database

__all__ = ["SendStore"]

# Built once, because that takes longer than to execute them.
_BUSY = (
    select(runs)
    .where(runs.c.conversation_id == bindparam("of"), runs.c.status.in_(["queued", "running"]))
    .order_by(runs.c.queued_at, runs.c.id)
)
_TOUCH = update(conversations).where(conversations.c.id == bindparam("touched"))


@dataclass(slots=True)
class _Busy:
    """The runs of a conversation that are not over."""

    running: Run | None
    queued: list[Run]

    @property
    def newest(self) -> Run | None:
        return self.queued[-1] if self.queued else self.running


class SendStore:
    """What begins a run: a send, a continue, a regenerate."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def send(self, command: Send, request: Idempotent[Sent] | None = None) -> Outcome[Sent]:
        """Store a message and the run that answers it.

        Raises:
            ChatError: `not_found`, `conversation_completed`, `unknown_parent`, `stale_parent`, `run_active`,
                `queue_full`, or `idempotency_mismatch`.
        """
        return await once(self._database, request, lambda connection: _send(connection, command))

    async def continue_run(
        self,
        principal: Principal,
        run_id: str,
        *,
        model: str | None,
        options: dict[str, Any] | None,
        worker_id: str | None,
        request: Idempotent[Sent] | None = None,
        guards: Sequence[Guard] = (),
    ) -> Outcome[Sent]:
        """Store a run that goes on in the answer of one that broke off.

        Raises:
            ChatError: `not_found`, `run_active`, `nothing_to_continue`, or `stale_parent`.
        """

        async def work(connection: AsyncConnection) -> Sent:
            old = await _find_run(connection, principal, run_id)
            conversation = await _open_conversation(connection, principal, old.conversation_id, guards)
            _refuse_if_busy(await _busy(connection, conversation.id))
            answer = await find_message(connection, principal, old.answer_message_id)
            if answer["status"] in ("complete", "blocked") and not await is_decided(connection, run_id):
                raise ChatError("nothing_to_continue", "The answer is complete.", details={"run_id": run_id})
            if conversation.head_id != answer["id"]:
                raise _stale(conversation)
            asked = await find_message(connection, principal, answer["parent_id"])
            now = utc_now()
            run = _new_run(conversation, now, kind="continue", follows=old, worker_id=worker_id)
            run |= {"user_message_id": asked["id"], "answer_message_id": answer["id"]}
            run |= {"model": model or old.model, "options": old.options if options is None else options}
            changes = {"status": "streaming", "run_id": run["id"], "completed_at": None, "finish_reason": None}
            await connection.execute(insert(runs), run)
            await connection.execute(update(messages).where(messages.c.id == answer["id"]).values(changes))
            await _touch(connection, conversation, now, {})
            return Sent(message=message_of(asked), answer=message_of({**answer, **changes}), run=run_of(run))

        return await once(self._database, request, work)

    async def regenerate(
        self,
        principal: Principal,
        message_id: str,
        *,
        model: str | None,
        options: dict[str, Any] | None,
        worker_id: str | None,
        request: Idempotent[Sent] | None = None,
        guards: Sequence[Guard] = (),
    ) -> Outcome[Sent]:
        """Store a run that writes another answer beside one; `message_id` is the answer, or what it answers.

        Raises:
            ChatError: `not_found`, or `run_active`.
        """

        async def work(connection: AsyncConnection) -> Sent:
            named = await find_message(connection, principal, message_id)
            conversation = await _open_conversation(connection, principal, named["conversation_id"], guards)
            _refuse_if_busy(await _busy(connection, conversation.id))
            asked = named if named["role"] == "user" else await _asked(connection, principal, named)
            old = None if named["run_id"] is None else await _find_run(connection, principal, named["run_id"])
            now = utc_now()
            run = _new_run(conversation, now, kind="regenerate", follows=old, worker_id=worker_id)
            answer = _new_message(conversation, now, conversation.last_seq + 1, asked["id"], "assistant", run["id"])
            run |= {"user_message_id": asked["id"], "answer_message_id": answer["id"]}
            before = old.options if old is not None else {}
            run |= {"model": model or conversation.model, "options": before if options is None else options}
            await connection.execute(insert(messages), answer)
            await connection.execute(insert(runs), run)
            changes = {"head_id": answer["id"], "last_seq": answer["seq"]}
            await _touch(connection, conversation, now, changes)
            return Sent(message=message_of(asked), answer=message_of(answer), run=run_of(run))

        return await once(self._database, request, work)


async def _send(connection: AsyncConnection, command: Send) -> Sent:
    conversation = await _open_conversation(connection, command.principal, command.conversation_id, command.guards)
    busy = await _busy(connection, conversation.id)
    parent_id = await _parent(connection, command, conversation, busy)
    if busy.newest is not None and command.on_busy == "merge" and busy.queued:
        return await _merge(connection, command, conversation, busy.queued[-1])
    if busy.newest is not None and command.on_busy in ("enqueue", "merge"):
        _refuse_if_full(command, busy)
    stopped: list[str] = []
    to_stop: list[str] = []
    if command.on_busy == "interrupt" and busy.newest is not None:
        stopped = await stop_queued(connection, busy.queued, "interrupt")
        if busy.running is not None:
            to_stop = [busy.running.id]
            await _ask_to_stop(connection, busy.running)
    now = utc_now()
    worker_id = None if busy.running is not None else command.worker_id
    run = _new_run(conversation, now, kind="answer", follows=None, worker_id=worker_id)
    run |= {"model": command.model or conversation.model, "options": command.options}
    seq = conversation.last_seq
    message = _new_message(conversation, now, seq + 1, parent_id, "user", run["id"])
    message |= {"text": command.text, "parts": command.parts}
    answer = _new_message(conversation, now, seq + 2, message["id"], "assistant", run["id"])
    run |= {"user_message_id": message["id"], "answer_message_id": answer["id"]}
    await connection.execute(insert(messages), [message, answer])
    await connection.execute(insert(runs), run)
    changes: dict[str, Any] = {"head_id": answer["id"], "last_seq": seq + 2}
    title = command.title if conversation.title is None else None
    if title:
        changes |= {"title": title, "title_source": "first_words"}
    await _touch(connection, conversation, now, changes)
    sent = Sent(
        message=message_of(message),
        answer=message_of(answer),
        run=run_of(run),
        title=title or None,
        to_stop=tuple(to_stop),
        stopped=tuple(stopped),
    )
    if worker_id is None:
        return sent
    rows = [] if parent_id is None else await path_to(connection, parent_id, MOST_MESSAGES)
    return replace(sent, known=Known([*map(message_of, rows), sent.message], sent.answer, conversation.tool_id))


async def _parent(connection: AsyncConnection, command: Send, conversation: Conversation, busy: _Busy) -> str | None:
    """Return the message that the new one follows; refuses one that has no place."""
    named = command.parent_id
    is_known = True
    if named != UNSET and named is not None and named != conversation.head_id:
        where = (messages.c.id == named, messages.c.conversation_id == conversation.id)
        is_known = (await connection.execute(select(messages.c.id).where(*where))).one_or_none() is not None
    spot = place(head_id=conversation.head_id, parent_id=named, branch=command.branch, is_known=is_known)
    if spot.problem == "unknown_parent":
        raise ChatError("unknown_parent", "`parent_id` is no message of this conversation.")
    if command.on_busy == "reject":
        _refuse_if_busy(busy)
    if spot.problem == "stale_parent":
        raise _stale(conversation)
    return spot.parent_id


async def _merge(connection: AsyncConnection, command: Send, conversation: Conversation, queued: Run) -> Sent:
    """Put a message between those that a queued run answers and its answer."""
    now, seq = utc_now(), conversation.last_seq
    message = _new_message(conversation, now, seq + 1, queued.user_message_id, "user", queued.id)
    message |= {"text": command.text, "parts": command.parts}
    await connection.execute(insert(messages), message)
    moved = (
        update(messages)
        .where(messages.c.id == queued.answer_message_id)
        .values(parent_id=message["id"], seq=seq + 2)
        .returning(messages)
    )
    answer = (await connection.execute(moved)).mappings().one()
    changed = update(runs).where(runs.c.id == queued.id).values(user_message_id=message["id"]).returning(runs)
    run = (await connection.execute(changed)).mappings().one()
    await _touch(connection, conversation, now, {"last_seq": seq + 2})
    return Sent(message=message_of(message), answer=message_of(answer), run=run_of(run))


async def _open_conversation(
    connection: AsyncConnection, principal: Principal, conversation_id: str, guards: Sequence[Guard]
) -> Conversation:
    conversation = await find_conversation(connection, principal, conversation_id, lock=True)
    if conversation.state == "completed":
        raise ChatError("conversation_completed", "The conversation is completed; begin another one, or fork it.")
    for guard in guards:
        await guard(connection, conversation)
    return conversation


async def _busy(connection: AsyncConnection, conversation_id: str) -> _Busy:
    found = [run_of(row) for row in (await connection.execute(_BUSY, {"of": conversation_id})).mappings()]
    running = next((run for run in found if run.status == "running"), None)
    return _Busy(running, [run for run in found if run.status == "queued"])


def _refuse_if_busy(busy: _Busy) -> None:
    if (run := busy.running or busy.newest) is not None:
        details = {"run_id": run.id, "stream": f"/runs/{run.id}/events"}
        message = "An answer is being written; follow its stream, stop it, or send with `on_busy`."
        raise ChatError("run_active", message, details=details)


def _refuse_if_full(command: Send, busy: _Busy) -> None:
    if len(busy.queued) >= command.queue_depth:
        message = f"{len(busy.queued)} messages of this conversation wait for their answers already."
        raise ChatError("queue_full", message, details={"queued": len(busy.queued)}, retry_after=2.0)


def _stale(conversation: Conversation) -> ChatError:
    message = "The conversation has gone on since; read its new messages, or send with `branch`."
    return ChatError("stale_parent", message, details={"head_id": conversation.head_id})


async def _find_run(connection: AsyncConnection, principal: Principal, run_id: str) -> Run:
    where = (runs.c.id == run_id, runs.c.tenant_id == principal.tenant_id, runs.c.user_id == principal.user_id)
    row = (await connection.execute(select(runs).where(*where))).mappings().one_or_none()
    if row is None:
        raise ChatError("not_found", "There is no such run.")
    return run_of(row)


async def _asked(connection: AsyncConnection, principal: Principal, answer: RowMapping) -> RowMapping:
    if answer["parent_id"] is None:
        raise ChatError("nothing_to_continue", "This message answers none, so that it cannot be generated again.")
    return await find_message(connection, principal, answer["parent_id"])


async def _ask_to_stop(connection: AsyncConnection, run: Run) -> None:
    values = {"stop_requested_at": utc_now(), "stop_reason": "interrupt"}
    where = (runs.c.id == run.id, runs.c.status == "running", runs.c.stop_requested_at.is_(None))
    await connection.execute(update(runs).where(*where).values(values))


async def _touch(
    connection: AsyncConnection, conversation: Conversation, now: datetime, changes: dict[str, Any]
) -> None:
    values = {**changes, "last_activity_at": now, "version": conversation.version + 1}
    await connection.execute(_TOUCH, {"touched": conversation.id, **values})


def _new_message(
    conversation: Conversation, now: datetime, seq: int, parent_id: str | None, role: str, run_id: str
) -> dict[str, Any]:
    is_answer = role == "assistant"
    return {
        "id": new_id(),
        "tenant_id": conversation.tenant_id,
        "conversation_id": conversation.id,
        "parent_id": parent_id,
        "seq": seq,
        "role": role,
        "status": "streaming" if is_answer else "complete",
        "text": "",
        "parts": None,
        "model": None,
        "run_id": run_id,
        "finish_reason": None,
        "created_at": now,
        "completed_at": None if is_answer else now,
    }


def _new_run(
    conversation: Conversation, now: datetime, *, kind: str, follows: Run | None, worker_id: str | None
) -> dict[str, Any]:
    """Return the row of a run; with a worker it is claimed in the same transaction, and begins at once."""
    empty = ("error", "finish_reason", "first_token_at", "ended_at", "settled_at", "stop_requested_at", "stop_reason")
    return {
        **dict.fromkeys(empty),
        "id": new_id(),
        "tenant_id": conversation.tenant_id,
        "user_id": conversation.user_id,
        "conversation_id": conversation.id,
        "kind": kind,
        "follows_run_id": None if follows is None else follows.id,
        "status": "queued" if worker_id is None else "running",
        "attempt": 0 if worker_id is None else 1,
        "owner": worker_id,
        "last_seq": 0,
        "queued_at": now,
        "started_at": None if worker_id is None else now,
    }
