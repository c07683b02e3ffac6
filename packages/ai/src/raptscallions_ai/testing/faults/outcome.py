"""`Outcome`: what came of one fault, in terms that any client's adapter can fill in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raptscallions_ai.tools.tool_call import ToolCall

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a client made of a fault.

    Attributes:
        text: All text that the caller got, streamed or on the error.
        tool_calls: The tool calls that the caller got.
        error: What was raised; None if the answer was presented as complete, or was left, or hangs.
        own_error: Whether the error is one that the client documents, rather than another library's.
        hung: Whether the call was not over when patience ended.
        released: Whether the gateway saw the connection close after the caller had left; None if it did not leave.
        requests: How many requests arrived.
        seconds: How long the call took.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    error: BaseException | None = None
    own_error: bool = True
    hung: bool = False
    released: bool | None = None
    requests: int = 1
    seconds: float = 0.0

    def __repr__(self) -> str:
        error = type(self.error).__name__ if self.error else None
        return f"Outcome({len(self.text)} characters, error={error}, hung={self.hung}, seconds={self.seconds:.2f})"
