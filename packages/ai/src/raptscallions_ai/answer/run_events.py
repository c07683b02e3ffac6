"""The events of `run_tools` besides the chunks of the answers: small frozen objects with a literal `type`.

A run is any number of steps: an answer's chunks, `tool_started` and `tool_finished` for its calls, `step_finished`; and
then one `done`. No `repr` shows what the model or a tool said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

import msgspec

from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    AudioChunk,
    ContentChunk,
    ImageChunk,
    ReasoningChunk,
    RefusalChunk,
    RestartedChunk,
    ToolCallChunk,
    WaitingChunk,
)
from raptscallions_ai.answer.result import ChatResult, Usage
from raptscallions_ai.tools.tool_call import ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.messages.message import ChatMessage

__all__ = [
    "StepFinished",
    "StoppedBy",
    "ToolFinished",
    "ToolRunDone",
    "ToolRunEvent",
    "ToolRunResult",
    "ToolStarted",
]

StoppedBy: TypeAlias = Literal["max_steps", "max_tokens_used", "max_cost", "has_tool_call", "unfinished_call"]
"""Why a run ended before the model did: a stop condition, or an answer that broke off within its tool calls."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ToolRunResult(ChatResult):
    """The last answer of a run, with the usage, the attempts and the duration of all its steps.

    Attributes:
        stopped_by: None if the model finished; else what ended the run while it still asked for tools: a
            `StoppedBy`, or the reason of your own stop condition.
        steps: The answers of all steps in order, each with its own usage.
        messages: The conversation to go on with, the last answer and all tool results included.
    """

    stopped_by: StoppedBy | str | None = None
    steps: tuple[ChatResult, ...] = ()
    messages: tuple[ChatMessage | Mapping[str, object], ...] = ()

    def __repr__(self) -> str:
        return (
            f"ToolRunResult(model={self.model!r}, finish_reason={self.finish_reason!r}, steps={len(self.steps)}, "
            f"stopped_by={self.stopped_by!r}, content={len(self.content)} characters, usage={self.usage!r})"
        )


class ToolStarted(msgspec.Struct, frozen=True):
    """A tool starts to run; there is none for a call that is refused.

    Attributes:
        call: The model's call.
    """

    call: ToolCall
    type: ClassVar[Literal["tool_started"]] = "tool_started"


class ToolFinished(msgspec.Struct, frozen=True):
    """The end of a tool call, once for each; calls that run side by side end in any order.

    Attributes:
        call: The model's call.
        content: The text that the model gets as its result.
        output: What the tool returned; None if it failed.
        error: Why it failed: what it raised, or a `ToolError` for a call that was refused or took too long.
        duration: Seconds that it ran; None if it never began.
    """

    call: ToolCall
    content: str
    output: object = None
    error: Exception | None = None
    duration: float | None = None
    type: ClassVar[Literal["tool_finished"]] = "tool_finished"

    def __repr__(self) -> str:
        outcome = f"{len(self.content)} characters" if self.error is None else f"error={type(self.error).__name__}"
        return f"ToolFinished({self.call.name!r}, {outcome})"


class StepFinished(msgspec.Struct, frozen=True):
    """The end of a step: an answer, and the tools that it asked for.

    Attributes:
        step: Which one, counted from 1.
        result: The step's answer, with its own usage.
    """

    step: int
    result: ChatResult
    type: ClassVar[Literal["step_finished"]] = "step_finished"

    @property
    def usage(self) -> Usage:
        """Tokens and cost of this step; the same object as `result.usage`."""
        return self.result.usage


class ToolRunDone(msgspec.Struct, frozen=True):
    """The end of a run, always its last event.

    Attributes:
        result: The last answer, with the usage of all steps.
    """

    result: ToolRunResult
    type: ClassVar[Literal["done"]] = "done"

    @property
    def usage(self) -> Usage:
        """Tokens and cost of all steps; the same object as `result.usage`."""
        return self.result.usage


ToolRunEvent: TypeAlias = (
    ContentChunk
    | ReasoningChunk
    | ToolCallChunk
    | AnnotationChunk
    | ImageChunk
    | AudioChunk
    | RefusalChunk
    | WaitingChunk
    | RestartedChunk
    | ToolStarted
    | ToolFinished
    | StepFinished
    | ToolRunDone
)
"""Whatever a run may yield."""
