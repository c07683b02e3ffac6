"""Conditions for `run_tools(stop_when=...)`, under the names that OpenRouter gives them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raptscallions_ai.answer.run_events import StoppedBy
    from raptscallions_ai.tool_runs.run import StopCondition, ToolRun

__all__ = ["has_tool_call", "max_cost", "max_tokens_used"]


def max_tokens_used(tokens: int) -> StopCondition:
    """Stop when the run has used this many tokens, requests and answers together.

    It is checked between steps, so the step that exceeds it is still paid for.
    """
    if tokens < 1:
        raise ValueError("max_tokens_used must be at least 1")

    def condition(run: ToolRun) -> StoppedBy | bool:
        return run.usage.total_tokens >= tokens and "max_tokens_used"

    return condition


def max_cost(dollars: Decimal | float | str) -> StopCondition:
    """Stop when the run has cost this much in USD, as the gateway reports it, including your own provider keys.

    It is checked between steps, so the step that exceeds it is still paid for. A gateway that reports no
    cost never reaches it; use `max_tokens_used` there.
    """
    limit = Decimal(str(dollars))
    if not limit > 0:
        raise ValueError("max_cost must be more than 0")

    def condition(run: ToolRun) -> StoppedBy | bool:
        return (run.usage.spend or 0) >= limit and "max_cost"

    return condition


def has_tool_call(name: str) -> StopCondition:
    """Stop when the model has called the tool of this name, after it ran."""

    def condition(run: ToolRun) -> StoppedBy | bool:
        return any(call.name == name for call in run.steps[-1].tool_calls) and "has_tool_call"

    return condition
