"""Key, prompt and answer show nowhere: no error, traceback, log, repr, pickle or warning, however a call ends."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import traceback
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import AiError, AiSettings, ChatResult, OpenRouterClient, ProviderError
from raptscallions_ai.testing import Cut, FakeGateway, Hang, Reply, Reset, chunk, sse
from raptscallions_ai.testing.wire import DONE

Ask = Callable[[OpenRouterClient], Awaitable[object]]

KEY = "sk-or-v1-not-a-real-key-0815"
PROMPT = "prompt: my PIN is 4711-0815 and nobody must know"
ANSWER = "answer: the completion that nobody must see"
SECRETS = {"key": KEY, "prompt": "PIN is 4711", "answer": "that nobody must see"}
MESSAGES = [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}]

pytestmark = pytest.mark.requirement("E04-T003.AC8")


def shown(*texts: str) -> list[str]:
    """Return which secrets stand in any of the texts."""
    return [name for name, secret in SECRETS.items() if any(secret in text for text in texts)]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def leaks(error: BaseException) -> list[tuple[str, str]]:
    """Return each secret that an error tracker would get to see, and where; this file's own frames know them all."""
    found: list[tuple[str, str]] = []
    for link in chain(error):
        said = [str(link), repr(link), repr(link.args), *getattr(link, "__notes__", [])]
        found += [(secret, type(link).__name__) for secret in shown(*said)]
        for frame in traceback.TracebackException.from_exception(link, capture_locals=True).stack:
            if frame.filename != __file__:
                where = f"{frame.filename.rpartition('/')[2]}:{frame.name}"
                found += [(secret, where) for secret in shown(*(frame.locals or {}).values())]
    return found


async def by_chat(client: OpenRouterClient) -> object:
    return await client.chat(MESSAGES)


async def by_iteration(client: OpenRouterClient) -> object:
    return [piece async for piece in client.stream_chat(MESSAGES)]


async def by_text(client: OpenRouterClient) -> object:
    return [text async for text in client.stream_chat(MESSAGES).text_stream]


async def by_context(client: OpenRouterClient) -> object:
    async with client.stream_chat(MESSAGES) as stream:
        return await stream.result()


ECHO = f"{KEY} {PROMPT} {ANSWER}"
TEXT = sse(chunk(ANSWER))
FAULTS = {
    "error before": Reply((sse({"error": {"message": f"{KEY} {PROMPT}"}}),), 400),
    "key refused": Reply((sse({"error": {"message": f"{KEY} {PROMPT}"}}),), 401),
    "error inside": Reply((TEXT, sse({"error": {"code": 502, "message": ECHO}, "choices": []}))),
    "moderated inside": Reply((TEXT, sse({"error": {"code": 403, "message": ECHO, "metadata": {"reasons": [ECHO]}}}))),
    "malformed": Reply((TEXT, f"data: {{{ECHO}\n\n".encode())),
    "cut": Reply((TEXT, Cut())),
    "reset": Reply((Reset(),), before_headers=True),
    "no usage": Reply((TEXT, sse(chunk("", finish_reason="stop")), DONE)),
    "silent": Reply((Hang(),), before_headers=True),
    "stuck": Reply((TEXT, Hang())),
    "redirect": Reply((b"",), 307, {"location": f"https://{KEY}@gateway.example/"}, "length"),
    "html": Reply((f"<html>{ECHO}</html>".encode(),), 200, {"content-type": "text/html"}, "length"),
    "not http": Reply((f"{ECHO}\r\n\r\n".encode(),), framing="raw"),
    "bad header": Reply((f"HTTP/1.1 200 OK\r\n{ECHO}\r\n\r\n".encode(),), framing="raw"),
    "large header": Reply((f"HTTP/1.1 200 OK\r\nX: {ECHO * 500}\r\n\r\n".encode(),), framing="raw"),
}


