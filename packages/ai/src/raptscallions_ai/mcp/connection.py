"""`Connection`: one MCP server, reconnected to when it was lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from raptscallions_ai.errors import ToolError

if TYPE_CHECKING:
    from mcp import Client, ClientSession, StdioServerParameters
    from mcp.server import MCPServer
    from mcp.types import CallToolResult, Tool

    McpServer: TypeAlias = str | StdioServerParameters | MCPServer | Client | ClientSession

__all__ = ["Connection"]

_CONNECTION_CLOSED = -32000  # JSON-RPC code of the MCP package for a connection that has ended
_MOST_PAGES = 100


class Connection:
    """One MCP server.

    A client of the MCP package must be left by the task that entered it, so each that is opened here has a task of its
    own. A session that the caller has opened is used as it is, and cannot be opened again.

    Args:
        server: Where it is, or an open session.
        timeout: Seconds that one of its answers may take; None for no limit.
    """

    def __init__(self, server: McpServer, timeout: float | None) -> None:
        from mcp import Client, ClientSession

        self._server = server
        self._timeout = timeout
        self._given = isinstance(server, Client | ClientSession)
        self._session: Any = server if self._given else None
        self._owner: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()
        self._opening = asyncio.Lock()

    @property
    def is_given(self) -> bool:
        """Whether the caller has opened it."""
        return self._given

    @property
    def name(self) -> str:
        """What the server calls itself; empty if it does not say."""
        info = getattr(self._session, "server_info", None)
        return "" if info is None else info.name

    async def open(self) -> None:
        """Connect, unless there is a connection.

        Raises:
            ToolError: The server cannot be reached.
        """
        async with self._opening:
            if self._session is None:
                await self._connect()

    async def close(self) -> None:
        """Disconnect from what was opened here."""
        self._leave.set()
        if self._owner is not None:
            await asyncio.wait({self._owner})

    async def list_tools(self) -> list[Tool]:
        """Return the tools of the server.

        Raises:
            ToolError: It does not answer.
        """
        from mcp import Client
        from mcp.types import PaginatedRequestParams

        tools: list[Tool] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            session = self._session
            try:
                async with asyncio.timeout(self._timeout):
                    if isinstance(session, Client):
                        page = await session.list_tools(cursor=cursor)
                    else:
                        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
            except Exception as error:
                raise ToolError(f"the MCP server does not list its tools: {_sentence(error)}") from None
            tools += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        return tools

    async def call(self, name: str, arguments: dict[str, Any], *, repeatable: bool, on_progress: Any) -> CallToolResult:
        """Call a tool; if the connection is lost, connect again.

        Args:
            name: The server's name of the tool.
            arguments: Its arguments.
            repeatable: Whether it may be called once more when nobody knows whether the first call took place.
            on_progress: Called with progress, total and message.

        Raises:
            ToolError: The call failed, or the connection was lost.
        """
        for attempt in (1, 2):
            await self.open()
            session = self._session
            try:
                return await session.call_tool(
                    name, arguments, read_timeout_seconds=self._timeout, progress_callback=on_progress
                )
            except Exception as error:
                if not _is_lost(error):
                    raise ToolError(f"the MCP server refused the call: {_sentence(error)}") from None
                self._forget(session)
            if attempt == 2 or self._given:
                raise ToolError("the connection to the MCP server is lost")
            if not repeatable:
                raise ToolError(
                    "the connection to the MCP server was lost during the call; nobody knows whether it took place"
                )
        raise AssertionError("unreachable")

    async def _connect(self) -> None:
        ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._leave = asyncio.Event()
        self._owner = asyncio.create_task(self._own(ready, self._leave))
        try:
            self._session = await ready
        except asyncio.CancelledError:
            self._leave.set()
            raise
        except Exception as error:
            raise ToolError(f"the MCP server cannot be reached: {_sentence(error)}") from None

    async def _own(self, ready: asyncio.Future[Any], leave: asyncio.Event) -> None:
        from mcp import Client

        try:
            async with asyncio.timeout(self._timeout) as opening:
                server = cast("str | StdioServerParameters | MCPServer", self._server)
                async with Client(server, read_timeout_seconds=self._timeout) as session:
                    opening.reschedule(None)
                    if not ready.done():
                        ready.set_result(session)
                    await leave.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error if isinstance(error, Exception) else ConnectionError("cancelled"))
            if not isinstance(error, Exception):
                raise

    def _forget(self, session: Any) -> None:
        """Let go of a session that is lost, so that the next call opens another."""
        if not self._given and self._session is session:
            self._session = None
            self._leave.set()


def _is_lost(error: BaseException) -> bool:
    """Whether the connection has ended, and not only this call."""
    from mcp import MCPError

    cause = _innermost(error)
    if isinstance(cause, MCPError):
        return cause.code == _CONNECTION_CLOSED
    return not isinstance(cause, TimeoutError | ValueError | TypeError)


def _sentence(error: BaseException) -> str:
    cause = _innermost(error)
    return (str(cause) or type(cause).__name__)[:300]


def _innermost(error: BaseException) -> BaseException:
    """Return the first failure of a task group, which is where the MCP package puts them."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
