"""The settler: asks the gateway what answers really cost that were stopped, cut off or orphaned."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, cast

from raptscallions_ai import AiError
from raptscallions_ai.errors import NotSupportedError
from raptscallions_chat.domain.commands import Generation
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.store.database import utc_now

if TYPE_CHECKING:
    from datetime import datetime

    from raptscallions_ai import ChatClient
    from raptscallions_ai.account import GenerationInfo
    from raptscallions_chat.protocols import Clients
    from raptscallions_chat.runs.metrics import RunMetrics
    from raptscallions_chat.store.settling import Unsettled
    from raptscallions_chat.store.sql_store import SqlStore

__all__ = ["Settler"]

_log = logging.getLogger("raptscallions_chat")
_PAUSE = 2.0  # seconds between looks at the store while nothing wakes the settler
_LEASE = 30.0
_LONGEST = 20.0
_GIVES_UP = timedelta(hours=24)
_AT_ONCE = 20


class _Books(Protocol):
    async def generation(self, generation_id: str, *, patience: float = 15.0) -> GenerationInfo: ...


class Settler:
    """Looks for unsettled runs for ever; any number of workers may do so side by side."""

    def __init__(self, store: SqlStore, clients: Clients, metrics: RunMetrics) -> None:
        self._store = store
        self._clients = clients
        self._metrics = metrics
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    async def run(self) -> None:
        """Settle for ever."""
        while True:
            try:
                async with asyncio.timeout(_PAUSE):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self.settle_due()
            except ChatError as error:
                _log.warning("could not settle costs: %s", error.code)

    async def settle_due(self) -> int:
        """Settle what is due now, and return how many runs were looked at."""
        due = await self._store.take_unsettled(_AT_ONCE, _LEASE)
        await asyncio.gather(*map(self._settle, due))
        return len(due)

    async def _settle(self, unsettled: Unsettled) -> None:
        run = unsettled.run
        told: list[Generation] = []
        again = False
        try:
            lease = await self._clients.lease(run.tenant_id, run.model)
        except ChatError:
            await self._later(unsettled)
            return
        try:
            books = _books(lease.client)
            for number, generation_id in unsettled.generations.items():
                if books is None or generation_id is None:
                    continue
                try:
                    info = await books.generation(generation_id, patience=0.0)
                except NotSupportedError:
                    continue
                except AiError as error:
                    _log.info("the cost of run %s is not known yet: %s", run.id, type(error).__name__)
                    again = True
                else:
                    told.append(_generation(number, info))
        finally:
            await lease.release()
        if again and (run.ended_at is None or utc_now() - run.ended_at < _GIVES_UP):
            await self._store.settle(run.id, told, again_at=_next(unsettled))
        else:
            await self._store.settle(run.id, told, again_at=None)
            await self._store.give_up(run.id)

    async def _later(self, unsettled: Unsettled) -> None:
        await self._store.settle(unsettled.run.id, [], again_at=_next(unsettled))


def _next(unsettled: Unsettled) -> datetime:
    return utc_now() + timedelta(seconds=min(0.5 * 2 ** min(unsettled.tries, 10), _LONGEST))


def _books(client: ChatClient) -> _Books | None:
    """Return what can ask for the books of a gateway: the client, or the one that it wraps."""
    candidate: object = client
    while candidate is not None:
        if callable(getattr(candidate, "generation", None)):
            return cast("_Books", candidate)
        candidate = getattr(candidate, "inner", None)
    return None


def _generation(number: int, info: GenerationInfo) -> Generation:
    usage = info.usage
    return Generation(
        number=number,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cached_tokens=usage.cached_tokens,
        cost=usage.cost,
        cost_source=usage.cost_source,
        final=True,
    )
