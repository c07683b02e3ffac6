"""A proxy on loopback in front of a fake gateway, and what its callers send."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2

from raptscallions_ai.proxy import AuditRecord
from raptscallions_ai.testing import chunk, sse, usage
from raptscallions_ai.testing.wire import DONE

__all__ = ["END", "TOKEN", "Call", "Proxied", "RawCaller", "RunProxy", "agents_body", "completions_body"]

TOKEN = "a-callers-token"
END = sse(chunk("", finish_reason="stop", usage=usage())) + DONE


@dataclass
class Proxied:
    """A running proxy.

    Attributes:
        url: Its root.
        parked: Set once it waits for a caller that does not read.
        token: The token of the caller `alice`.
        records: What was audited so far.
    """

    url: str
    parked: threading.Event = field(default_factory=threading.Event)
    token: str = TOKEN
    records: list[AuditRecord] = field(default_factory=list[AuditRecord])
    _news: threading.Condition = field(default_factory=threading.Condition)

    def audit(self, record: AuditRecord) -> None:
        with self._news:
            self.records.append(record)
            self._news.notify_all()

    def headers(self, **further: str) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in further.items()}
        return {"Authorization": f"Bearer {self.token}", **named}

    async def audited(self, count: int = 1) -> list[AuditRecord]:
        """Wait until so many requests are recorded, and return the records."""
        await asyncio.to_thread(self._wait, count)
        return self.records

    def _wait(self, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: len(self.records) >= count, timeout=5), self.records

    async def post(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        async with httpx2.AsyncClient(timeout=30) as http:
            return await http.post(self.url + path, json=body, headers=self.headers(**headers))


RunProxy = Callable[..., Proxied]


def agents_body(text: str = "Hi", **options: Any) -> dict[str, Any]:
    """Return a request as tinyagent sends it."""
    message = {"role": "user", "content": [{"type": "text", "text": text}]}
    return {
        "model": {"provider": "openrouter", "id": "fake/model-1", "api": "openrouter", "thinking_level": "off"},
        "context": {"system_prompt": "Be brief.", "messages": [message]},
        "options": {"temperature": None, "maxTokens": None, "reasoning": None, **options},
    }


def completions_body(text: str = "Hi", **fields: Any) -> dict[str, Any]:
    """Return a request as OpenAI's SDKs send it."""
    return {"model": "fake/model-1", "messages": [{"role": "user", "content": text}], **fields}


class RawCaller:
    """A caller on a bare socket, of which the test says when it reads."""

    def __init__(self, proxied: Proxied, path: str, body: object, **headers: str) -> None:
        parts = urlsplit(proxied.url)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.socket.settimeout(10)
        self.socket.connect((parts.hostname, parts.port))
        data = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Length: {len(data)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in proxied.headers(**headers).items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + data)

    def leave(self) -> None:
        """Close the connection, whatever is still unread."""
        self.socket.close()

    def read_until(self, text: bytes) -> bytes:
        seen = b""
        while text not in seen:
            data = self.socket.recv(65536)
            assert data, seen
            seen += data
        return seen

    def rest(self) -> bytes:
        seen = b""
        while data := self.socket.recv(65536):
            seen += data
        return seen


Call = Callable[..., RawCaller]
