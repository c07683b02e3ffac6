"""`mcp_tools`: the tools of MCP servers as tools of ours.

Source: Model Context Protocol, "Tools"; the package `mcp` speaks it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raptscallions_ai._guards.imports import require_extra
from raptscallions_ai.errors import ToolError
from raptscallions_ai.tools.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from mcp.types import CallToolResult
    from mcp.types import Tool as ServerTool

    from raptscallions_ai.mcp.connection import Connection, McpServer

__all__ = ["McpProgress", "McpTools", "mcp_tools"]

_LONGEST_NAME = 64
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class McpProgress:
    """How far a tool has come.

    Attributes:
        tool: The tool's name, as the model calls it.
        done: How much is done, in the server's own unit.
        total: How much there is to do; None if the server does not say.
        message: What the server says of it, if anything.
    """

    tool: str
    done: float
    total: float | None
    message: str | None


def mcp_tools(
    *servers: McpServer,
    prefix: str = "",
    timeout: float | None = 60.0,
    needs_approval: bool | None = None,
    on_progress: Callable[[McpProgress], object] | None = None,
) -> McpTools:
    """Return the tools of MCP servers, for `run_tools`.

    With `async with` it connects to the servers, connects again to one that was lost, and disconnects at the end:

        async with mcp_tools("http://127.0.0.1:8000/mcp", StdioServerParameters(command="my-server")) as tools:
            run = client.run_tools("Will it rain in Rome?", tools=tools)

    With `await` it takes the tools of sessions that are open, and leaves these to you: `await mcp_tools(session)`.

    Args:
        *servers: Where each is: the URL of one that speaks streamable HTTP, `StdioServerParameters` of one to start, an
            `MCPServer` of this process, or an open `mcp.Client` or `mcp.ClientSession`.
        prefix: What the names of the tools begin with, such as `"weather_"`. Without one, names that two of the servers
            have begin with the server's own name.
        timeout: Seconds that a call, or connecting, may take; None for no limit.
        needs_approval: Whether `run_tools` asks its `approve` hook before each call; see `Tool`.
        on_progress: Called with each `McpProgress` that a server tells during a call.

    Raises:
        ImportError: The extra `mcp` is not installed.
        TypeError: There is no server.
    """
    require_extra("mcp", "mcp")
    if not servers:
        raise TypeError("mcp_tools needs a server: a URL, StdioServerParameters, an MCPServer or an open session")
    return McpTools(servers, prefix, timeout, needs_approval, on_progress)


class McpTools:
    """The tools of MCP servers: to be awaited for sessions that are open, or entered with `async with`."""

    def __init__(
        self,
        servers: tuple[McpServer, ...],
        prefix: str,
        timeout: float | None,
        needs_approval: bool | None,
        on_progress: Callable[[McpProgress], object] | None,
    ) -> None:
        from raptscallions_ai.mcp.connection import Connection

        self._connections = [Connection(server, timeout) for server in servers]
        self._prefix = prefix
        self._needs_approval = needs_approval
        self._on_progress = on_progress

    def __await__(self) -> Generator[Any, None, list[Tool[..., Any]]]:
        if not all(connection.is_given for connection in self._connections):
            raise TypeError("a server that is not connected to yet needs `async with mcp_tools(...) as tools`")
        return self._tools().__await__()

    async def __aenter__(self) -> list[Tool[..., Any]]:
        try:
            for connection in self._connections:
                await connection.open()
            return await self._tools()
        except BaseException:
            await self._close()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        for connection in reversed(self._connections):
            await connection.close()

    async def _tools(self) -> list[Tool[..., Any]]:
        found = [(connection, tool) for connection in self._connections for tool in await connection.list_tools()]
        return [
            self._tool(connection, tool, name)
            for (connection, tool), name in zip(found, self._names(found), strict=True)
        ]

    def _names(self, found: list[tuple[Connection, ServerTool]]) -> list[str]:
        """Return a name for each tool, all of them different."""
        plain = [_name(self._prefix + tool.name) for _, tool in found]
        taken = Counter(plain)
        names: list[str] = []
        for (connection, tool), name in zip(found, plain, strict=True):
            server = _NOT_IN_NAMES.sub("_", connection.name).strip("_") or "server"
            unique = name if taken[name] == 1 else _name(f"{self._prefix}{server}_{tool.name}")
            if unique in names:  # two servers of the same name, too
                number = self._connections.index(connection) + 1
                unique = _name(f"{self._prefix}{server}_{number}_{tool.name}")
            names.append(unique)
        return names

    def _tool(self, connection: Connection, tool: ServerTool, name: str) -> Tool[..., Any]:
        hints = tool.annotations
        repeatable = hints is not None and bool(hints.read_only_hint or hints.idempotent_hint)
        on_progress = self._on_progress

        async def report(done: float, total: float | None, message: str | None) -> None:
            if on_progress is not None:
                on_progress(McpProgress(name, done, total, message))

        async def call(**arguments: Any) -> Any:
            answer = await connection.call(
                tool.name, arguments, repeatable=repeatable, on_progress=None if on_progress is None else report
            )
            return _result(answer)

        empty: dict[str, Any] = {"type": "object", "properties": {}}  # some servers leave one of them out
        parameters = empty | tool.input_schema
        return Tool.from_schema(name, tool.description, parameters, call, needs_approval=self._needs_approval)


def _result(answer: CallToolResult) -> Any:
    from raptscallions_ai.mcp.results import result_for_model

    result = result_for_model(answer)
    if answer.is_error:
        texts = [result] if isinstance(result, str) else [part["text"] for part in result if part["type"] == "text"]
        raise ToolError("\n".join(texts) or "the tool failed")
    return result


def _name(wanted: str) -> str:
    """Return a name that can be sent; one that is too long ends with a hash, which keeps it apart from its like."""
    name = _NOT_IN_NAMES.sub("_", wanted) or "tool"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 9]}_{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
