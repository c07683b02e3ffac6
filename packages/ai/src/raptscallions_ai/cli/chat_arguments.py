"""How the model is asked: the options of `chat` that every request of it carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raptscallions_ai.cli.failures import UsageError

if TYPE_CHECKING:
    from raptscallions_ai.answer.stream import ChatStream
    from raptscallions_ai.cli.session import Session
    from raptscallions_ai.messages.message import Messages
    from raptscallions_ai.options.call_options import CallOptions

__all__ = ["ChatArguments"]

_LOCAL_MAX_TOKENS = 512  # at temperature 0 the toy model may repeat itself until its context is full


@dataclass(frozen=True, slots=True)
class ChatArguments:
    """Options of each request; None leaves the choice to the settings or to the gateway.

    Attributes:
        engine: The engine or host to ask.
        model: The model to ask.
        system: The system message.
        max_tokens: Most tokens of an answer.
        temperature: Randomness, 0 to 2.
        timeout: Seconds until the first text, and between each next.
    """

    engine: str | None = None
    model: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    timeout: float | None = None

    def stream(self, session: Session, messages: Messages, *, model: str | None = None) -> ChatStream:
        """Return the answer to a conversation; nothing is sent before it is read.

        Raises:
            UsageError: An option or a message cannot be sent, or there is no model to ask.
        """
        if not (model or self.model or session.model):
            raise UsageError(
                "this engine has no model of its own accord: name one with --model, or in AI_DEFAULT_MODEL"
            )
        options: CallOptions = {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "timeout": self.timeout,
        }
        if session.is_local:
            options["max_tokens"] = self.max_tokens or _LOCAL_MAX_TOKENS
            options["temperature"] = self.temperature or 0.0
        try:
            return session.client.stream_chat(messages, model=model or self.model, **options)
        except (TypeError, ValueError) as error:
            # UnicodeEncodeError is a ValueError whose text quotes what it could not encode.
            reason = "the prompt is not valid Unicode text" if isinstance(error, UnicodeError) else str(error)
            raise UsageError(reason) from None
