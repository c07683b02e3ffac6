"""`ChatCall`: one call of a chat client, as a wrapper sees it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn, cast

if TYPE_CHECKING:
    from raptscallions_ai._dialects.request import ChatRequest
    from raptscallions_ai.messages.message import ChatMessage, Messages
    from raptscallions_ai.options.call_options import CallOptions

__all__ = ["ChatCall"]


@dataclass(frozen=True, slots=True)
class ChatCall:
    """One call: messages, model and options; its repr shows no contents.

    Attributes:
        messages: The conversation as it was passed.
        model: The requested model; None for the client's default.
        options: The options that were passed.
    """

    messages: Messages = field(repr=False)
    model: str | None = None
    options: CallOptions = field(default_factory=lambda: cast("CallOptions", {}), repr=False)

    @property
    def stream(self) -> bool:
        """Whether the answer is to be streamed."""
        return self.options.get("stream") is not False

    def snapshot(self) -> ChatCall:
        """Return the call with a copy of the conversation, for a request that is sent later.

        The caller may go on appending to the same list.
        """
        if isinstance(self.messages, str):
            return self
        return replace(self, messages=[_copied(message) for message in self.messages])

    def request(self) -> ChatRequest:
        """Return the request as it would be sent, to check or inspect it beforehand.

        Raises:
            TypeError: An option is unknown, or a message of a wrong type.
            ValueError: A message, a header or a limit is invalid.
        """
        from raptscallions_ai._dialects.request import build_request

        return build_request(self.messages, model=self.model or "default", options=self.options)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a call cannot be pickled or copied: it holds the conversation")


def _copied(message: ChatMessage | Mapping[str, object]) -> ChatMessage | Mapping[str, object]:
    return copy.deepcopy(message) if isinstance(message, Mapping) else message
