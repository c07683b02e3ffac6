"""The protocol's own reference server, from npm: every kind of content that a tool can return."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from mcp import StdioServerParameters

from raptscallions_ai import ToolError
from raptscallions_ai.mcp import McpProgress, mcp_tools

pytestmark = [pytest.mark.requirement("E04-T032.AC1"), pytest.mark.timeout(300)]

HERE = Path(__file__).parent


async def test_the_reference_server(node_modules: Callable[[Path], Path]) -> None:
    program = node_modules(HERE / "everything") / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
    told: list[McpProgress] = []
    server = StdioServerParameters(command="node", args=[str(program), "stdio"])
    async with mcp_tools(server, on_progress=told.append) as found:
        tools = {tool.name: tool for tool in found}
        assert await tools["echo"].run({"message": "hello"}) == "Echo: hello"
        assert "is 5" in await tools["get-sum"].run({"a": 2, "b": 3})
        picture = [part for part in await tools["get-tiny-image"].run({}) if part["type"] == "image_url"]
        head, _, data = picture[0]["image_url"]["url"].partition(",")
        assert (head, base64.b64decode(data)[:4]) == ("data:image/png;base64", b"\x89PNG")
        assert "](demo://" in await tools["get-resource-links"].run({"count": 2})
        assert "Resource 1" in str(await tools["get-resource-reference"].run({"resourceType": "Text", "resourceId": 1}))
        assert await tools["get-structured-content"].run({"location": "New York"})
        await tools["trigger-long-running-operation"].run({"duration": 0.2, "steps": 2})
        with pytest.raises(ToolError):
            await tools["echo"].run({})
    assert [(progress.done, progress.total) for progress in told] == [(1, 2), (2, 2)]
