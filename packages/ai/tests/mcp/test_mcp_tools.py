"""Tools of real MCP servers, over stdio, over HTTP and in this process, called by a model's answers."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.server import MCPServer
from mcp.types import ToolAnnotations
from starlette.types import ASGIApp
from web_server import Server

from raptscallions_ai import ToolError
from raptscallions_ai.answer.chunks import ToolCallChunk
from raptscallions_ai.mcp import McpProgress, mcp_tools
from raptscallions_ai.testing import ScriptedClient
from raptscallions_ai.tools.tool import Tool

pytestmark = [pytest.mark.requirement("E04-T032.AC1"), pytest.mark.timeout(120)]

PROGRAM = Path(__file__).parent / "weather_server.py"
WEATHER = StdioServerParameters(command=sys.executable, args=[str(PROGRAM)])


def weather_app() -> MCPServer:
    """The same server, in this process."""
    spec = importlib.util.spec_from_file_location("weather_server", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


def named(tools: list[Tool[..., Any]], name: str) -> Tool[..., Any]:
    return next(tool for tool in tools if tool.name == name)


async def test_a_model_calls_a_tool_of_a_server_on_stdio() -> None:
    call = [ToolCallChunk(0, "call_1", "forecast", '{"city": "Rome", "days": 2}')]
    client = ScriptedClient(call, "It will be sunny.")
    async with mcp_tools(WEATHER) as tools:
        result = await client.run_tools("Weather in Rome?", tools=tools).result()
    assert result.content == "It will be sunny."
    first, second = client.calls
    sent = {tool["function"]["name"]: tool["function"] for tool in (each.to_dict() for each in first.options["tools"])}
    assert set(sent) == {"forecast", "sky_picture", "measure", "read_once_dead", "write_and_die"}
    assert sent["forecast"]["description"] == "Tell the weather of a city."
    assert sent["forecast"]["parameters"]["required"] == ["city"]
    assert second.messages[-1]["content"] == "Sunny in Rome for 2 days"


async def test_a_server_over_streamable_http(monkeypatch: pytest.MonkeyPatch) -> None:
    app: ASGIApp = weather_app().streamable_http_app()
    with Server(app).running() as server:
        async with mcp_tools(f"{server.url}/mcp") as tools:
            assert await named(tools, "forecast").run('{"city": "Oslo"}') == "Sunny in Oslo for 1 days"


async def test_tools_of_a_session_that_is_open() -> None:
    async with Client(weather_app()) as session:
        tools = await mcp_tools(session)
        assert await named(tools, "forecast").run({"city": "Lima"}) == "Sunny in Lima for 1 days"
        lower = await mcp_tools(session.session, prefix="weather_")
        assert await named(lower, "weather_forecast").run({"city": "Lima"}) == "Sunny in Lima for 1 days"


async def test_a_picture_reaches_the_model_as_a_picture() -> None:
    client = ScriptedClient([ToolCallChunk(0, "call_1", "sky_picture", "{}")], "Blue.")
    async with Client(weather_app()) as session:
        await client.run_tools("Which colour?", tools=await mcp_tools(session)).result()
    content: Any = client.calls[1].messages[-1]["content"]
    assert content == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [("forecast", "{}", "Field required"), ("forecast", '{"city": "x", "days": "many"}', "valid integer")],
)
async def test_what_the_server_refuses_is_for_the_model_to_mend(tool: str, arguments: str, says: str) -> None:
    client = ScriptedClient([ToolCallChunk(0, "call_1", tool, arguments)], "Sorry.")
    async with Client(weather_app()) as session:
        result = await client.run_tools("?", tools=await mcp_tools(session)).result()
    assert result.content == "Sorry."
    assert says in str(client.calls[1].messages[-1]["content"])


async def test_progress_and_cancellation(tmp_path: Path) -> None:
    mark, begun = tmp_path / "mark", asyncio.Event()
    told: list[McpProgress] = []

    def on_progress(progress: McpProgress) -> None:
        told.append(progress)
        begun.set()

    async with mcp_tools(WEATHER, on_progress=on_progress) as tools:
        running = asyncio.create_task(named(tools, "measure").run({"mark": str(mark)}))
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        # The server answers in order, so that it has heard of the cancellation before this.
        await named(tools, "forecast").run({"city": "Rome"})
        async with asyncio.timeout(10):
            while not mark.exists():  # noqa: ASYNC110 - another process's file
                await asyncio.sleep(0.01)
    assert told == [McpProgress("measure", 1, 10, "one of ten")]


async def test_a_server_that_died_is_connected_to_again(tmp_path: Path) -> None:
    async with mcp_tools(WEATHER) as tools:
        assert await named(tools, "read_once_dead").run({"mark": str(tmp_path / "mark")}) == "alive again"
        with pytest.raises(ToolError, match="nobody knows whether it took place"):
            await named(tools, "write_and_die").run({})
        assert await named(tools, "forecast").run({"city": "Rome"}) == "Sunny in Rome for 1 days"


async def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(ToolError, match="the MCP server cannot be reached"):
        async with mcp_tools("http://127.0.0.1:9/mcp"):
            pass
    with pytest.raises(ToolError, match="the MCP server cannot be reached"):
        async with mcp_tools(StdioServerParameters(command="/nowhere/no-such-server")):
            pass


async def test_a_server_that_is_not_open_cannot_be_awaited() -> None:
    with pytest.raises(TypeError, match="needs `async with mcp_tools"):
        await mcp_tools(WEATHER)
    with pytest.raises(TypeError, match="needs a server"):
        mcp_tools()


@pytest.mark.requirement("E04-T032.AC2")
async def test_names_of_two_servers_do_not_clash() -> None:
    def server(name: str, *tools: str) -> MCPServer:
        app = MCPServer(name)
        for tool in tools:
            app.tool(name=tool, annotations=ToolAnnotations(read_only_hint=True))(lambda: name)
        return app

    long = "x" * 70
    servers = [
        server("Rome!", "search", "only here"),
        server("Oslo", "search", long + "a", long + "b"),
        server("Oslo", "search"),
    ]
    async with mcp_tools(*servers) as tools:
        names = [tool.name for tool in tools]
        answers = [await tool.run({}) for tool in tools]
    assert names[:3] == ["Rome_search", "only_here", "Oslo_search"]
    assert names[5] == "Oslo_3_search"
    assert len(set(names)) == 6
    assert all(len(name) <= 64 for name in names)
    assert answers == ["Rome!", "Rome!", "Oslo", "Oslo", "Oslo", "Oslo"]


def test_without_the_package_it_says_what_to_install() -> None:
    program = "import sys; sys.modules['mcp'] = None\nfrom raptscallions_ai.mcp import mcp_tools\nmcp_tools('http://x')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.rstrip().endswith("ImportError: mcp is missing: pip install 'raptscallions-ai[mcp]'")
