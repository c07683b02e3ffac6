"""Tools: functions that a model may call, with their JSON schemas."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from raptscallions_ai.errors import InvalidResponseError, ToolError
from raptscallions_ai.tools.tool_call import ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from raptscallions_ai.tools.schema import ToolSchema

__all__ = ["Tool", "tool", "tools_to_wire"]

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Tool(Generic[P, R]):
    """A function that a model may call; make it with `tool`, or with `Tool.from_schema` if you have the schema.

    You can still call it like the function itself.

    Args:
        function: What to run: a function or a bound method, async or not.
        name: What the model calls it, up to 64 of A-Z, a-z, 0-9, `_` and `-`; else the function's name.
        description: What it does, for the model; else the docstring's text without its sections.
        timeout: Seconds that `run` may take.
        needs_approval: Whether `run_tools` asks its `approve` hook before each call: True always, and it then refuses
            to start without a hook; False never; None if there is a hook.

    Raises:
        TypeError: `function` cannot be called with keyword arguments, or does not return one result.
        ValueError: The name cannot be sent, or `timeout` is not positive.
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        needs_approval: bool | None = None,
    ) -> None:
        if not inspect.isroutine(function):
            raise TypeError(f"a tool is made from a function or a bound method, not from {type(function).__name__}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"a tool returns one result; {function.__name__!r} is a generator")
        self.function: Callable[P, R] = function
        self.name: str = function.__name__ if name is None else name
        self.timeout: float | None = checked_timeout(timeout, "timeout")
        self.needs_approval: bool | None = needs_approval
        self._description = description
        self._given_parameters: Mapping[str, Any] | None = None
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"a tool's name must be 1 to 64 of A-Z, a-z, 0-9, _ and -, not {self.name[:80]!r}; pass another name="
            )

    @staticmethod
    def from_schema(
        name: str,
        description: str | None,
        parameters: Mapping[str, Any],
        function: Callable[..., Any],
        *,
        timeout: float | None = None,
        needs_approval: bool | None = None,
    ) -> Tool[..., Any]:
        """Return a tool whose JSON schema is given, such as one of an MCP server.

        Args:
            name: What the model calls it.
            description: What it does, for the model.
            parameters: The JSON schema of the arguments, an object.
            function: What to run; it gets the arguments by keyword, as the model sent them: only that they are a JSON
                object is checked, not the rest of the schema.
            timeout: Seconds that a run may take.
            needs_approval: As for `Tool`.
        """
        made: Tool[..., Any] = Tool(
            function, name=name, description=description or "", timeout=timeout, needs_approval=needs_approval
        )
        made._given_parameters = parameters
        return made

    @property
    def description(self) -> str:
        """What the tool does, for the model; may be empty."""
        return self._schema.description if self._description is None else self._description

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The JSON schema of the arguments.

        Raises:
            TypeError: A parameter of the function has no type hint, or one without a JSON schema.
        """
        return self._schema.parameters if self._given_parameters is None else self._given_parameters

    def to_dict(self) -> dict[str, Any]:
        """Return the tool in the OpenAI wire format."""
        described = {"description": self.description} if self.description else {}
        return {"type": "function", "function": {"name": self.name, **described, "parameters": self.parameters}}

    def validate(self, arguments: str | Mapping[str, Any]) -> dict[str, Any]:
        """Return the function's keyword arguments: checked against the type hints, and converted to them.

        Args:
            arguments: The JSON text that the model sent, or an object.

        Raises:
            ToolError: They do not fit; the message says where, so that the model can correct them.
        """
        if self._given_parameters is not None:
            return _one_object(arguments)
        return self._schema.validate(arguments)

    async def run(self, arguments: str | Mapping[str, Any] = "") -> Any:
        """Validate the arguments of a model's call, run the function, and return what it returned.

        Args:
            arguments: The JSON text that the model sent (`ToolCall.raw_arguments`), or an object.

        Raises:
            ToolError: The arguments do not fit, or it took too long.
            CallbackError: The function raised something that is not an `Exception`, such as `SystemExit`.
            Exception: Whatever the function raises.
        """
        return await self.call(self.validate(arguments))

    async def call(self, arguments: Mapping[str, Any], *, timeout: float | None = None) -> Any:
        """Run the function with validated arguments, and return what it returned.

        A function that is not async runs in a daemon thread, with the context variables of the caller; 64 do so at a
        time. A thread cannot be stopped: after a timeout or a cancellation it runs on, and what it
        returns is dropped. An async function that ignores its cancellation is abandoned two seconds later.

        Args:
            arguments: Keyword arguments.
            timeout: Seconds that it may take, if the tool has no timeout of its own.

        Raises:
            ToolError: It took too long.
            CallbackError: The function raised something that is not an `Exception`, such as `SystemExit`.
            Exception: Whatever the function raises.
        """
        seconds = timeout if self.timeout is None else self.timeout
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await _result_of(f"tool {self.name}", self.function, arguments)
        except TimeoutError:
            if not limit.expired():  # one of the function's own
                raise
        raise ToolError(f"{self.name} took longer than {seconds:g} seconds")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, without validation."""
        return self.function(*args, **kwargs)

    @cached_property
    def _schema(self) -> ToolSchema:
        from raptscallions_ai.tools.schema import schema_of

        return schema_of(self.function, self.name)

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    needs_approval: bool | None = None,
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    needs_approval: bool | None = None,
) -> Any:
    """Make a tool from a function: `@tool`, `@tool(timeout=5)`, or `tool(instance.method)`.

    The JSON schema of the arguments comes from the type hints, through pydantic, and is made on first use. Each
    parameter needs one. Texts for the model come from the docstring, in Google's, NumPy's or reST style, or from
    `Annotated[str, Field(description="...")]`, which may also hold limits.

    Args:
        function: A function or a bound method, async or not.
        name: What the model calls it; else the function's name.
        description: What it does, for the model; else the docstring's.
        timeout: Seconds that a run may take.
        needs_approval: Whether `run_tools` asks its `approve` hook first; see `Tool`.

    Raises:
        TypeError: It is not such a function.
        ValueError: The name cannot be sent, or `timeout` is not positive.
    """

    def decorate(function: Callable[..., Any]) -> Tool[..., Any]:
        return Tool(function, name=name, description=description, timeout=timeout, needs_approval=needs_approval)

    return decorate if function is None else decorate(function)


