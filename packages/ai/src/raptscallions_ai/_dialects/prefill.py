"""Letting a model go on from an assistant message at the end of the conversation instead of answering it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raptscallions_ai._dialects.request import ChatRequest
    from raptscallions_ai.answer.result import ChatResult

__all__ = ["accepts_prefill", "continued"]

# Anthropic's models up to 4.5 do. From 4.6 on they refuse it with a 400 ("What's new in Claude 4.6", prefill removal).
_ACCEPTING = re.compile(
    r"(?:.*/)?claude-(?:2|3|instant)(?:[.-].*)?"
    r"|(?:.*/)?claude-(?:opus|sonnet|haiku)-4(?:[.-][0-5])?(?:-\d{8}|-latest)?",
    re.IGNORECASE,
)


def accepts_prefill(model: str) -> bool:
    """Return whether the model is known to continue the last assistant message; what is not known does not count.

    Args:
        model: Its id, with or without a routing variant such as `:nitro`.
    """
    name = model.partition(":")[0]
    return not model.endswith(":thinking") and _ACCEPTING.fullmatch(name) is not None


def continued(request: ChatRequest, answer: ChatResult, *, known: bool | None) -> ChatRequest | None:
    """Return the request with the text so far as a trailing assistant message, or None if the model takes none.

    Args:
        request: The request that was answered.
        answer: What had arrived of the answer.
        known: Whether the caller says that the model takes it; None to go by what is known of the model.
    """
    more_than_text = (
        answer.tool_calls,
        answer.reasoning,
        answer.reasoning_details,
        answer.images,
        answer.refusal,
        answer.native,
    )
    text = answer.content.rstrip()
    accepts = accepts_prefill(request.model) if known is None else known
    if not text or not accepts or any(more_than_text) or not request.is_plain_text:
        return None
    return request.continuing(text)