@pytest.mark.parametrize("ask", [by_chat, by_iteration, by_text, by_context])
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_error_and_no_traceback_shows_a_secret(
    new_client: ClientFactory, fake_gateway: FakeGateway, fault: str, ask: Ask
) -> None:
    client = new_client(api_key=KEY, timeout=0.3 if fault in ("silent", "stuck") else 20.0)
    await client.warm_up()
    fake_gateway.add(FAULTS[fault])
    with pytest.raises(AiError) as caught:
        await ask(client)
    error = caught.value
    assert leaks(error) == []
    assert shown(str(error.to_dict()), repr(error.partial), repr(error.attempts)) == []
    assert (error.__cause__, error.__context__) == (None, None)


@pytest.mark.parametrize("fault", FAULTS)
async def test_pickled_errors_hold_neither_key_nor_prompt(
    new_client: ClientFactory, fake_gateway: FakeGateway, fault: str
) -> None:
    client = new_client(api_key=KEY, timeout=0.3 if fault in ("silent", "stuck") else 20.0)
    await client.warm_up()
    fake_gateway.add(FAULTS[fault])
    with pytest.raises(AiError) as caught:
        await by_chat(client)
    for told in (pickle.dumps(caught.value), pickle.dumps(copy.deepcopy(caught.value))):
        # The partial answer is the user's own, and meant to be kept.
        assert set(shown(told.decode("latin-1"))) <= {"answer"}


@pytest.mark.parametrize("fault", ["silent", "stuck"])
async def test_no_traceback_of_a_cancellation_shows_a_secret(
    new_client: ClientFactory, fake_gateway: FakeGateway, fault: str
) -> None:
    client = new_client(api_key=KEY)
    await client.warm_up()
    fake_gateway.add(FAULTS[fault], times=2)
    task = asyncio.create_task(by_chat(client))
    await fake_gateway.until(
        lambda: bool(fake_gateway.requests and fake_gateway.requests[0].bytes_sent) ^ (fault == "silent")
    )
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await task
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.3):
            await by_chat(client)
    assert leaks(cancelled.value) + leaks(caught.value) == []


