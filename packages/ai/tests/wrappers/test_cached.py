"""A `CachedClient` asks once, gives the same again chunk by chunk, and keeps nothing that it should not."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, SupportsFloat

import pytest
from ai_tests import ClientFactory
from key_value.aio.stores.memory import MemoryStore

from raptscallions_ai import (
    ChatResult,
    OpenRouterClient,
    ProviderError,
    StreamInterruptedError,
    Timeouts,
    ToolCall,
    ToolCallChunk,
    user,
)
from raptscallions_ai.answer.chunks import ContentChunk, ReasoningChunk
from raptscallions_ai.testing import Cut, FakeGateway, ScriptedClient, chunk, sse, usage
from raptscallions_ai.wrappers import CachedClient, TrackedClient, disk_store, memory_store

pytestmark = pytest.mark.requirement("E04-T005.AC9")


class BrokenStore(MemoryStore):
    """A store that cannot be reached."""

    async def get(self, key: str, *, collection: str | None = None, **_: Any) -> Any:
        raise OSError("the disk is gone")

    async def put(
        self,
        key: str,
        value: Mapping[str, Any],
        *,
        collection: str | None = None,
        ttl: SupportsFloat | None = None,
    ) -> None:
        raise OSError("the disk is full")


class WatchedStore(MemoryStore):
    """A store that notes how long things are to be kept."""

    ttls: list[SupportsFloat | None]

    async def put(
        self,
        key: str,
        value: Mapping[str, Any],
        *,
        collection: str | None = None,
        ttl: SupportsFloat | None = None,
    ) -> None:
        self.ttls.append(ttl)
        await super().put(key, value, collection=collection, ttl=ttl)


async def test_the_same_question_is_asked_once(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hel", "lo", reasoning=["Hm."], usage=usage(cost=0.5))
    cached = CachedClient(client, memory_store())
    first = [piece async for piece in cached.stream_chat("Hi", temperature=0.5)]
    second = [piece async for piece in cached.stream_chat([user("Hi")], temperature=0.5)]
    assert first[:-1] == second[:-1] == [ReasoningChunk("Hm."), ContentChunk("Hel"), ContentChunk("lo")]
    assert len(fake_gateway.requests) == 1
    result = await cached.chat([{"content": "Hi", "role": "user"}], stream=False, temperature=0.5)
    assert (result.content, result.reasoning, result.model) == ("Hello", "Hm.", "fake/model-1")
    assert (result.finish_reason, result.provider, result.attempts) == ("stop", "FakeProvider", ())
    assert len(fake_gateway.requests) == 1


async def test_an_answer_that_is_given_again_costs_nothing(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hi", usage=usage(cost=0.5))
    tracked = TrackedClient(CachedClient(client, memory_store()))
    await tracked.chat("Hi")
    stream = tracked.stream_chat("Hi")
    again = (await stream.result()).usage
    assert (again.total_tokens, again.cost, again.cost_source, again.reported) == (0, 0, "reported", True)
    assert await stream.settle() == again
    total = tracked.get_usage()
    assert (total.calls, total.cost, total.cost_source) == (2, Decimal("0.5"), "reported")


async def test_tool_calls_and_images_are_given_again() -> None:
    given = ChatResult(
        content="Hi",
        reasoning="Hm.",
        reasoning_details=({"type": "reasoning.text", "text": "Hm."},),
        tool_calls=(ToolCall("call_1", "now", '{"zone": "UTC"}'),),
        annotations=({"type": "file"},),
        images=({"type": "image_url"},),
        logprobs=({"token": "Hi"},),
        refusal="no",
        id="gen-1",
        finish_reason="tool_calls",
        native_finish_reason="tool_use",
        model="m/1",
        provider="P",
    )
    cached = CachedClient(ScriptedClient(given), memory_store())
    first = [piece async for piece in cached.stream_chat("Hi")]
    second = [piece async for piece in cached.stream_chat("Hi")]
    assert first[:-1] == second[:-1]
    assert ToolCallChunk(0, "call_1", "now", '{"zone": "UTC"}') in second
    restored = (await cached.chat("Hi")).to_message()
    assert restored == given.to_message()


@pytest.mark.parametrize(
    "other",
    [
        {"model": "other/model"},
        {"temperature": 0.5},
        {"user": "somebody"},
        {"extra_body": {"x": 1}},
        {"extra_headers": {"X-Tenant": "other"}},
        {"extra_query": {"x": "1"}},
        {"fallback_models": ["other/model"]},
        {"require_usage": False},
        {"tools": [{"type": "function", "function": {"name": "now"}}]},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_another_question_is_asked(other: dict[str, Any]) -> None:
    scripted = ScriptedClient("one", "two")
    cached = CachedClient(scripted, memory_store())
    assert (await cached.chat("Hi")).content == "one"
    assert (await cached.chat("Hi", **other)).content == "two"
    assert (await cached.chat("Hi", **other)).content == "two"


@pytest.mark.parametrize(
    "same",
    [{"timeout": 5.0}, {"timeout": Timeouts(total=5)}, {"max_retries": 1}, {"model": "scripted/model"}, {"seed": None}],
)
async def test_how_it_is_asked_makes_no_other_question(same: dict[str, Any]) -> None:
    cached = CachedClient(ScriptedClient("one"), memory_store())
    await cached.chat("Hi")
    assert (await cached.chat("Hi", **same)).content == "one"


async def test_clients_that_share_a_store_share_only_what_is_the_same(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    store = memory_store()
    same, other = new_client(), new_client(default_model="other/model")
    await CachedClient(same, store).chat("Hi")
    await CachedClient(same, store).chat("Hi")
    assert len(fake_gateway.requests) == 1
    await CachedClient(other, store).chat("Hi")
    await CachedClient(same, store, namespace="tenant").chat("Hi")
    elsewhere = new_client(base_url=fake_gateway.base_url.replace("127.0.0.1", "localhost"))
    await CachedClient(elsewhere, store).chat("Hi")
    assert len(fake_gateway.requests) == 4


async def test_a_short_name_is_the_model_that_it_stands_for(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    store = memory_store()
    client = CachedClient(new_client(model_aliases={"small": "m/1"}), store)
    await client.chat("Hi", model="small")
    await client.chat("Hi", model="m/1")
    assert len(fake_gateway.requests) == 1
    await CachedClient(new_client(model_aliases={"small": "m/2"}), store).chat("Hi", model="small")
    assert [request.json["model"] for request in fake_gateway.requests] == ["m/1", "m/2"]


async def test_what_is_not_complete_is_not_kept(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    cached = CachedClient(client, memory_store())
    fake_gateway.error(503)
    with pytest.raises(ProviderError):
        await cached.chat("Hi")
    fake_gateway.reply(sse(chunk("Hel")), Cut())
    with pytest.raises(StreamInterruptedError):
        await cached.chat("Hi")
    fake_gateway.stream("Hel", "lo", interval_s=0.05)
    async for _ in cached.stream_chat("Hi"):
        break
    fake_gateway.stream("Hello")
    assert (await cached.chat("Hi")).content == "Hello"
    assert len(fake_gateway.requests) == 4


@pytest.mark.usefixtures("short_delays")
async def test_what_an_interrupted_attempt_gave_is_not_kept(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    cached = CachedClient(new_client(max_retries=1, on_interrupt="restart"), memory_store())
    fake_gateway.reply(sse(chunk("Goodbye")), Cut())
    fake_gateway.stream("Hello")
    kinds = [piece.type async for piece in cached.stream_chat("Hi")]
    assert kinds == ["content", "restarted", "content", "done"]
    assert [piece.type async for piece in cached.stream_chat("Hi")] == ["content", "done"]


async def test_a_replay_can_be_left_like_any_stream() -> None:
    cached = CachedClient(ScriptedClient([ReasoningChunk("Hm."), "Hel", "lo"]), memory_store())
    await cached.chat("Hi")
    stream = cached.stream_chat("Hi")
    async for piece in stream:
        if piece.type == "content":
            break
    assert (stream.partial.reasoning, stream.partial.content) == ("Hm.", "Hel")
    with pytest.raises(StreamInterruptedError):
        await stream.result()


async def test_answers_on_disk_outlive_the_client_and_are_nobody_elses(
    new_client: ClientFactory, fake_gateway: FakeGateway, tmp_path: Path
) -> None:
    place = tmp_path / "answers"
    fake_gateway.stream("Hello")
    secret: dict[str, Any] = {"extra_headers": {"X-Secret": "header-secret"}}
    async with CachedClient(new_client(), disk_store(place)) as first:
        await first.chat("my PIN is 4711", **secret)
    again = await CachedClient(new_client(), disk_store(place)).chat("my PIN is 4711", **secret)
    assert (again.content, len(fake_gateway.requests)) == ("Hello", 1)
    if os.name == "posix":
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    files = [path for path in place.rglob("*") if path.is_file()]
    assert files
    written = b"".join(bytes(path) + path.read_bytes() for path in files)
    assert b"Hello" in written
    assert not [text for text in (b"4711", b"header-secret", fake_gateway.api_key.encode()) if text in written]


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps access in another way")
def test_a_directory_that_others_can_read_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(ValueError, match="open to other users"):
        disk_store(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


async def test_a_store_that_fails_is_as_good_as_none(caplog: pytest.LogCaptureFixture) -> None:
    cached = CachedClient(ScriptedClient("one", "two"), BrokenStore())
    assert [(await cached.chat("Hi")).content for _ in range(2)] == ["one", "two"]
    assert caplog.text.count("could not be read from the cache: OSError") == 2
    assert caplog.text.count("could not be kept in the cache: OSError") == 2
    assert "Hi" not in caplog.text


@pytest.mark.parametrize(
    "spoilt", [{}, {"chunks": [{"type": "new"}], "result": {}}, {"chunks": [{"type": "content"}], "result": {}}]
)
async def test_an_answer_of_another_version_is_asked_for_anew(spoilt: dict[str, Any]) -> None:
    store = MemoryStore()
    cached = CachedClient(ScriptedClient("one", "two"), store)
    await cached.chat("Hi")
    (key,) = await store.keys(collection="answers-1")
    await store.put(key, spoilt, collection="answers-1")
    assert [(await cached.chat("Hi")).content for _ in range(2)] == ["two", "two"]


async def test_answers_are_kept_for_as_long_as_they_are_good() -> None:
    store = WatchedStore()
    store.ttls = []
    await CachedClient(ScriptedClient("one"), store, ttl=60).chat("Hi")
    await CachedClient(ScriptedClient("one"), store).chat("You")
    assert store.ttls == [60, None]
    with pytest.raises(ValueError, match="ttl"):
        CachedClient(ScriptedClient(), store, ttl=0)


async def test_the_store_in_memory_has_a_size() -> None:
    scripted = ScriptedClient("x", repeat=True)
    cached = CachedClient(scripted, memory_store(max_entries=1))
    for question in ("one", "two", "two", "one"):
        await cached.chat(question)
    assert len(scripted.calls) == 3
