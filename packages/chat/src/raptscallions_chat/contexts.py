"""How much of a conversation a model is told: whole turns that fit its context, and a summary of those before them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from raptscallions_ai import AiError
from raptscallions_ai.prices import estimate_tokens
from raptscallions_chat.domain.context import first_that_fits, to_wire
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.text import clean
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import summaries
from raptscallions_chat.tenants.cache import ShortCache

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_chat.domain.records import Message, Run
    from raptscallions_chat.protocols import Clients
    from raptscallions_chat.store.database import Database

__all__ = ["Contexts"]

_log = logging.getLogger("raptscallions_chat")
_SURELY_FITS = 1500  # characters; no model has a window so small
_CATALOGUE_PATIENCE = 2.0
_PART_TOKENS = 1000  # about what a picture has
_LONGEST_ANSWER = 4096
_MOST_CHARACTERS = 100_000
_MOST_OF_A_MESSAGE = 8000
_SUM_UP = (
    "Sum up the conversation below in its own language, in at most 300 words: what the user wants, what was found out "
    "and agreed, names and figures. It takes the place of the conversation, so leave out nothing that later answers "
    "need. Answer with the summary only."
)


class Contexts:
    """What models are told of conversations.

    Messages stay as they are; a summary stands beside them, and is for models only.

    Args:
        database: Where summaries are.
        clients: Who tells how large a model's context is, and who sums up.
        tokens: The largest context; 0 for the model's own, as the gateway's catalogue tells it.
        summary_model: The model that sums up what no longer fits; None for none.
    """

    def __init__(self, database: Database, clients: Clients, *, tokens: int, summary_model: str | None) -> None:
        self._database = database
        self._clients = clients
        self._tokens = tokens
        self._summary_model = summary_model
        self._windows: ShortCache[int | None] = ShortCache(seconds=600.0)
        self._left_out: dict[str, Sequence[Message]] = {}

    async def told(self, run: Run, path: Sequence[Message], besides: str = "") -> list[Mapping[str, object]]:
        """Return the end of a path that fits, as the client takes it.

        Args:
            run: The run that asks.
            path: The messages, the one that is answered last.
            besides: What the model is told besides.
        """
        if sum(len(message.text) + _PART_TOKENS * _parts(message) for message in path) + len(besides) < _SURELY_FITS:
            return to_wire(path)
        window = self._tokens or await self._window(run)
        if window is None:
            return to_wire(path)
        longest = run.options.get("max_tokens")
        room = window - (longest if isinstance(longest, int) else min(_LONGEST_ANSWER, window // 4)) - _tokens(besides)
        first = first_that_fits(path, room, _size)
        if not first:
            return to_wire(path)
        before, place = await self._newest(run.conversation_id, path[:first])
        if self._summary_model is not None and place < first - 1:
            self._left_out[run.id] = path[:first]
        summary = [] if before is None else [{"role": "system", "content": f"What was said before this: {before}"}]
        return [*summary, *to_wire(path[first:])]

    def after(self, run: Run) -> Coroutine[Any, Any, None] | None:
        """Return what is to be done after a run: to sum up what it was not told."""
        left_out = self._left_out.pop(run.id, None)
        if left_out is None or self._summary_model is None or run.status != "completed":
            return None
        return self._sum_up(run, left_out, self._summary_model)

    async def _window(self, run: Run) -> int | None:
        """Return a model's context as the gateway tells it; None if it tells nothing, or takes long."""

        async def look_up() -> int | None:
            lease = await self._clients.lease(run.tenant_id, run.model)
            try:
                client: Any = lease.client
                if not hasattr(client, "models"):
                    return None
                wanted = client.resolve_model(run.model)
                return next((model.context_length for model in await client.models() if model.id == wanted), None)
            finally:
                await lease.release()

        try:
            async with asyncio.timeout(_CATALOGUE_PATIENCE):
                return await self._windows.get(f"{run.tenant_id} {run.model}", look_up)
        except (AiError, ChatError, TimeoutError) as error:
            _log.info("the context of a model is not known: %s", type(error).__name__)
            return None

    async def _newest(self, conversation_id: str, path: Sequence[Message]) -> tuple[str | None, int]:
        """Return the summary of the longest part of a path, and the place of the last message that it stands for."""
        places = {message.id: place for place, message in enumerate(path)}

        async def work(connection: AsyncConnection) -> list[tuple[int, str]]:
            columns = summaries.c
            query = select(columns.upto_message_id, columns.text).where(columns.conversation_id == conversation_id)
            rows = await connection.execute(query)
            return [(places[row.upto_message_id], row.text) for row in rows if row.upto_message_id in places]

        found = await self._database.reading(work)
        place, text = max(found, default=(-1, None))
        return text, place

    async def _sum_up(self, run: Run, path: Sequence[Message], model: str) -> None:
        before, place = await self._newest(run.conversation_id, path)
        said = [f"Before this: {before}"] if before is not None else []
        said += [f"{message.role}: {message.text[:_MOST_OF_A_MESSAGE]}" for message in path[place + 1 :]]
        asked = [
            {"role": "system", "content": _SUM_UP},
            {"role": "user", "content": "\n\n".join(said)[-_MOST_CHARACTERS:]},
        ]
        lease = await self._clients.lease(run.tenant_id, model)
        try:
            answer = await lease.client.chat(asked, model=model, max_tokens=1000, require_usage=False)
        except (AiError, ChatError) as error:
            _log.info("conversation %s was not summed up: %s", run.conversation_id, type(error).__name__)
            return
        finally:
            await lease.release()
        row = {
            "id": new_id(),
            "tenant_id": run.tenant_id,
            "conversation_id": run.conversation_id,
            "upto_message_id": path[-1].id,
            "text": clean(answer.content).strip(),
            "model": model,
            "created_at": utc_now(),
        }
        insert = (sqlite if self._database.is_sqlite else postgresql).insert(summaries).on_conflict_do_nothing()
        if row["text"]:
            await self._database.writing(lambda connection: connection.execute(insert, row))


def _size(messages: Sequence[Message]) -> int:
    return sum(_tokens(_text(message)) + _PART_TOKENS * _parts(message) for message in messages)


def _tokens(text: str) -> int:
    return estimate_tokens(text).tokens if text else 0


def _parts(message: Message) -> int:
    """Return how many parts a message has whose size its text does not show."""
    return sum(1 for part in message.parts or () if part["type"] not in ("text", "reasoning", "tool_call"))


def _text(message: Message) -> str:
    """Return everything of a message that is text for a model: calls of functions and their results, too."""
    calls = [part for part in message.parts or () if part["type"] == "tool_call"]
    told = [str(call.get(name, "")) for call in calls for name in ("arguments", "result", "error")]
    return "\n".join([message.text, *told])
