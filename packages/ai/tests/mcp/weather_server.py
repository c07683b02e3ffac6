"""An MCP server, in a process of its own on stdio, or for the ASGI server of a test."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.types import ToolAnnotations

app = MCPServer("weather station")


@app.tool()
def forecast(city: str, days: int = 1) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city} for {days} days"


@app.tool(name="sky.picture")
def picture() -> Image:
    """Show the sky."""
    return Image(data=b"\x89PNG\r\n\x1a\n", format="png")


@app.tool()
async def measure(mark: str, ctx: Context) -> str:
    """Report some progress, then wait; write into a file how that ended."""
    await ctx.report_progress(1, 10, "one of ten")
    try:
        await anyio.sleep_forever()
    except BaseException as error:
        Path(mark).write_text(type(error).__name__)
        raise
    return "never"


@app.tool(annotations=ToolAnnotations(read_only_hint=True))
def read_once_dead(mark: str) -> str:
    """End the server at the first call, and answer at the second."""
    if Path(mark).exists():
        return "alive again"
    Path(mark).touch()
    os._exit(1)


@app.tool()
def write_and_die() -> str:
    """End the server."""
    os._exit(1)


if __name__ == "__main__":
    logging.disable()
    app.run()
