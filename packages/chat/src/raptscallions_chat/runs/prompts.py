"""What a model is asked: the conversation up to the message that is answered, as the client takes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from raptscallions_ai.models import accepts_prefill
from raptscallions_chat.domain.context import MOST_MESSAGES, to_wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from raptscallions_chat.domain.commands import Known
    from raptscallions_chat.domain.records import Message, Run
    from raptscallions_chat.store.sql_store import SqlStore

__all__ = ["Prompt", "Prompts"]

_GO_ON = "Go on exactly where your last message breaks off. Do not repeat any of it, and do not comment on it."


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked for a run.

    Attributes:
        messages: The conversation.
        model: The model; None for the client's own.
        options: Options of the call.
        prefilled: Of an answer that goes on, how it ends after what the model is given to go on from; None if the model
            is asked to go on by a message of its own.
        added: How many messages at the end are there only to let the answer go on.
    """

    messages: Sequence[Mapping[str, object]]
    model: str | None
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    prefilled: str | None = None
    added: int = 0


class Prompts:
    """Makes prompts from what is stored.

    Args:
        store: Where the messages are.
    """

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    async def told(self, run: Run, path: Sequence[Message], known: Known | None) -> list[Mapping[str, object]]:
        """Return what a model is told of a path."""
        return to_wire(path)

    async def prompt(self, run: Run, known: Known | None = None) -> tuple[Prompt, Message]:
        """Return what is to be asked for a run, and the answer that it writes as far as there is one.

        Args:
            run: The run.
            known: What was read when the run began.
        """
        if known is None:
            *asked, answer = await self._store.get_path(run.answer_message_id, limit=MOST_MESSAGES)
        else:
            asked, answer = known.path, known.answer
        messages = await self.told(run, asked, known)
        prompt = Prompt(messages, run.model, dict(run.options))
        if run.kind != "continue" or not answer.text:
            return prompt, answer
        begun = answer.text.rstrip()
        if begun and answer.parts is None and accepts_prefill(run.model or answer.model or ""):
            messages.append({"role": "assistant", "content": begun})
            return replace(prompt, prefilled=answer.text[len(begun) :], added=1), answer
        messages.append({"role": "assistant", "content": answer.text})
        messages.append({"role": "user", "content": _GO_ON})
        return replace(prompt, added=2), answer
