"""Structured output: answers that are read into an object of a given type."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from raptscallions_ai.answer.result import ChatResult, ParsedResult
from raptscallions_ai.errors import (
    AiError,
    ContentPolicyError,
    InvalidOutputError,
    RefusalError,
    TruncatedOutputError,
)
from raptscallions_ai.messages.message import user
from raptscallions_ai.structured.output_format import Unfit, output_format

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from raptscallions_ai.answer.result import OutputIssue
    from raptscallions_ai.errors.base import ErrorFields
    from raptscallions_ai.messages.message import ChatMessage, Messages
    from raptscallions_ai.options.call_options import CallOptions
    from raptscallions_ai.structured.output_format import OutputFormat

__all__ = ["StructuredCall", "read_answer"]

T = TypeVar("T")

_MOST_ISSUES = 20


class StructuredCall(Generic[T]):
    """One call for an object; it holds the conversation, so that no frame of a traceback does.

    Args:
        messages: The conversation.
        response_model: The type of the object.
        strict: Whether the gateway is asked to enforce the schema.
        options: The caller's options.
        provider_routing: Whether the gateway understands OpenRouter's `provider`, by which it is asked for endpoints
            that support the schema only; others ignore it silently.

    Attributes:
        output: What the answer must look like.
        options: The options to ask with.

    Raises:
        TypeError: `response_model` is no type of which a JSON schema can be made, or there is a `response_format`.
        ValueError: Strict mode cannot express the schema.
    """

    def __init__(
        self,
        messages: Messages,
        response_model: type[T],
        *,
        strict: bool,
        options: CallOptions,
        provider_routing: bool,
    ) -> None:
        if options.get("response_format") is not None:
            raise TypeError("response_format is set by response_model; to pass your own, use chat")
        self.output: OutputFormat[T] = output_format(response_model, strict=strict)
        self.options: CallOptions = {**options, "response_format": self.output.response_format}
        if provider_routing:
            self.options["provider"] = {"require_parameters": True, **(options.get("provider") or {})}
        self._messages = messages

    async def parsed(
        self, ask: Callable[[Messages, CallOptions], Awaitable[ChatResult]], *, repair: bool
    ) -> ParsedResult[T]:
        """Ask, and once more if the answer is a text that does not fit and `repair` is wanted.

        Raises:
            AiError: A call failed, or the answer is none or does not fit.
        """
        first = await ask(self._messages, self.options)
        answer = read_answer(first, self.output)
        if repair and type(answer) is InvalidOutputError and first.content and not first.tool_calls:
            answer = read_answer(await self._repair(ask, first, answer.errors), self.output)
        if isinstance(answer, AiError):
            raise answer
        return answer

    async def _repair(
        self,
        ask: Callable[[Messages, CallOptions], Awaitable[ChatResult]],
        first: ChatResult,
        issues: Sequence[OutputIssue],
    ) -> ChatResult:
        """Ask again with a list of what was wrong, and return the answer with the cost and attempts of both."""
        conversation = [user(self._messages)] if isinstance(self._messages, str) else self._messages
        try:
            second = await ask([*conversation, first.to_message(), _correction(issues)], self.options)
        except AiError as error:
            error.attempts = first.attempts + error.attempts
            error.partial = first if error.partial is None else _of_both(first, error.partial)
            raise
        return _of_both(first, second)


def read_answer(result: ChatResult, output: OutputFormat[T]) -> ParsedResult[T] | AiError:
    """Return the answer with its object, or the error that is to be raised, which keeps the text in `partial`.

    JSON that is complete proves itself, so an answer that fits is one whatever its finish reason.
    """
    facts: ErrorFields = {
        "partial": result,
        "attempts": result.attempts,
        "request_id": result.id,
        "provider": result.provider,
    }
    if result.refusal:
        return RefusalError(reasons=[result.refusal_category] if result.refusal_category else [], **facts)
    try:
        return ParsedResult[T].of(result, output.read(result.content))
    except Unfit as unfit:
        issues, is_json = unfit.issues, unfit.is_json
    if result.finish_reason == "length":
        return TruncatedOutputError("the answer ended at its token limit", errors=issues, **facts)
    if result.finish_reason == "content_filter":
        return ContentPolicyError(**facts)
    places = "1 place" if len(issues) == 1 else f"{len(issues)} places"
    why = f"the answer does not fit {output.name} in {places}" if is_json else "the answer is not a JSON object"
    return InvalidOutputError(why, errors=issues, **facts)


def _correction(issues: Sequence[OutputIssue]) -> ChatMessage:
    problems = [f"- {'.'.join(map(str, issue.path)) or 'answer'}: {issue.reason}" for issue in issues[:_MOST_ISSUES]]
    request = "Answer again, with the whole corrected JSON object and nothing else."
    return user("\n".join(["Your answer does not fit the JSON schema:", *problems, request]))


def _of_both(first: ChatResult, second: ChatResult) -> ChatResult:
    return replace(
        second,
        usage=first.usage + second.usage,
        attempts=first.attempts + second.attempts,
        time_to_first_chunk=first.time_to_first_chunk,
        duration=None if second.duration is None else (first.duration or 0.0) + second.duration,
    )
