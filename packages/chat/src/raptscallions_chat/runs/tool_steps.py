"""Functions of the service that a model may call while it answers, and calls that wait for their user.

A call that needs approval ends the run: nothing waits in memory, and nothing is lost by a restart. Once the user has
decided about all calls of the run, a run that continues it executes what was approved and lets the model go on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from raptscallions_ai import ToolError
from raptscallions_ai.client import BaseChatClient
from raptscallions_chat.domain.answer import Answer
from raptscallions_chat.domain.context import to_wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import Unpack

    from raptscallions_ai import CallOptions, ChatClient, ChatStream, Messages, Tool, ToolCall, ToolRun
    from raptscallions_chat.domain.events import Event
    from raptscallions_chat.domain.records import Message, Run
    from raptscallions_chat.store.approvals import Approval, ApprovalStore

__all__ = ["Steps", "ToolSteps", "WatchedClient", "with_results"]

_WAITS = "This call waits for the user's approval."
_DENIED = "The user did not allow this call."
_MOST_CHARACTERS = 2000


class WatchedClient(BaseChatClient):
    """A client whose streams are seen by whoever gave it: one for each step.

    Args:
        client: Who answers.
        watch: Called with each stream before it is read.
    """

    def __init__(self, client: ChatClient, watch: Callable[[ChatStream], None]) -> None:
        self._client = client
        self._watch = watch

    def stream_chat(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> ChatStream:
        """Return the answer as a stream."""
        stream = self._client.stream_chat(messages, model=model, **options)
        self._watch(stream)
        return stream

    async def aclose(self) -> None:
        """Do nothing: the client is somebody else's."""


@dataclass(slots=True)
class Steps:
    """The functions of one run, and the calls of it that wait."""

    run: Run
    tools: list[Tool[..., Any]]
    waiting: dict[str, ToolCall]

    def approve(self, call: ToolCall) -> bool | str:
        """Let a call run, or note that it waits."""
        tool = next((tool for tool in self.tools if tool.name == call.name), None)
        if tool is None or tool.needs_approval is not True:
            return True
        self.waiting[call.id] = call
        return _WAITS

    def waits_for_approval(self, _: ToolRun) -> bool | str:
        """Return why the run is to stop after a step; False if it is not."""
        return "approval" if self.waiting else False


class ToolSteps:
    """What a worker needs to let models call functions.

    Args:
        functions: The functions, by name.
        approvals: Where calls wait.
        names: Tells which functions a conversation may use; None for all.
    """

    def __init__(
        self,
        functions: Mapping[str, Tool[..., Any]],
        approvals: ApprovalStore,
        names: Callable[[str], Awaitable[Sequence[str] | None]],
    ) -> None:
        self._functions = functions
        self._approvals = approvals
        self._names = names

    async def of(self, run: Run) -> Steps | None:
        """Return the functions of a run; None if it has none."""
        if not self._functions:
            return None
        names = await self._names(run.conversation_id)
        chosen = self._functions if names is None else [name for name in names if name in self._functions]
        tools = [self._functions[name] for name in chosen]
        return Steps(run, tools, {}) if tools else None

    async def result_event(self, steps: Steps, finished: Any) -> Event:
        """Return the event for the end of a call; one that waits is stored before anybody is told."""
        call = finished.call
        if call.id in steps.waiting:
            await self._approvals.request(steps.run, call.id, call.name, call.raw_arguments)
            asked = {"id": call.id, "name": call.name, "arguments": call.raw_arguments}
            return {"type": "approval_requested", **asked}
        return _result(call.id, call.name, finished.content, is_error=finished.error is not None)

    async def decided(self, run: Run, answer: Message) -> list[Event]:
        """Execute what a user has approved of the run that this one continues; return the results of all its calls."""
        if run.kind != "continue" or run.follows_run_id is None:
            return []
        open_calls = {part["id"] for part in answer.parts or () if part["type"] == "tool_call" and _is_open(part)}
        found = await self._approvals.of_run(run.follows_run_id)
        return [
            await self._execute(approval)
            for approval in found
            if approval.decision is not None and approval.call_id in open_calls
        ]

    async def _execute(self, approval: Approval) -> Event:
        if approval.decision == "denied":
            text = f"{_DENIED} {approval.reason}" if approval.reason else _DENIED
            return _result(approval.call_id, approval.name, text, is_error=True)
        tool = self._functions.get(approval.name)
        try:
            if tool is None:
                raise ToolError("there is no such tool any more")
            output: object = await tool.run(approval.arguments)
        except Exception as error:
            text = error.message if isinstance(error, ToolError) else f"{type(error).__name__}: {error}"
            return _result(approval.call_id, approval.name, text[:_MOST_CHARACTERS], is_error=True)
        text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, default=str)
        return _result(approval.call_id, approval.name, text, is_error=False)


def with_results(answer: Message, results: Sequence[Event]) -> list[Mapping[str, object]]:
    """Return an answer whose calls have their results now, as the model is told it."""
    whole = Answer(answer.text, answer.parts)
    whole.add_all(results)
    return to_wire([replace(answer, text=whole.text, parts=whole.parts)])


def _is_open(part: Mapping[str, Any]) -> bool:
    return "result" not in part and "error" not in part


def _result(call_id: str, name: str, content: str, *, is_error: bool) -> Event:
    return {"type": "tool_result", "id": call_id, "name": name, "content": content, "is_error": is_error}
