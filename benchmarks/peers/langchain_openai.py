"""langchain-openai's chat model; it does not tell its caller what a call cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_openai import ChatOpenAI


class Peer:
    """A `ChatOpenAI` for each model, kept."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._models: dict[str, ChatOpenAI] = {}

    async def stream(self, model: str, messages: list[dict[str, str]], on_text: Callable[[str], object]) -> None:
        """Read a stream."""
        async for chunk in self._asked(model).astream(messages):
            if chunk.content:
                on_text(chunk.content)

    async def complete(self, model: str, messages: list[dict[str, str]]) -> str:
        """Ask for one JSON body."""
        return (await self._asked(model).ainvoke(messages)).content

    def _asked(self, model: str) -> ChatOpenAI:
        if model not in self._models:
            self._models[model] = ChatOpenAI(
                model=model, api_key="benchmark-key", base_url=self._url, stream_usage=True
            )
        return self._models[model]


def connect(task: dict[str, Any]) -> Peer:
    """Return a client of the server."""
    return Peer(task["url"])
