"""What has happened in a call so far, over all its attempts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from raptscallions_ai.answer.chunks import ContentChunk, RestartedChunk
from raptscallions_ai.answer.result import ChatResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai._call.route import Route
    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import Attempt, Usage
    from raptscallions_ai.errors import AiError

__all__ = ["CallHistory", "AttemptUsage"]


@dataclass(frozen=True, slots=True)
class AttemptUsage:
    """What one attempt used, as far as the gateway reported it before the end.

    Attributes:
        route: Whom it asked.
        generation_id: The gateway's id of the answer; None if it gave none.
        usage: The usage that it reported.
    """

    route: Route
    generation_id: str | None
    usage: Usage

    @property
    def is_known(self) -> bool:
        """Whether the cost needs no looking up."""
        return self.usage.cost is not None


class CallHistory:
    """The attempts, the times, the money and the text of one call.

    Attributes:
        attempts: Every attempt that has ended.
        started_at: When the call began, in the loop's time; as are the next two.
        first_content_at: When the first content of all arrived.
        ended_at: When the call ended.
        spent: What the attempts before the current one used.
        cause: What the first attempt failed with that was not simply made again on the same route.
        continues: Whether the attempt that is made now goes on where the last one broke off, or paused.
    """

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.started_at = 0.0
        self.first_content_at: float | None = None
        self.ended_at: float | None = None
        self.earlier_usage: list[AttemptUsage] = []
        self.cause: AiError | None = None
        self._shown: ChatResult | None = None  # of earlier attempts, and still on the caller's screen
        self._broken_by: AiError | None = None
        self._has_seam = True  # whether the text that was shown was sent back without the white space at its end
        self.continues = False

    @property
    def shown(self) -> ChatResult | None:
        """What earlier attempts gave to the caller and no later one has replaced."""
        return self._shown

    def content(self, now: float) -> None:
        """Note that content has come."""
        if self.first_content_at is None:
            self.first_content_at = now

    def complete(self, error: AiError, *, has_answer: bool) -> None:
        """Put on an error, which ended an attempt, what belongs to the call as a whole, and take the rest off.

        Args:
            error: The error; what the attempt gave is on it.
            has_answer: Whether there is any answer.
        """
        error.attempts = tuple(self.attempts)
        if error.partial is not None or self._shown is not None:
            error.partial = self.stamp(error.partial or ChatResult(), has_answer=has_answer)
        error.without_traceback()

    def paused(self, answer: ChatResult, usage: AttemptUsage) -> None:
        """Note that an answer has paused, and that the next attempt goes on with it.

        Args:
            answer: What the attempt gave.
            usage: What it used.
        """
        self._shown = self.stamp(answer, has_answer=True)
        self._has_seam = False
        self.earlier_usage.append(usage)

    def failed(self, error: AiError, *, started: bool, moved: bool) -> None:
        """Note what an attempt failed with, after which there is another one.

        Args:
            error: What it failed with.
            started: Whether the caller had got some of its answer.
            moved: Whether another route is asked now.
        """
        if started or moved:
            self.cause = self.cause or error
        if started:
            self._shown, self._broken_by, self._has_seam = error.partial, error, True
        elif moved and self._shown is not None and self._broken_by is None:
            self._broken_by, self._has_seam = error, True  # it had paused, and no other route can continue it

    def announce(self, chunks: list[StreamChunk]) -> list[StreamChunk]:
        """Return the first chunks of an attempt; if they replace what was shown, behind the news of that."""
        shown, error = self._shown, self._broken_by
        if shown is None or error is None:
            return chunks
        self._broken_by = None
        if self.continues:
            return _without_repeated_space(chunks, shown.content) if self._has_seam else chunks
        self._shown = None
        return [RestartedChunk(shown, error), *chunks]

    def stamp(self, result: ChatResult, *, has_answer: bool) -> ChatResult:
        """Return a result with what earlier attempts gave and used, and with attempts and times.

        Args:
            result: What the current attempt has given.
            has_answer: Whether there is any answer; if not, what stands on the caller's screen is still the earlier
                text.
        """
        started, first, ended = self.started_at, self.first_content_at, self.ended_at
        usage = result.usage
        for attempt in reversed(self.earlier_usage):
            usage = attempt.usage + usage
        stamps = {
            "usage": usage,
            "attempts": tuple(self.attempts),
            "time_to_first_chunk": None if first is None else first - started,
            "duration": None if ended is None else ended - started,
        }
        for name, value in stamps.items():
            object.__setattr__(result, name, value)  # not shared yet, and `replace` would take a tenth of a call
        shown = self._shown
        if shown is None or (has_answer and not self.continues):
            return result
        if not has_answer:
            return replace(shown, usage=usage, attempts=result.attempts, duration=result.duration)
        repeated = _repeated_space(shown.content, result.content) if self._has_seam else 0
        return _joined(shown, result, content=shown.content + result.content[repeated:])


def _joined(first: ChatResult, rest: ChatResult, *, content: str) -> ChatResult:
    """Return one answer of its beginning and its rest; times, attempts and usage are those of the rest."""
    return replace(
        rest,
        content=content,
        tool_calls=first.tool_calls + rest.tool_calls,
        reasoning=first.reasoning + rest.reasoning,
        reasoning_details=first.reasoning_details + rest.reasoning_details,
        annotations=first.annotations + rest.annotations,
        images=first.images + rest.images,
        refusal=f"{first.refusal or ''}{rest.refusal or ''}" or None,
        logprobs=first.logprobs + rest.logprobs,
        native=_joined_blocks(first.native, rest.native),
        audio=rest.audio or first.audio,
        extra={**first.extra, **rest.extra},
    )


def _joined_blocks(first: Mapping[str, Any] | None, rest: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if first is None or rest is None:
        return first if rest is None else rest
    return {**first, **rest, "content": [*first["content"], *rest["content"]]}


def _repeated_space(before: str, after: str) -> int:
    """Return how much of the white space that `before` ends with is repeated at the start of `after`.

    Models get the beginning of an answer without the space at its end, which some of them refuse.
    """
    space = before[len(before.rstrip()) :]
    return next((size for size in range(len(space), 0, -1) if after.startswith(space[:size])), 0)


def _without_repeated_space(chunks: list[StreamChunk], before: str) -> list[StreamChunk]:
    first, *rest = chunks
    if not isinstance(first, ContentChunk) or not (repeated := _repeated_space(before, first.content)):
        return chunks
    left = first.content[repeated:]
    return [ContentChunk(left), *rest] if left else rest
