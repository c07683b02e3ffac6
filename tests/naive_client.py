"""A client as a first draft is: no deadline, no evidence of an end, no look at the status; see test_fault_scores.py."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

ERRORS = (ConnectionError,)


def connect(trial: Any) -> list[asyncio.StreamWriter]:
    """Return what keeps every connection open for as long as the client lives."""
    return []


async def ask(client: list[asyncio.StreamWriter], trial: Any, reader: Any) -> None:
    """Read lines and hand over their text."""
    url = urlsplit(str(trial.base_url))
    lines, writer = await asyncio.open_connection(url.hostname, url.port, limit=2**24)
    client.append(writer)
    body = json.dumps({"stream": True, "messages": [{"role": "user", "content": trial.prompt}]}).encode()
    head = f"POST {url.path}/chat/completions HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    print("This is not the protocol's business.")
    while (line := await lines.readline()) and line != b"0\r\n":
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:])["choices"]:
                text = choice["delta"].get("content")
                if text and not await reader.take(text):
                    return
