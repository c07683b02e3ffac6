"""What a model is asked: the conversation up to the message that is answered, as the client takes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
    """What is asked for a run."""

    messages: Sequence[Mapping[str, object]]
    model: str | None
    options: dict[str, Any] = field(default_factory=dict[str, Any])


class Prompts:
    """Makes prompts from what is stored.

    Args:
        store: Where the messages are.
    """

    def __init__(self, store: SqlStore) -> None:
        self._store = store

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
        messages = to_wire(asked)
        if run.kind == "continue" and answer.text:
            messages.append({"role": "assistant", "content": answer.text})
            messages.append({"role": "user", "content": _GO_ON})
        return Prompt(messages, run.model, dict(run.options)), answer
