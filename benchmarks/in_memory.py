"""The OpenAI SDK on a transport without sockets: bytes in, chunks out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
from openai import AsyncOpenAI
from wire import Model, render

_BLOCK = 65536


class _Body(httpx2.AsyncByteStream):
    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = blocks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for block in self._blocks:
            yield block


class _Transport(httpx2.AsyncBaseTransport):
    def __init__(self, name: str, *, read_whole_blocks: bool) -> None:
        self._whole = read_whole_blocks
        model = Model.asked_for(name.encode())
        self._rendered = {} if model is None else {model: self._blocks(model)}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        model = Model.asked_for(await request.aread())
        if model is None:
            return httpx2.Response(404)
        if (blocks := self._rendered.get(model)) is None:
            blocks = self._rendered[model] = self._blocks(model)
        return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, stream=_Body(blocks))

    def _blocks(self, model: Model) -> list[bytes]:
        body = render(model).body
        if self._whole:
            return [body[start : start + _BLOCK] for start in range(0, len(body), _BLOCK)]
        return [event + b"\n\n" for event in body.split(b"\n\n")[:-1]]


def in_memory_sdk(model: str, *, read_whole_blocks: bool) -> AsyncOpenAI:
    """Return an SDK client whose answers are in memory, to be read in blocks of 64 KiB or event by event.

    Args:
        model: Whose answer is to be there before it is asked for.
        read_whole_blocks: Whether a read gives as much as there is.
    """
    transport = _Transport(model, read_whole_blocks=read_whole_blocks)
    return AsyncOpenAI(
        api_key="benchmark-key",
        base_url="http://127.0.0.1/api/v1",
        http_client=httpx2.AsyncClient(transport=transport),
    )