def tools_to_wire(tools: Sequence[Tool[..., Any] | Mapping[str, Any] | Callable[..., Any]]) -> list[Mapping[str, Any]]:
    """Return tools in the OpenAI wire format.

    A mapping is passed on as it is, because gateways have their own kinds; only the short form with `name` and
    `parameters` but no `type` is wrapped as a function.

    Raises:
        TypeError: One is no tool, function or mapping, or its type hints have no JSON schema.
        ValueError: A mapping is not a tool.
    """
    return [_to_wire(each) for each in with_functions_as_tools(tools)]


def checked_timeout(seconds: float | None, name: str) -> float | None:
    """Return a time limit after checking it; `name` is the argument's name for the message."""
    if seconds is not None and not seconds > 0:
        raise ValueError(f"{name} must be more than 0 seconds")
    return seconds


def with_functions_as_tools(tools: object) -> list[object]:
    """Return tools, with each plain function among them made into a `Tool`.

    Raises:
        TypeError: They are not a sequence, or a function cannot be a tool.
    """
    if not isinstance(tools, Sequence) or isinstance(tools, str | bytes):
        raise TypeError(f"tools must be a list of tools and functions, not {type(tools).__name__}")
    return [_as_tool(each) for each in cast("Sequence[object]", tools)]


def _as_tool(given: object) -> object:
    return Tool(cast("Callable[..., Any]", given)) if inspect.isroutine(given) else given


def _to_wire(given: object) -> Mapping[str, Any]:
    if isinstance(given, Tool):
        return cast("Tool[..., Any]", given).to_dict()
    if not isinstance(given, Mapping):
        raise TypeError(f"tools must hold functions, Tools and dicts, not {type(given).__name__}")
    wire = cast("Mapping[str, Any]", given)
    if "type" in wire or "function" in wire:
        return wire
    if {"name", "parameters"} <= wire.keys():
        return {"type": "function", "function": wire}
    raise ValueError("a tool that is a dict needs a 'type', or 'name' and 'parameters'")


def _one_object(arguments: str | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(arguments, str):
        return dict(arguments)
    try:
        return ToolCall("", "", arguments).arguments
    except InvalidResponseError:
        pass
    raise ToolError("invalid arguments: they are not a JSON object")


async def _result_of(tool: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    from raptscallions_ai._guards.callbacks import in_task, in_thread

    if inspect.iscoroutinefunction(function):
        return await in_task(tool, function(**arguments))
    result = await in_thread(tool, lambda: function(**arguments))
    return await in_task(tool, result) if inspect.isawaitable(result) else result
