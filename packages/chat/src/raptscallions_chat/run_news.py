"""What follows the beginning and the end of a run: the user's pages are told, and a conversation gets its name."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from raptscallions_ai import AiError
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.text import clean
from raptscallions_chat.domain.titles import clean_title
from raptscallions_chat.store.schema import conversations, messages

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from raptscallions_chat.contexts import Contexts
    from raptscallions_chat.domain.records import Run
    from raptscallions_chat.protocols import Clients
    from raptscallions_chat.store.database import Database
    from raptscallions_chat.user_events import UserEvents

__all__ = ["RunNews"]

_log = logging.getLogger("raptscallions_chat")
_EXCERPT = 2000
_INSTRUCTION = (
    "Name the conversation below in its own language, in two to six words, without quotation marks and without a full "
    "stop at the end. Answer with the name only."
)


class RunNews:
    """Tells what runs do, and lets a model name conversations. Nothing here delays a run or makes it fail.

    Args:
        database: Where conversations are.
        clients: Who is asked for names.
        events: Where it is told.
        title_model: The model that gives names; None for none.
        contexts: Sums up what runs were not told.
    """

    def __init__(
        self, database: Database, clients: Clients, events: UserEvents, title_model: str | None, contexts: Contexts
    ) -> None:
        self._database = database
        self._clients = clients
        self._events = events
        self._title_model = title_model
        self._contexts = contexts
        self._tasks: set[asyncio.Task[None]] = set()

    def on_begin(self, run: Run) -> None:
        """Tell that a run has begun."""
        self._soon(self._tell(run, "run_started", run_id=run.id, status=run.status))

    def on_end(self, run: Run) -> None:
        """Tell that a run is over, and name its conversation if that is due."""
        self._soon(self._tell(run, "run_ended", run_id=run.id, status=run.status))
        if run.status == "completed" and self._title_model is not None:
            self._soon(self._name(run, self._title_model))
        if (summing_up := self._contexts.after(run)) is not None:
            self._soon(summing_up)

    async def aclose(self) -> None:
        """Leave off what is being done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("what follows a run failed: %s", type(error).__name__)

    async def _tell(self, run: Run, kind: str, **fields: Any) -> None:
        await self._events.tell(
            run.tenant_id,
            run.user_id,
            kind,
            conversation_id=run.conversation_id,
            answer_id=run.answer_message_id,
            **fields,
        )

    async def _name(self, run: Run, model: str) -> None:
        """Put a model's name in the place of the first words, unless the user has chosen one meanwhile."""
        chosen = (conversations.c.id == run.conversation_id, conversations.c.title_source == "first_words")
        both = messages.c.id.in_([run.user_message_id, run.answer_message_id])
        async with self._database.read() as connection:
            if (await connection.execute(select(conversations.c.id).where(*chosen))).one_or_none() is None:
                return
            said = (await connection.execute(select(messages.c.role, messages.c.text).where(both))).all()
        told = "\n\n".join(f"{row.role}: {row.text[:_EXCERPT]}" for row in sorted(said, reverse=True))
        lease = await self._clients.lease(run.tenant_id, model)
        try:
            asked = [{"role": "system", "content": _INSTRUCTION}, {"role": "user", "content": told}]
            answer = await lease.client.chat(asked, model=model, max_tokens=200, require_usage=False)
        except (AiError, ChatError) as error:
            _log.info("conversation %s was not named: %s", run.conversation_id, type(error).__name__)
            return
        finally:
            await lease.release()
        title = clean(clean_title(answer.content))
        if not title:
            return
        change = update(conversations).values(title=title, title_source="model", version=conversations.c.version + 1)
        async with self._database.write() as connection:
            if not (await connection.execute(change.where(*chosen))).rowcount:
                return
        await self._tell(run, "title", title=title)
