"""What it takes to write a client or a wrapper of one's own: one method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import pytest

from raptscallions_ai import CallOptions, ChatResult, ChatStream, ContentChunk, Messages, StreamChunk, Usage
from raptscallions_ai.answer import ChunkSource
from raptscallions_ai.client import BaseChatClient
from raptscallions_ai.testing import ScriptedClient
from raptscallions_ai.wrappers import AroundSource, ChatCall, WrappedClient


@dataclass
class Place:
    city: str


pytestmark = pytest.mark.requirement("E04-T005.AC9")


@pytest.mark.requirement("E04-T007.AC2")
@pytest.mark.requirement("E04-T007.AC3")
async def test_a_wrapper_is_one_method() -> None:
    class Loud(AroundSource):
        def received(self, chunks: Sequence[StreamChunk]) -> Sequence[StreamChunk]:
            return [ContentChunk(one.content.upper()) if one.type == "content" else one for one in chunks]

    class LoudClient(WrappedClient):
        def source(self, call: ChatCall) -> ChunkSource:
            return Loud(self.ask(call))

    scripted = ScriptedClient("hi", repeat=True)
    client = LoudClient(scripted)
    for streamed in (True, False):
        assert [text async for text in client.stream_chat("Hi", stream=streamed).text_stream] == ["HI"]
        assert (await client.chat("Hi", stream=streamed)).finish_reason == "stop"
    assert [call.options["stream"] for call in scripted.calls] == [True, True, False, False]


async def test_a_client_is_one_method_and_a_way_to_close_it() -> None:
    class Parrot(BaseChatClient):
        def stream_chat(
            self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
        ) -> ChatStream:
            return ScriptedClient(str(messages)).stream_chat(messages, model=model, **options)

        async def aclose(self) -> None:
            """Close nothing: there is no connection."""

    async with Parrot() as client:
        assert (await client.chat("Hi", stream=False)).content == "Hi"
        assert (await client.parse('{"city": "Rome"}', Place)).parsed == Place("Rome")


async def test_begin_may_choose_where_the_chunks_come_from() -> None:
    class Chosen(AroundSource):
        def __init__(self, client: WrappedClient, call: ChatCall) -> None:
            super().__init__()
            self._client, self._call = client, call

        async def begin(self) -> ChunkSource:
            return self._client.ask(self._call)

    class ChoosingClient(WrappedClient):
        def source(self, call: ChatCall) -> ChunkSource:
            return Chosen(self, call)

    stream = ChoosingClient(ScriptedClient("hi")).stream_chat("Hi")
    assert (stream.partial, await stream.result()) == (ChatResult(), stream.partial)
    assert stream.partial.content == "hi"


async def test_a_source_without_anything_to_read_is_a_mistake() -> None:
    ended: list[BaseException | None] = []

    class Nothing(AroundSource):
        def ended(self, result: ChatResult | None, error: BaseException | None) -> None:
            ended.append(error)

    class CarelessClient(WrappedClient):
        def source(self, call: ChatCall) -> ChunkSource:
            return Nothing()

    stream = CarelessClient(ScriptedClient("hi")).stream_chat("Hi")
    with pytest.raises(TypeError, match=r"Nothing\.begin must return where the chunks come from") as caught:
        await stream.result()
    assert ended == [caught.value]
    assert stream.partial == ChatResult()
    assert await stream.settle() == Usage()