async def test_no_traceback_of_a_cancelled_list_of_models_shows_the_key(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    client = new_client(api_key=KEY)
    await client.warm_up()
    fake_gateway.route("GET", "/api/v1/models").reply(Hang(), before_headers=True)
    task = asyncio.create_task(client.models())
    await fake_gateway.until(lambda: len(fake_gateway.requests) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await task
    assert leaks(cancelled.value) == []


async def test_no_logger_of_any_library_shows_a_secret(
    new_client: ClientFactory, fake_gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    asyncio.get_running_loop().set_debug(True)
    client = new_client(api_key=KEY, max_retries=1)
    fake_gateway.stream(ANSWER).error(503, f"{KEY} {PROMPT}", retry_after=0).stream(ANSWER).add(FAULTS["error inside"])
    # The first reset meets a connection that was kept, so the same attempt asks again on a new one.
    fake_gateway.add(FAULTS["key refused"]).add(FAULTS["reset"], times=3).add(FAULTS["stuck"])
    for _ in range(2):
        await by_chat(client)
    for _ in range(3):
        with pytest.raises(AiError):
            await by_chat(client)
    async for _ in client.stream_chat(MESSAGES):
        break
    await client.aclose()
    assert {"raptscallions_ai", "openai._base_client", "asyncio"} <= {each.name for each in caplog.records}
    assert shown(caplog.text) == []


async def test_no_repr_shows_a_secret(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    client = new_client(api_key=KEY)
    fake_gateway.stream(ANSWER)
    stream = client.stream_chat(MESSAGES)
    iterator = aiter(stream)
    pieces = [piece async for piece in iterator]
    result = await stream.result()
    settings = AiSettings.explicit(api_key=KEY)
    holders: list[Any] = [client, stream, iterator, settings, result, *pieces]
    for holder in [*holders, *(value for each in (client, stream) for value in vars(each).values())]:
        # A result prints as its text; its repr is what a log shows.
        texts = [] if isinstance(holder, ChatResult) else [str(holder), f"{holder}"]
        assert shown(repr(holder), *texts) == [], type(holder)
    for holder in (client, stream, settings):
        # What a debugger or an error tracker lists of an object is the repr of each attribute.
        assert shown(repr(vars(holder))) == [], type(holder)
    assert result.content == ANSWER


async def test_a_warning_of_an_unclosed_client_shows_no_secret(fake_gateway: FakeGateway) -> None:
    client = OpenRouterClient(KEY, fake_gateway.base_url, "m", max_retries=0)
    await by_chat(client)
    connections = client._gateway.connections  # pyright: ignore[reportPrivateUsage] - to close them after all
    with pytest.warns(ResourceWarning, match="not closed") as warned:
        del client
        gc.collect()
    assert shown(*(repr(vars(each)) for each in warned)) == []
    await connections.aclose()


async def test_a_call_cannot_be_pickled_or_copied(new_client: ClientFactory) -> None:
    stream = new_client(api_key=KEY).stream_chat(MESSAGES)
    call: object = vars(stream)["_source"]
    holders: list[object] = [stream, call, vars(call)["_request"]]
    for each in holders:
        with pytest.raises(TypeError, match="cannot be pickled or copied") as caught:
            pickle.dumps(each)
        assert shown(str(caught.value)) == []
    for duplicate in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            duplicate(stream)


async def test_a_client_cannot_be_pickled(new_client: ClientFactory) -> None:
    client = new_client(api_key=KEY)
    with pytest.raises(TypeError, match="cannot be pickled or copied") as caught:
        pickle.dumps(client)
    assert leaks(caught.value) == []


async def test_an_error_does_not_quote_the_answer(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    thought, called = "a thought that is nobody's business", '{"city": "a place nobody knows"}'
    deltas = [{"reasoning": thought}, {"tool_calls": [{"index": 0, "id": "c", "function": {"arguments": called}}]}]
    echo = f"refused: '{ANSWER}', '{thought}', '{called}' are not allowed"
    error = sse({"error": {"code": 502, "message": echo, "metadata": {"raw": echo}}})
    fake_gateway.reply(TEXT, *(sse(chunk(delta=delta)) for delta in deltas), error)
    with pytest.raises(ProviderError, match="refused") as caught:
        await client.chat("Hi")
    told = str(caught.value.to_dict())
    assert [secret for secret in ("nobody must see", "nobody's business", "nobody knows") if secret in told] == []
    assert "are not allowed" in told
    assert caught.value.partial is not None
    assert (caught.value.partial.content, caught.value.partial.reasoning) == (ANSWER, thought)


MISUSES: list[dict[str, Any]] = [
    {"extra_headers": {f"Authorization: Bearer {KEY}": ""}},
    {"extra_headers": {"Authorization": f"Bearer {KEY}\n"}},
    {"extra_headers": {"Host": KEY}},
    {"extra_headers": KEY},
    {"extra_body": {"messages": PROMPT}},
    {"extra_body": {"x": object()}},
    {"timeout": KEY},
    {"max_retries": KEY},
    {"temperature": object()},
]


@pytest.mark.parametrize("misuse", MISUSES, ids=lambda misuse: next(iter(misuse)))
async def test_an_error_of_misuse_quotes_no_secret(new_client: ClientFactory, misuse: dict[str, Any]) -> None:
    client = new_client(api_key=KEY)
    with pytest.raises((TypeError, ValueError, AttributeError)) as caught:
        client.stream_chat(MESSAGES, **misuse)
    assert shown(str(caught.value), repr(caught.value)) == []


@pytest.mark.parametrize(
    "messages",
    [[PROMPT], {"content": PROMPT}, [{"role": "user", "content": object(), "name": PROMPT}]],
    ids=["text in a list", "mapping", "unreadable content"],
)
async def test_an_error_of_a_wrong_message_quotes_no_secret(client: OpenRouterClient, messages: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        client.stream_chat(messages)
    assert shown(str(caught.value), repr(caught.value)) == []
