"""The conversation of an interactive chat: the messages so far, and what the next request carries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from raptscallions_ai.messages.message import ChatMessage, assistant, system, user

if TYPE_CHECKING:
    from raptscallions_ai.answer.result import ChatResult

__all__ = ["Conversation"]


class Conversation:
    """Messages, system message and model of a chat.

    Args:
        model: The model to ask.
        system_text: The system message, if there is one.

    Attributes:
        model: The model to ask.
        system_text: The system message, if there is one.
    """

    def __init__(self, model: str, system_text: str | None = None) -> None:
        self.model: str = model
        self.system_text = system_text
        self._turns: list[ChatMessage] = []
        self._saved: set[Path] = set()

    @property
    def messages(self) -> list[ChatMessage]:
        """All messages in order, the system message first."""
        return [*([system(self.system_text)] if self.system_text else []), *self._turns]

    def with_question(self, text: str) -> list[ChatMessage]:
        """Return the messages to send for a question, which joins the conversation only with its answer."""
        return [*self.messages, user(text)]

    def keep(self, question: str, result: ChatResult) -> None:
        """Remember a whole answer together with its question."""
        self._turns += [user(question), result.to_message()]

    def keep_partial(self, question: str, partial: ChatResult) -> None:
        """Remember the text of an unfinished answer; a question to which nothing came is forgotten."""
        if partial.content:
            self._turns += [user(question), assistant(partial.content)]

    def change_model(self, model: str) -> None:
        """Ask another model from now on; it gets the texts only, as reasoning blocks are signed for their own model."""
        self.model = model
        self._turns = [ChatMessage(turn.role, turn.content) for turn in self._turns]

    def clear(self) -> None:
        """Forget the conversation so far; model and system message stay."""
        self._turns.clear()

    def save(self, name: str) -> Path:
        """Write all messages, as one JSON array, to a file that only its owner can read; return its path.

        Raises:
            FileExistsError: The file exists, and this chat has not saved it before.
            OSError: The file cannot be written.
        """
        from raptscallions_ai.cli.json_lines import json_text

        path = Path(os.path.abspath(Path(name).expanduser()))
        text = json_text([message.to_dict() for message in self.messages], indent=2)
        with open(path, "w" if path in self._saved else "x", encoding="utf-8", opener=_private) as file:
            file.write(text + "\n")
        self._saved.add(path)
        return path


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
