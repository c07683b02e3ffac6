"""`BudgetedClient`: a chat client that stays within a `Budget`."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from raptscallions_ai.answer.chunks import DoneChunk
from raptscallions_ai.errors import AiError
from raptscallions_ai.wrappers.base import WrappedClient
from raptscallions_ai.wrappers.billed import priced, used_by
from raptscallions_ai.wrappers.budget import Amount
from raptscallions_ai.wrappers.estimate import answer_tokens, prompt_tokens
from raptscallions_ai.wrappers.source import AroundSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult, Usage
    from raptscallions_ai.answer.stream import ChunkSource
    from raptscallions_ai.client.base import ChatClient
    from raptscallions_ai.wrappers.budget import Budget
    from raptscallions_ai.wrappers.call import ChatCall
    from raptscallions_ai.wrappers.shared_budget import SharedBudget

__all__ = ["BudgetedClient"]


class BudgetedClient(WrappedClient):
    """A chat client that refuses calls when a budget is used up, and stops answers that exceed it.

    An answer is stopped after the chunk that exceeds the budget: reading on raises a `BudgetExceededError`
    with what had arrived in `partial`, and the connection is closed. The amount is an estimate; what the gateway
    bills may be a little more or less. An answer that is not streamed cannot be stopped, so its `max_tokens`
    are reserved at once.

    Args:
        inner: The client to wrap.
        budget: The budget of the calls.

    Attributes:
        budget: The same.
    """

    def __init__(self, inner: ChatClient, budget: Budget | SharedBudget) -> None:
        super().__init__(inner)
        self.budget = budget

    def source(self, call: ChatCall) -> ChunkSource:
        """Return the source of a call's chunks."""
        tokens = prompt_tokens(call)
        model = self.resolve_model(call.model)
        answer = 0
        if not call.stream or self.budget.reserves_answers:
            answer = call.options.get("max_completion_tokens") or call.options.get("max_tokens") or 0
        return _BudgetedCall(self.ask(call), self.budget, model, tokens, answer)


class _BudgetedCall(AroundSource):
    def __init__(
        self, inner: ChunkSource, budget: Budget | SharedBudget, model: str | None, prompt: int, answer: int
    ) -> None:
        super().__init__(inner)
        self._budget, self._model = budget, model
        info = budget.prices.find(model)
        prices = (info.prompt_price, info.completion_price) if info is not None else (None, None)
        self._prompt_price, self._answer_price = prices[0] or Decimal(0), prices[1] or Decimal(0)
        cost = prompt * self._prompt_price + answer * self._answer_price
        self._reserved = Amount(cost, prompt + answer, 1)
        self._ahead = answer  # tokens of the answer that are set aside already
        self._spent: Amount | None = None

    async def begin(self) -> None:
        await self._budget.admit(self._reserved)

    def received(self, chunks: Sequence[StreamChunk]) -> Sequence[StreamChunk]:
        # A complete answer is paid for, and stopping it would save nothing.
        if type(chunks[-1]) is not DoneChunk and (tokens := self._beyond(answer_tokens(chunks))):
            grown = Amount(tokens * self._answer_price, tokens)
            self._reserved = self._reserved.plus(grown)
            if (error := self._budget.grow(grown)) is not None:
                self.stop_with(error)
        return chunks

    def _beyond(self, tokens: int) -> int:
        """Return how many tokens go beyond what is set aside."""
        covered = min(tokens, self._ahead)
        self._ahead -= covered
        return tokens - covered

    def ended(self, result: ChatResult | None, error: BaseException | None) -> None:
        partial = self.partial()
        usage = used_by(result, error, partial)
        if usage is not None:
            self._spent = self._counted(priced(usage, self._budget.prices, (result or partial).model, self._model))
        else:
            self._spent = Amount(requests=int(_was_sent(error)))
        self._budget.book(self._spent, reserved=self._reserved)

    async def settle(self) -> Usage:
        usage = await super().settle()
        if self._spent is not None and (cost := usage.spend) is not None and usage.cost_source != "unknown":
            settled = Amount(max(Decimal(0), cost), max(0, usage.total_tokens), 1)
            self._budget.book(settled.minus(self._spent), reserved=Amount())
            self._spent = settled
        return usage

    def _counted(self, usage: Usage) -> Amount:
        """Return what counts: the reported figures, and an estimate for what was not reported."""
        spend = usage.spend
        if spend is None or usage.cost_source == "unknown":
            spend = max(self._reserved.cost, spend or Decimal(0))
        # An impossible amount would wipe the budget.
        tokens = max(0, usage.total_tokens) if usage.reported else self._reserved.tokens
        return Amount(max(Decimal(0), spend), tokens, 1)


def _was_sent(error: BaseException | None) -> bool:
    """Whether a call that cost nothing reached the gateway, as far as its attempts tell."""
    return isinstance(error, AiError) and bool(error.attempts)
