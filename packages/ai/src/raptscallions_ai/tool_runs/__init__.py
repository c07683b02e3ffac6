"""Answers and tools in turn: the run, the execution of calls, its events, and conditions that end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai._guards.imports import lazy_names
from raptscallions_ai.answer.run_events import StoppedBy

if TYPE_CHECKING:
    from raptscallions_ai.tool_runs.execution import Approve
    from raptscallions_ai.tool_runs.run import StopCondition

__all__ = ["Approve", "StopCondition", "StoppedBy"]

__getattr__ = lazy_names(__name__, {"execution": ("Approve",), "run": ("StopCondition",)})
