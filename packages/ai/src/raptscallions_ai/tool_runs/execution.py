"""`ToolExecution`: the tool calls of one answer, being run side by side."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from raptscallions_ai._dialects.blocks import made_id
from raptscallions_ai._dialects.json import json_object
from raptscallions_ai._guards.callbacks import cancel_and_wait, contained, in_task, in_thread, text_of
from raptscallions_ai._guards.log import Log
from raptscallions_ai.answer.run_events import ToolFinished, ToolStarted
from raptscallions_ai.errors import CallbackError, InvalidResponseError, ToolError
from raptscallions_ai.messages.message import tool_result
from raptscallions_ai.tools.tool import Tool, checked_timeout, tools_to_wire, with_functions_as_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.answer.result import ChatResult
    from raptscallions_ai.messages.message import ChatMessage
    from raptscallions_ai.messages.parts import ContentPart
    from raptscallions_ai.tools.tool_call import ToolCall
__all__ = ["Approve", "ToolExecution", "ToolPolicy", "tools_by_name", "with_ids"]

Approve: TypeAlias = "Callable[[ToolCall], bool | str | Awaitable[bool | str]]"
"""Decides whether a call may run: True, or False, or the reason why not as a text for the model; may be async."""

_PART_KINDS = frozenset({"text", "image_url", "file", "input_audio", "video_url"})
# An answer that ended so may have broken off within its last call.
_BROKEN_OFF = frozenset({"length", "content_filter", "error"})
_MOST_CHARACTERS = 2000  # of an exception's message, or of arguments that are quoted to the model
_MOST_CALLS = 256  # of one answer that are run
_MOST_AT_ONCE = 32
_MOST_ITEMS = 10_000  # of an iterator that a tool returns
_NOT_RUN = "not run"
_NOT_FINISHED = "not finished: it was cancelled while it ran"

_log = Log()


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """How the calls of a run are made.

    Attributes:
        tools: The tools by name.
        approve: Who decides on calls that need approval.
        timeout: Seconds for a tool that has no timeout of its own.
        parallel: Whether the calls of one answer run side by side.
    """

    tools: Mapping[str, Tool[..., Any]]
    approve: Approve | None = None
    timeout: float | None = None
    parallel: bool = True

    def __post_init__(self) -> None:
        if self.approve is not None and not callable(self.approve):
            raise TypeError(f"approve must be a function, not {type(self.approve).__name__}")
        checked_timeout(self.timeout, "tool_timeout")
        unapproved = [name for name, tool in self.tools.items() if tool.needs_approval and self.approve is None]
        if unapproved:
            raise TypeError(f"tool {unapproved[0]!r} needs approval: give run_tools an approve hook")


class ToolExecution:
    """The tool calls of one answer: run in their own task, while `next` yields the events.

    Args:
        answer: The answer that asks for them.
        policy: How they are made.

    Attributes:
        broke_off: Whether the answer ended before it was complete, so that none of its calls is run.
    """

    def __init__(self, answer: ChatResult, policy: ToolPolicy) -> None:
        self._answer = answer
        self._policy = policy
        self._contents = [_NOT_RUN] * len(answer.tool_calls)
        self._parts: dict[int, list[str | ContentPart]] = {}  # the results that are more than text
        # Unbounded, but never more than two events a call and the end.
        self._events: asyncio.Queue[ToolStarted | ToolFinished | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.broke_off: bool = answer.finish_reason in _BROKEN_OFF

    @property
    def messages(self) -> list[ChatMessage]:
        """The answer and the result of each of its calls, in order; a call without a result yet says so."""
        calls = tuple(_sendable(call) for call in self._answer.tool_calls)
        contents = [self._parts.get(position, text) for position, text in enumerate(self._contents)]
        results = [tool_result(call.id, content) for call, content in zip(calls, contents, strict=True)]
        return [replace(self._answer.to_message(), tool_calls=calls), *results]

    async def next(self) -> ToolStarted | ToolFinished | None:
        """Return the next event, or None at the end."""
        if self._task is None:
            self._task = asyncio.create_task(self._run_all(), name="raptscallions_ai tool calls")
            self._task.add_done_callback(lambda _: self._events.put_nowait(None))
        event = await self._events.get()
        if event is None and not (self._closed and self._task.cancelled()):
            self._task.result()  # which raises what the task ended with
        return event

    async def aclose(self) -> None:
        """Cancel what is running and wait until it has ended."""
        self._closed = True
        if self._task is not None:
            await cancel_and_wait("an approve hook", self._task)
            if self._task.done() and not self._task.cancelled():
                self._task.exception()  # read it, or asyncio warns that nobody did

    def abandon(self) -> None:
        """Cancel what is running without waiting; may be called from any thread."""
        self._closed = True
        if self._task is not None and not self._task.done() and not (loop := self._task.get_loop()).is_closed():
            loop.call_soon_threadsafe(self._task.cancel)

    async def _run_all(self) -> None:
        room = asyncio.Semaphore(_MOST_AT_ONCE if self._policy.parallel else 1)
        try:
            async with asyncio.TaskGroup() as group:
                for position, call in enumerate(self._answer.tool_calls):
                    try:
                        tool, arguments = await self._checked_call(position, call)
                    except ToolError as error:
                        self._finish(position, error=error)
                        continue
                    await room.acquire()
                    running = group.create_task(self._run(position, tool, arguments))
                    running.add_done_callback(lambda _: room.release())
        except BaseExceptionGroup as several:  # of the caller's own hook: what a tool raises goes to the model
            raise (failure := several.exceptions[0]) from failure.__cause__

    async def _checked_call(self, position: int, call: ToolCall) -> tuple[Tool[..., Any], dict[str, Any]]:
        """Return the tool that a call is for and its arguments.

        Raises:
            ToolError: The call cannot, or must not, be run.
        """
        if self.broke_off:
            raise ToolError("not run: the answer broke off before its end")
        if position >= _MOST_CALLS:
            raise ToolError(f"not run: an answer may ask for {_MOST_CALLS} calls at the most")
        tool = self._policy.tools.get(call.name)
        if tool is None:
            raise ToolError(f"there is no such tool; there are: {', '.join(self._policy.tools)}")
        if not _is_one_object(call):
            raise ToolError("the arguments are not a JSON object")
        try:
            with contained(f"a validator of tool {tool.name}"):
                arguments = tool.validate((_sendable(call) if _is_one_object(call) else call).raw_arguments)
        except ToolError:
            raise
        except Exception as error:  # of a validator of the tool's author
            raise ToolError(f"invalid arguments: {_text_of_error(error)}") from error
        if self._policy.approve is not None and tool.needs_approval is not False:
            verdict = await self._verdict(self._policy.approve, call)
            if verdict is not True:
                raise ToolError(verdict if isinstance(verdict, str) and verdict else "the user did not allow this call")
        return tool, arguments

    async def _verdict(self, approve: Approve, call: ToolCall) -> object:
        """Return what the hook says; one that is not async may ask a person, and so runs in a thread."""
        if inspect.iscoroutinefunction(approve):
            return await in_task("the approve hook", approve(call))
        verdict = await in_thread("the approve hook", lambda: approve(call))
        return await in_task("the approve hook", verdict) if inspect.isawaitable(verdict) else verdict

    async def _run(self, position: int, tool: Tool[..., Any], arguments: dict[str, Any]) -> None:
        self._events.put_nowait(ToolStarted(self._answer.tool_calls[position]))
        self._contents[position] = _NOT_FINISHED
        began = monotonic()
        output, content, error = None, "", None
        try:
            output = await tool.call(arguments, timeout=self._policy.timeout)
            parts = _parts_of(output)
            content = await _text_of(tool.name, output if parts is None else _as_text(parts))
            if parts is not None:
                self._parts[position] = parts
        except Exception as failure:
            error = failure
        self._finish(position, content=content, output=output, error=error, duration=monotonic() - began)

    def _finish(
        self,
        position: int,
        *,
        content: str = "",
        output: object = None,
        error: Exception | None = None,
        duration: float | None = None,
    ) -> None:
        call = self._answer.tool_calls[position]
        if error is not None:
            content, output = _text_of_error(error), None
            if not _is_one_object(call):  # so that the conversation goes on without them
                content += f": {call.raw_arguments[:_MOST_CHARACTERS]}"
            _log.warning("tool %r failed: %s", call.name, type(error).__name__)
        self._contents[position] = content
        self._events.put_nowait(ToolFinished(call, content, output, error, duration))


def tools_by_name(tools: object) -> dict[str, Tool[..., Any]]:
    """Return the tools that can be run, by name; those that the gateway runs itself are passed over.

    Raises:
        TypeError: There are none at all, or one is a function's schema without a function.
        ValueError: Two have the same name.
    """
    if not isinstance(tools, Sequence) or not tools:
        raise TypeError("run_tools needs tools=[...]: functions, or what @tool makes of them")
    found: dict[str, Tool[..., Any]] = {}
    known = with_functions_as_tools(cast("object", tools))
    for each, wire in zip(known, tools_to_wire(cast("Any", known)), strict=True):
        if isinstance(each, Tool):
            tool = cast("Tool[..., Any]", each)
            if tool.name in found:
                raise ValueError(f"two tools are called {tool.name!r}")
            found[tool.name] = tool
        elif wire.get("type") == "function":
            raise TypeError("run_tools cannot run a tool that is only a schema; see Tool.from_schema")
    return found


def with_ids(answer: ChatResult, position: int) -> ChatResult:
    """Return an answer whose calls all have an id, because some gateways send none.

    Args:
        answer: The answer.
        position: Its place in the conversation, so that the ids are unique and the same in each replay.
    """
    seen: set[str] = set()
    calls = list(answer.tool_calls)
    for index, call in enumerate(calls):
        if not call.id or call.id in seen:
            calls[index] = replace(call, id=made_id(position, index))
        seen.add(calls[index].id)
    return replace(answer, tool_calls=tuple(calls))


def _is_one_object(call: ToolCall) -> bool:
    try:
        call.arguments  # noqa: B018 - a property that raises
    except InvalidResponseError:
        return False
    return True


def _sendable(call: ToolCall) -> ToolCall:
    """Return a call as a gateway takes it back: some refuse a conversation with arguments that are no object."""
    if not _is_one_object(call):
        return replace(call, raw_arguments="{}")
    # `null`, nothing at all, and an object within a string are read, but not everybody takes them back.
    is_object = call.raw_arguments.lstrip()[:1] == "{"
    return call if is_object else replace(call, raw_arguments=_json(call.arguments))


def _text_of_error(error: Exception) -> str:
    if isinstance(error, ToolError):
        text = str(error.message)
    else:
        cause = error.__cause__ if isinstance(error, CallbackError) and error.__cause__ is not None else error
        text = f"{type(cause).__name__}: {text_of(cause)}"
    # An exception may quote what is no text, such as the name of a file.
    return text[:_MOST_CHARACTERS].encode("utf-8", "backslashreplace").decode()


def _parts_of(output: object) -> list[str | ContentPart] | None:
    """Return a result as parts of a message, if that is what it is: a picture as text costs a hundred times more."""
    items = [cast("object", output)] if isinstance(output, dict) else output
    if not isinstance(items, list | tuple):
        return None
    listed = cast("Sequence[object]", items)
    kinds = [json_object(item).get("type") for item in listed if not isinstance(item, str)]
    others = [json_object(item) for item in listed if not isinstance(item, str)]
    if not all(kind in _PART_KINDS and kind in item for kind, item in zip(kinds, others, strict=True)):
        return None
    return [*cast("Sequence[str | ContentPart]", listed)] if any(kind != "text" for kind in kinds) else None


def _as_text(parts: Sequence[str | ContentPart]) -> str:
    """Return parts as text for a person."""
    texts = [part if isinstance(part, str) else str(part.get("text", f"[{part['type']}]")) for part in parts]
    return "\n".join(texts)


async def _text_of(tool: str, output: object) -> str:
    """Return a result as text for the model.

    Raises:
        ToolError: It cannot be written as text.
    """
    if isinstance(output, Iterator):  # which may block, or never end
        first = islice(cast("Iterator[object]", output), _MOST_ITEMS + 1)
        output = items = await in_thread(f"the result of tool {tool}", lambda: [*first])
        if len(items) > _MOST_ITEMS:
            raise ToolError(f"the result is an iterator of more than {_MOST_ITEMS} items")
    with contained(f"the result of tool {tool}"):
        text = output if isinstance(output, str) else _json(output)
    try:
        text.encode()
    except UnicodeEncodeError:  # whose repr would show the text
        pass
    else:
        return text
    raise ToolError("the result is not text: it contains a surrogate, as some file names do")


def _json(output: object) -> str:
    from pydantic_core import to_json

    return to_json(output, bytes_mode="base64", fallback=str).decode()
