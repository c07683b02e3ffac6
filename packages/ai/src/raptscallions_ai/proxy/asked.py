"""`Asked`: what a caller asks for, whichever wire it came over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from raptscallions_ai.errors import BadRequestError

if TYPE_CHECKING:
    from raptscallions_ai.messages.message import ChatMessage

__all__ = ["Asked", "refused"]


@dataclass(slots=True)
class Asked:
    """One request of a caller's; its repr shows no contents.

    Attributes:
        messages: The conversation.
        model: The model, by the name that the caller has for it; None for the proxy's choice.
        options: What else is asked for, by the names of `ChatOptions`; not yet allowed.
        stream: Whether the answer is to be streamed.
        include_usage: Whether a stream of OpenAI's shape is to tell the usage.
        camel_case: Whether the caller spells its agent's words as pi does, and not as tinyagent.
    """

    messages: list[ChatMessage | Mapping[str, Any]] = field(repr=False)
    model: str | None
    options: dict[str, Any] = field(repr=False)
    stream: bool = True
    include_usage: bool = True
    camel_case: bool = False


def refused(why: str) -> BadRequestError:
    """Return the error for a request that cannot be read."""
    return BadRequestError(f"The request is not valid: {why}")
