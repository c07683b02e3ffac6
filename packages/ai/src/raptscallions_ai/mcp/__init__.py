"""Tools of MCP servers, for `run_tools`.

Needs the extra `mcp`; the official package is imported when servers are connected to.
"""

from raptscallions_ai.mcp.tools import McpProgress, McpTools, mcp_tools

__all__ = ["McpProgress", "McpTools", "mcp_tools"]
