"""`SyncBatching`: batches for code that is not asynchronous."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from raptscallions_ai.sync.loop_thread import shared_loop_thread
from raptscallions_ai.sync.stream import SyncIterator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.client.batching import BatchAnswer, Batching, BatchRequest
    from raptscallions_ai.gateway_api.batches import Batch

__all__ = ["SyncBatching"]


class SyncBatching(ABC):
    """The part of a synchronous client that hands over batches; see `Batching`."""

    @property
    @abstractmethod
    def _batching(self) -> Batching: ...

    def submit_batch(
        self,
        requests: Sequence[BatchRequest],
        *,
        model: str | None = None,
        response_model: Any = None,
        label: str = "",
    ) -> Batch:
        """Hand a batch over, and return it as it is then; see `Batching.submit_batch`."""
        work = self._batching.submit_batch(requests, model=model, response_model=response_model, label=label)
        del requests  # a traceback with local variables must not show the conversations
        return shared_loop_thread().run(work)

    def batch(self, batch_id: str) -> Batch | None:
        """Return how a batch is; None if the host knows none of that id."""
        return shared_loop_thread().run(self._batching.batch(batch_id))

    def batches(self) -> list[Batch]:
        """Return the batches of this key, the newest first."""
        return shared_loop_thread().run(self._batching.batches())

    def batch_answers(self, batch: Batch, *, response_model: Any = None) -> SyncIterator[BatchAnswer]:
        """Yield what became of the requests of a batch that is over, in any order; see `Batching.batch_answers`."""
        return SyncIterator(self._batching.batch_answers(batch, response_model=response_model), shared_loop_thread())

    @property
    def batch_limits(self) -> tuple[int, int]:
        """The most requests, and the most bytes, of a batch."""
        return self._batching.batch_limits

    def batch_model(self, model: str | None = None) -> str:
        """Return the name by which a model is asked in batches."""
        return self._batching.batch_model(model)
