"""The sync clients: the same methods, the same answers and errors, without `await`."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import inspect
import pickle
import threading
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, assert_type

import pytest

from raptscallions_ai import (
    AiError,
    AuthenticationError,
    ChatResult,
    ChatStream,
    OpenRouterClient,
    ParsedStream,
    ProviderError,
    StreamInterruptedError,
    SyncChatClient,
    SyncOpenRouterClient,
    TimeoutError,
    ToolRun,
)
from raptscallions_ai.client import BaseChatClient
from raptscallions_ai.sync import SyncChatStream, SyncIterator, SyncParsedStream, SyncToolRun
from raptscallions_ai.sync.loop_thread import LoopThread, shared_loop_thread
from raptscallions_ai.testing import Cut, FakeGateway, Gate, Hang, ScriptedClient, chunk, sse

pytestmark = pytest.mark.requirement("E04-T005.AC11")

NAMES = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__"}
OF_WRAPPERS = {
    "abandon",
    "being_read",
    "read",
    "has_provider_routing",
    "key_fingerprint",
    "next_for",
    "timeouts",
}  # for those who build streams and clients
KEY = "sk-or-v1-such-a-secret"
PROMPT = "what Mr. Smith-Jones said"


@pytest.fixture
def client(fake_gateway: FakeGateway) -> Iterator[SyncOpenRouterClient]:
    address = fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model
    with SyncOpenRouterClient(*address, timeout=20.0, max_retries=0) as client:
        yield client
    assert fake_gateway.wait_until(lambda: fake_gateway.open_connections == 0)


def methods_of(kind: type[object]) -> dict[str, object]:
    members = {name: inspect.getattr_static(kind, name) for name in dir(kind)}
    public = {name for name in members if not name.startswith("_")} | NAMES.keys() | set(NAMES.values())
    wanted = {name: member for name, member in members.items() if name in public}
    return {NAMES.get(name, name): member for name, member in wanted.items() if name not in OF_WRAPPERS}


def parameters_of(method: object) -> list[inspect.Parameter]:
    return list(inspect.signature(method).parameters.values()) if callable(method) else []


@pytest.mark.parametrize(
    ("asynchronous", "synchronous"),
    [
        (OpenRouterClient, SyncOpenRouterClient),
        (BaseChatClient, SyncChatClient),
        (ChatStream, SyncChatStream),
        (ToolRun, SyncToolRun),
        (ParsedStream, SyncParsedStream),
    ],
)
def test_both_have_the_same_methods_and_parameters(asynchronous: type[object], synchronous: type[object]) -> None:
    expected, there = methods_of(asynchronous), methods_of(synchronous)
    assert set(expected) - set(there) == set()
    assert set(there) - set(expected) == set()
    for name in expected:
        assert parameters_of(there[name]) == parameters_of(expected[name]), name
        assert (there[name].__doc__ or "").strip() or name.startswith("_"), name


def test_both_are_built_from_the_same_arguments() -> None:
    expected, there = (inspect.signature(kind).parameters for kind in (OpenRouterClient, SyncOpenRouterClient))
    assert list(expected) == list(there)
    for name in expected.keys() - {"fallback_clients"}:
        assert expected[name] == there[name]


def test_chunks_are_those_of_the_asynchronous_stream(client: SyncOpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hello", " world", reasoning=["Hm."])
    stream = client.stream_chat("Hi")
    chunks = list(stream)
    assert [each.type for each in chunks] == ["reasoning", "content", "content", "done"]
    assert stream.result().content == stream.partial.content == "Hello world"
    assert list(stream) == []
    assert stream.settle().cost == stream.result().usage.cost


def test_text_result_and_chat(client: SyncOpenRouterClient) -> None:
    assert "".join(client.stream_chat("Hi").text_stream) == "Hello from the fake gateway."
    assert client.stream_chat("Hi").result().content == "Hello from the fake gateway."
    assert client.chat("Hi", stream=False).content == "Hello from the fake gateway."
    with client.stream_chat("Hi") as stream:
        assert next(stream).type == "content"
        stream.result()
    assert repr(stream) == "SyncChatStream(complete)"


def test_events(client: SyncOpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hello").error(503, "down").reply(sse(chunk("Hello")), Hang())
    assert [event.type for event in client.stream_chat("Hi").events()][:2] == ["start", "text_start"]
    assert [event.type for event in client.stream_chat("Hi").events()][-1] == "error"
    for _ in client.stream_chat("Hi").events():
        break
    assert fake_gateway.requests[2].wait_closed()


@dataclass
class Animal:
    name: str
    legs: int


def test_objects(client: SyncOpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream('{"name": "cat",', ' "legs": 4}', times=3).reply(sse(chunk('{"name": "c')), Hang())
    parsed = client.parse("Hi", Animal)
    assert_type(parsed.parsed, Animal)
    assert parsed.parsed == Animal("cat", 4)
    stream = client.stream_parse("Hi", Animal)
    animals = list(stream)
    assert_type(animals, list[Animal])
    assert animals[-1] == stream.result().parsed == Animal("cat", 4)
    assert len(animals) > 1
    with client.stream_parse("Hi", Animal) as stream:
        assert stream.result().parsed.legs == 4
    for _ in client.stream_parse("Hi", Animal):
        break
    assert fake_gateway.requests[3].wait_closed()


def test_what_is_not_chat(client: SyncOpenRouterClient, fake_gateway: FakeGateway) -> None:
    client.warm_up()
    assert len(client.models(supports=["tools"])) == 3
    assert client.model("fake/large-2").context_length == 1_000_000
    assert client.endpoints("fake/model-1")[0].provider == "FakeProvider"
    assert client.providers()[0].slug == "fakeprovider"
    assert client.key_info().limit == 10
    fake_gateway.route("GET", "/api/v1/credits").json({"data": {"total_credits": 3, "total_usage": 1}})
    assert client.credits().remaining == 2
    assert client.generation("gen-1").usage.cost == Decimal("0.00015")
    assert client.embed(["a", "b"], model="m").dimensions == 8
    assert client.check_context("Hi").tokens > 0


def test_all_chunks_of_one_read_change_threads_at_once(client: SyncOpenRouterClient, fake_gateway: FakeGateway) -> None:
    words = [sse(chunk(f"{number} ")) for number in range(1_000)]
    fake_gateway.reply(b"".join(words), sse(chunk("", finish_reason="stop")), sse({"choices": [], "usage": USAGE}))
    stream = client.stream_chat("Hi")
    handed: list[object] = []
    thread = shared_loop_thread()
    run = thread.run

    def counted(_: LoopThread, work: Coroutine[Any, Any, object]) -> object:
        handed.append(work)
        return run(work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LoopThread, "run", counted)
        assert len(list(stream)) == 1_001
    assert len(handed) < 100


USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def leave_by_break(stream: SyncChatStream) -> None:
    for _ in stream:
        break


def leave_the_text(stream: SyncChatStream) -> None:
    for _ in stream.text_stream:
        break


def leave_by_error(stream: SyncChatStream) -> None:
    with pytest.raises(ZeroDivisionError):
        for _ in stream:
            raise ZeroDivisionError


def leave_with(stream: SyncChatStream) -> None:
    with stream:
        next(stream)


def close(stream: SyncChatStream) -> None:
    next(stream)
    stream.close()
    stream.close()


@pytest.mark.parametrize("leave", [leave_by_break, leave_the_text, leave_by_error, leave_with, close])
def test_leaving_early_closes_the_connection(
    client: SyncOpenRouterClient, fake_gateway: FakeGateway, leave: Callable[[SyncChatStream], None]
) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    stream = client.stream_chat("Hi")
    leave(stream)
    assert fake_gateway.requests[0].wait_closed()
    assert fake_gateway.requests[0].disconnected
    assert stream.partial.content == "Hello"


def test_a_stream_that_nobody_holds_any_more_closes_the_connection(
    client: SyncOpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    stream = client.stream_chat("Hi")
    next(stream)
    del stream
    gc.collect()
    assert fake_gateway.requests[0].wait_closed()
    assert fake_gateway.requests[0].disconnected


def test_a_stream_closed_by_another_thread_ends(client: SyncOpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    stream = client.stream_chat("Hi")
    seen = [next(stream).type]
    reader = threading.Thread(target=lambda: seen.extend(each.type for each in stream))
    reader.start()
    time.sleep(0.05)  # long enough for it to wait, as a rule; if not, the outcome is the same
    stream.close()
    reader.join(5)
    assert not reader.is_alive()
    assert seen == ["content"]


def test_errors_are_the_same(client: SyncOpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(401, "no").error(503, "down").reply(sse(chunk("Half")), Cut()).reply(Hang())
    with pytest.raises(AuthenticationError):
        client.chat("Hi")
    with pytest.raises(ProviderError):
        list(client.stream_chat("Hi"))
    stream = client.stream_chat("Hi")
    with pytest.raises(StreamInterruptedError):
        stream.result()
    with pytest.raises(StreamInterruptedError) as caught:
        stream.result()
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Half"
    with pytest.raises(TimeoutError):
        client.chat("Hi", timeout=0.2)


def test_misuse_is_reported_at_once(client: SyncOpenRouterClient, fake_gateway: FakeGateway) -> None:
    wrong: Any = {"no_such_option": 1}
    with pytest.raises(TypeError, match="no_such_option"):
        client.stream_chat("Hi", **wrong)
    with pytest.raises(ValueError, match="max_age"):
        client.models(max_age=-1)
    foreign: Any = [object()]
    with pytest.raises(TypeError, match="synchronous clients of engines, not object"):
        SyncOpenRouterClient(KEY, fake_gateway.base_url, "m", fallback_clients=foreign)
    for twin in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            twin(client)
        with pytest.raises(TypeError):
            twin(client.stream_chat("Hi"))


def test_text_that_was_shown_is_not_taken_back(client: SyncOpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Once")), Cut()).stream("Twice")
    texts = client.stream_chat("Hi", on_interrupt="restart").text_stream
    assert next(texts) == "Once"
    with pytest.raises(StreamInterruptedError):
        next(texts)


def test_fallback_clients(client: SyncOpenRouterClient, fake_gateway: FakeGateway) -> None:
    with FakeGateway() as down:
        down.error(503, times=None)
        address = down.api_key, down.base_url, "m"
        with SyncOpenRouterClient(*address, max_retries=0, fallback_clients=[client]) as first:
            assert first.chat("Hi").content == "Hello from the fake gateway."


def test_after_it_was_closed(fake_gateway: FakeGateway) -> None:
    client = SyncOpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, "m")
    client.close()
    client.close()
    with pytest.raises(AiError, match="closed"):
        client.chat("Hi")


def test_an_unclosed_client_warns(fake_gateway: FakeGateway) -> None:
    client = SyncOpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, "m")
    client.chat("Hi")
    inner = client._client._gateway.connections  # pyright: ignore[reportPrivateUsage] - to close them after all
    with pytest.warns(ResourceWarning, match="`with`"):
        del client
        gc.collect()
    shared_loop_thread().run(inner.aclose())


def test_any_chat_client_can_be_used() -> None:
    with SyncChatClient(ScriptedClient("One", ["T", "wo"])) as client:
        assert client.chat("Hi").content == "One"
        assert list(client.stream_chat("Hi").text_stream) == ["T", "wo"]
    assert repr(client) == "SyncChatClient(ScriptedClient(2 of 2 scripts used))"


def test_many_threads_share_one_client(client: SyncOpenRouterClient, fake_gateway: FakeGateway) -> None:
    def ask(number: int) -> tuple[ChatResult, int]:
        return client.chat(f"{number}"), len(list(client.stream_chat(f"{number}")))

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(64)))
    assert {answer.content for answer, _ in answers} == {"Hello from the fake gateway."}
    assert {chunks for _, chunks in answers} == {6}
    assert len(fake_gateway.requests) == 128
    assert len([thread for thread in threading.enumerate() if thread.name == "raptscallions-ai"]) == 1


def test_one_stream_is_read_by_one_thread_at_a_time(client: SyncOpenRouterClient, fake_gateway: FakeGateway) -> None:
    gate = Gate()
    fake_gateway.reply(gate, sse(chunk("Hello")), Cut())
    stream = client.stream_chat("Hi")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(next, stream)
        assert fake_gateway.wait_until(lambda: len(fake_gateway.requests) == 1)
        with pytest.raises(AiError, match="already being read"):
            next(stream)
        gate.open()
        assert first.result(5).type == "content"


async def test_inside_a_running_loop(client: SyncOpenRouterClient) -> None:
    assert client.chat("Hi").content == "Hello from the fake gateway."
    assert [each.type for each in client.stream_chat("Hi")][-1] == "done"
    both = [asyncio.to_thread(client.chat, "Hi") for _ in range(3)]
    assert [answer.finish_reason for answer in await asyncio.gather(*both)] == ["stop"] * 3


def test_inside_its_own_loop_it_says_why_not(client: SyncOpenRouterClient) -> None:
    async def wrong() -> None:
        client.chat("Hi")

    with pytest.raises(RuntimeError, match="inside its own event loop; use OpenRouterClient there"):
        shared_loop_thread().run(wrong())


def test_the_work_is_done_in_the_callers_context() -> None:
    tag: contextvars.ContextVar[str] = contextvars.ContextVar("tag", default="none")

    async def read() -> str:
        return tag.get()

    tag.set("mine")
    assert shared_loop_thread().run(read()) == "mine"


def test_an_asynchronous_iterator_is_iterated() -> None:
    async def count() -> AsyncGenerator[int]:
        for number in range(3):
            yield number

    assert list(SyncIterator(count(), shared_loop_thread())) == [0, 1, 2]


def test_no_error_and_no_repr_shows_a_secret(fake_gateway: FakeGateway) -> None:
    fake_gateway.error(401, f"Bad key {KEY}, {PROMPT}", times=None)
    with SyncOpenRouterClient(KEY, fake_gateway.base_url, "m", max_retries=0) as client:
        calls: list[Callable[[], object]] = [
            lambda: client.chat(PROMPT),
            lambda: list(client.stream_chat(PROMPT)),
            lambda: client.embed(PROMPT, model="m"),
        ]
        fake_gateway.route("POST", "/api/v1/embeddings").error(401, f"Bad key {KEY}, {PROMPT}")
        for call in calls:
            with pytest.raises(AuthenticationError) as caught:
                call()
            formatted = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
            shown = "".join(line for line in formatted if "test_sync_client.py" not in line)
            shown += str(caught.value.to_dict()) + repr(client) + repr(vars(client)) + repr(client.stream_chat(PROMPT))
            assert KEY not in shown
            assert "Smith" not in shown
    insecure = "http://elsewhere.example"
    with pytest.raises(AiError) as refused:
        SyncOpenRouterClient(KEY, insecure, "m")
    formatted = traceback.TracebackException.from_exception(refused.value, capture_locals=True).format()
    assert KEY not in "".join(line for line in formatted if "test_sync_client.py" not in line)
