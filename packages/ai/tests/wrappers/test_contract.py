"""Whatever stands around a client, alone or in whatever order: its calls are what they would be without."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import subprocess
import sys
import threading
import traceback
from typing import TYPE_CHECKING

import pytest
from ai_tests import ClientFactory, Wrap, gone
from pydantic import BaseModel

from raptscallions_ai import (
    AiError,
    ChatClient,
    ChatResult,
    ProviderError,
    StreamInterruptedError,
    ToolCall,
    tool,
    user,
)
from raptscallions_ai.client import BaseChatClient
from raptscallions_ai.testing import FakeGateway, Gate, ScriptedClient, chunk, sse, usage
from raptscallions_ai.testing.wire import DONE, Answer
from raptscallions_ai.wrappers import WrappedClient

if TYPE_CHECKING:
    from raptscallions_ai.messages.message import Messages


PROMPT = "prompt: my PIN is 4711-0815"
ANSWER = "answer: that nobody must see"

pytestmark = pytest.mark.requirement("E04-T005.AC9")


@pytest.fixture
def wrapped(new_client: ClientFactory, wrap: Wrap) -> WrappedClient:
    return wrap(new_client())


def now() -> str:
    return "noon"


class Place(BaseModel):
    city: str


async def test_an_answer_arrives_chunk_by_chunk_and_complete(wrapped: WrappedClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hel", "lo", " wor", "ld")
    chunks = [piece async for piece in wrapped.stream_chat(PROMPT)]
    assert [piece.content for piece in chunks if piece.type == "content"] == ["Hel", "lo", " wor", "ld"]
    assert [piece.type for piece in chunks] == ["content"] * 4 + ["done"]
    assert chunks[-1].type == "done"
    assert chunks[-1].result.content == "Hello world"
    assert chunks[-1].usage.reported
    assert len(fake_gateway.requests) == 1


async def test_what_has_arrived_is_there_before_the_rest(wrapped: WrappedClient, fake_gateway: FakeGateway) -> None:
    gate = Gate()
    fake_gateway.reply(sse(chunk("Hel")), gate, sse(chunk("lo", finish_reason="stop", usage=usage())), DONE)
    stream = wrapped.stream_chat(PROMPT)
    assert (await anext(stream)).type == "content"
    assert stream.partial.content == "Hel"
    gate.open()
    assert (await stream.result()).content == "Hello"
    assert stream.partial.content == "Hello"


@pytest.mark.parametrize("streamed", [True, False])
async def test_chat_returns_the_whole_answer(
    wrapped: WrappedClient, fake_gateway: FakeGateway, *, streamed: bool
) -> None:
    answer = Answer(("Hel", "lo"))
    fake_gateway.add(answer.stream() if streamed else answer.json())
    result = await wrapped.chat(PROMPT, stream=streamed)
    assert (result.content, result.finish_reason, len(result.attempts)) == ("Hello", "stop", 1)
    assert fake_gateway.requests[-1].wants_stream is streamed


async def test_messages_model_and_options_are_passed_on(wrap: Wrap) -> None:
    scripted = ScriptedClient("a", "b", "c")
    client, conversation = wrap(scripted), [user("Hi"), {"role": "assistant", "content": "Yes?"}]
    await client.stream_chat(conversation, model="m/1", temperature=0.5, stop=["x"]).result()
    await client.chat(conversation, max_tokens=7, extra_body={"x": 1})
    await client.chat(conversation, stream=False, seed=3)
    wire = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    assert [call.messages for call in scripted.calls] == [wire, wire, wire]
    assert [call.options for call in scripted.calls] == [
        {"model": "m/1", "temperature": 0.5, "stop": ["x"]},
        {"max_tokens": 7, "extra_body": {"x": 1}},
        {"seed": 3, "stream": False},
    ]


async def test_tool_calls_reasoning_and_images_arrive_as_they_are(wrap: Wrap) -> None:
    given = ChatResult(
        content="Hi",
        reasoning="Hm.",
        tool_calls=(ToolCall("call_1", "now", "{}"),),
        annotations=({"type": "file"},),
        images=({"type": "image_url"},),
        finish_reason="tool_calls",
    )
    client = wrap(ScriptedClient(given, given))
    kinds = [piece.type async for piece in client.stream_chat("Hi")]
    assert kinds == ["reasoning", "annotation", "content", "tool_call", "image", "done"]
    assert await client.chat("Hi", stream=False, seed=1) == given


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_refused_call_raises_what_it_would_raise_without(
    wrapped: WrappedClient, fake_gateway: FakeGateway, *, streamed: bool
) -> None:
    fake_gateway.error(503, "overloaded")
    with pytest.raises(ProviderError) as caught:
        await wrapped.chat(PROMPT, stream=streamed)
    assert (caught.value.status_code, len(caught.value.attempts)) == (503, 1)


async def test_an_error_midway_keeps_what_had_arrived(wrapped: WrappedClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Hel")), sse(chunk("lo")))
    stream, seen = wrapped.stream_chat(PROMPT), list[str]()
    with pytest.raises(StreamInterruptedError) as caught:
        async for piece in stream:
            seen.append(piece.type)
    assert seen == ["content", "content"]
    assert caught.value.partial is not None
    assert caught.value.partial.content == stream.partial.content == "Hello"
    with pytest.raises(StreamInterruptedError):
        await stream.result()


async def test_the_context_manager_fails_before_there_is_any_chunk(
    wrapped: WrappedClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.error(503, "overloaded")
    with pytest.raises(ProviderError):
        async with wrapped.stream_chat(PROMPT):
            pytest.fail("the answer had failed")
    fake_gateway.stream("Hello")
    async with wrapped.stream_chat(PROMPT) as stream:
        assert (await stream.result()).content == "Hello"


async def test_break_closes_the_connection(wrapped: WrappedClient, endless: FakeGateway) -> None:
    stream = wrapped.stream_chat(PROMPT)
    async for _ in stream:
        break
    assert await gone(endless)
    assert stream.partial.content == "Hello"
    with pytest.raises(StreamInterruptedError):
        await stream.result()


async def test_cancelling_closes_the_connection(wrapped: WrappedClient, endless: FakeGateway) -> None:
    task = asyncio.create_task(wrapped.chat(PROMPT))
    await endless.until(lambda: endless.open_responses == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(endless)


async def test_aclose_ends_an_iteration_in_another_task(wrapped: WrappedClient, endless: FakeGateway) -> None:
    stream, arrived = wrapped.stream_chat(PROMPT), asyncio.Event()

    async def read() -> list[str]:
        kinds: list[str] = []
        async for piece in stream:
            kinds.append(piece.type)
            arrived.set()
        return kinds

    task = asyncio.create_task(read())
    await arrived.wait()
    await stream.aclose()
    await stream.aclose()
    assert await task == ["content"]
    assert await gone(endless)


async def test_a_forgotten_stream_closes_its_connection(wrapped: WrappedClient, endless: FakeGateway) -> None:
    stream = wrapped.stream_chat(PROMPT)
    await anext(stream)
    del stream
    gc.collect()
    assert await gone(endless)


async def test_a_stream_is_given_up_from_any_thread(wrapped: WrappedClient, endless: FakeGateway) -> None:
    stream = wrapped.stream_chat(PROMPT)
    await anext(stream)
    thread = threading.Thread(target=stream.abandon)
    thread.start()
    thread.join()
    assert await gone(endless)


async def test_a_stream_that_is_never_read_asks_nobody(wrapped: WrappedClient, fake_gateway: FakeGateway) -> None:
    stream = wrapped.stream_chat(PROMPT)
    await stream.aclose()
    del stream
    assert fake_gateway.requests == []


async def test_settle_asks_for_the_real_cost(wrapped: WrappedClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hello", usage=usage(cost=0.25))
    stream = wrapped.stream_chat(PROMPT)
    result = await stream.result()
    settled = await stream.settle()
    assert (settled.total_tokens, settled.cost) == (result.usage.total_tokens, result.usage.cost)


@pytest.mark.parametrize("wrong", ["option", "message"])
async def test_misuse_is_reported_at_once(wrapped: WrappedClient, fake_gateway: FakeGateway, wrong: str) -> None:
    with pytest.raises(TypeError):
        if wrong == "option":
            wrapped.stream_chat(PROMPT, unknown=1)  # pyright: ignore[reportCallIssue] - the misuse
        else:
            wrapped.stream_chat([7])  # pyright: ignore[reportArgumentType] - the misuse
    assert fake_gateway.requests == []


async def test_what_the_caller_does_to_the_conversation_later_is_not_sent(
    wrapped: WrappedClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream("Hello")
    conversation: Messages = [{"role": "user", "content": "Hi"}]
    stream = wrapped.stream_chat(conversation)
    conversation.append({"role": "user", "content": "later"})
    await stream.result()
    assert fake_gateway.requests[-1].json["messages"] == [{"role": "user", "content": "Hi"}]


async def test_many_calls_at_once_do_not_mix(wrap: Wrap, new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    for number in range(10):
        fake_gateway.stream(f"answer {number}")
    client = wrap(new_client())
    results = await asyncio.gather(*(client.chat(f"question {number}") for number in range(10)))
    assert sorted(result.content for result in results) == [f"answer {number}" for number in range(10)]


async def test_closing_closes_what_is_wrapped(wrap: Wrap) -> None:
    scripted = ScriptedClient("Hello")
    async with wrap(scripted):
        assert not scripted.closed
    assert scripted.closed
    with pytest.raises(AiError):
        await wrap(scripted).chat("Hi")


async def test_nothing_shows_key_prompt_or_answer(
    wrap: Wrap, new_client: ClientFactory, fake_gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="raptscallions_ai")
    client = wrap(new_client())
    fake_gateway.reply(sse(chunk(ANSWER)))
    with pytest.raises(AiError) as caught:
        await client.chat(PROMPT)
    shown = [repr(client), repr(caught.value), caplog.text]
    for frame in traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack:
        if frame.filename != __file__:
            shown += (frame.locals or {}).values()
    stream = client.stream_chat(PROMPT)
    shown.append(repr(stream))
    assert not [text for text in shown if "4711" in text or "nobody must" in text or fake_gateway.api_key in text]
    for thing in (stream, client):
        with pytest.raises(TypeError):
            pickle.dumps(thing)
        with pytest.raises(TypeError):
            copy.deepcopy(thing)


async def test_a_wrapper_is_a_whole_client(wrap: Wrap) -> None:
    client = wrap(ScriptedClient("Hello"))
    assert isinstance(client, BaseChatClient)
    protocol: ChatClient = client
    assert (await protocol.chat("Hi")).content == "Hello"


async def test_tools_structured_answers_and_events_work_through_it(wrap: Wrap) -> None:
    asked = ChatResult(tool_calls=(ToolCall("call_1", "now", "{}"),), finish_reason="tool_calls")
    client = wrap(ScriptedClient(asked, "It is noon.", '{"city": "Rome"}', "Hi"))
    run = await client.run_tools("What time is it?", tools=[tool(now)]).result()
    assert run.content == "It is noon."
    parsed = await client.parse("Where?", response_model=Place)
    assert parsed.parsed.city == "Rome"
    assert [event.type async for event in client.stream_chat("Hi").events()][-1] == "done"


async def test_a_wrapper_tells_whom_its_client_asks(wrap: Wrap, new_client: ClientFactory) -> None:
    client = new_client()
    assert (wrap(client).resolve_model(), wrap(client).base_url) == (client.resolve_model(), client.base_url)
    assert wrap(ScriptedClient(model="m/1")).resolve_model() == "m/1"
    assert wrap(ScriptedClient(model="m/1")).resolve_model("m/2") == "m/2"
    assert wrap(ScriptedClient()).base_url is None


def test_importing_the_wrappers_loads_none_of_their_libraries() -> None:
    script = "import raptscallions_ai.wrappers, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "raptscallions_ai" in loaded
    assert loaded & {"opentelemetry", "pyrate_limiter", "aiologic", "key_value", "pydantic", "openai"} == set()
