"""Functions of the user's own are called around every call, and may change or refuse it."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace

import pytest

from raptscallions_ai import AiError, ChatResult, ProviderError, StreamChunk, system
from raptscallions_ai.testing import ScriptedClient
from raptscallions_ai.wrappers import ChatCall, HookedClient

pytestmark = pytest.mark.requirement("E04-T005.AC9")


class Notes:
    """Hooks that note what they are called with."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def before(self, call: ChatCall) -> None:
        self.seen.append(f"before {call.model} {call.stream}")

    def chunk(self, call: ChatCall, chunk: StreamChunk) -> None:
        self.seen.append(chunk.type)

    def after(self, call: ChatCall, result: ChatResult) -> None:
        self.seen.append(f"after {result.content}")

    def error(self, call: ChatCall, error: AiError) -> None:
        self.seen.append(f"error {type(error).__name__} {error.partial.content if error.partial else ''}")

    def left(self, call: ChatCall, partial: ChatResult) -> None:
        self.seen.append(f"left {partial.content}")

    def around(self, client: ScriptedClient) -> HookedClient:
        return HookedClient(
            client,
            before_call=self.before,
            on_chunk=self.chunk,
            after_call=self.after,
            on_error=self.error,
            on_left=self.left,
        )


async def test_a_complete_call() -> None:
    notes = Notes()
    client = notes.around(ScriptedClient(["a", "b"], "c"))
    await client.chat("Hi", model="m/1")
    await client.chat("Hi", stream=False)
    assert notes.seen == [
        "before m/1 True",
        "content",
        "content",
        "done",
        "after ab",
        "before None False",
        "content",
        "done",
        "after c",
    ]


async def test_a_failed_call() -> None:
    notes = Notes()
    with pytest.raises(ProviderError):
        await notes.around(ScriptedClient(["a", ProviderError()])).chat("Hi")
    assert notes.seen == ["before None True", "content", "error ProviderError a"]


@pytest.mark.parametrize("way", ["break", "close", "forget", "cancel"])
async def test_a_call_that_is_left(way: str) -> None:
    notes = Notes()
    stream = notes.around(ScriptedClient(["a", "b"])).stream_chat("Hi")
    if way == "break":
        async for _ in stream:
            break
    else:
        await anext(stream)
        if way == "close":
            await stream.aclose()
        elif way == "cancel":
            task = asyncio.ensure_future(stream.result())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            del stream
            gc.collect()
    assert notes.seen == ["before None True", "content", "left a"]


async def test_a_hook_may_change_a_call() -> None:
    async def with_instructions(call: ChatCall) -> ChatCall:
        await asyncio.sleep(0)
        assert isinstance(call.messages, str)
        messages = [system("Be brief."), {"role": "user", "content": call.messages}]
        return replace(call, messages=messages, model="m/2", options={**call.options, "seed": 7})

    scripted = ScriptedClient("a")
    await HookedClient(scripted, before_call=with_instructions).chat("Hi", temperature=0.5)
    assert [message["role"] for message in scripted.calls[0].messages] == ["system", "user"]
    assert scripted.calls[0].options == {"model": "m/2", "temperature": 0.5, "seed": 7}


async def test_a_hook_may_refuse_a_call() -> None:
    def refuse(call: ChatCall) -> None:
        raise PermissionError("not today")

    scripted = ScriptedClient("a")
    with pytest.raises(PermissionError, match="not today"):
        await HookedClient(scripted, before_call=refuse).chat("Hi")
    assert scripted.calls == []


async def test_what_a_hook_raises_at_a_chunk_ends_the_call() -> None:
    def fail(call: ChatCall, chunk: StreamChunk) -> None:
        raise KeyError("a bug")

    scripted = ScriptedClient(["a", "b"])
    with pytest.raises(KeyError):
        await HookedClient(scripted, on_chunk=fail).chat("Hi")
    assert scripted.calls[0].closed


async def test_what_the_last_hooks_raise_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    def fail(call: ChatCall, what: object) -> None:
        raise ValueError(f"cannot save {call.messages}")

    client = HookedClient(ScriptedClient(ProviderError(), ["a", "b"]), on_error=fail, on_left=fail)
    with pytest.raises(ProviderError):
        await client.chat("my PIN")
    async for _ in client.stream_chat("my PIN"):
        break
    assert caplog.text.count("a hook of a call failed: ValueError") == 2
    assert "my PIN" not in caplog.text
