"""Cassettes over real sockets: what a gateway said is said again, without the gateway."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Unpack
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from openai import AsyncOpenAI

from raptscallions_ai import (
    AiError,
    BadRequestError,
    ChatResult,
    ConfigurationError,
    ConnectionError,
    OpenRouterClient,
    RateLimitError,
    StreamInterruptedError,
    TimeoutError,
    ToolCall,
)
from raptscallions_ai.testing import (
    Cassette,
    CassetteError,
    CassetteOptions,
    Cut,
    FakeGateway,
    Gate,
    Pause,
    Reply,
    chunk,
    error_body,
    json_reply,
    sse,
    usage,
)
from raptscallions_ai.testing.wire import DONE

pytestmark = pytest.mark.requirement("E04-T005.AC10")

MODEL = "openai/gpt-4o"
END = sse(chunk(finish_reason="stop", usage=usage())) + DONE
OnTape = Callable[..., Cassette]


@pytest.fixture
def tape(tmp_path: Path, fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> OnTape:
    """A maker of cassettes of one file, whose real gateway is the fake one."""
    monkeypatch.delenv("CI", raising=False)

    def make(**options: Unpack[CassetteOptions]) -> Cassette:
        given: CassetteOptions = {"gateway_url": fake_gateway.base_url, "api_key": fake_gateway.api_key, **options}
        return Cassette(tmp_path / "tapes" / "a.jsonl", **given)

    return make


def client_of(cassette: Cassette, timeout: float | None = None) -> OpenRouterClient:
    return OpenRouterClient(cassette.api_key, cassette.base_url, MODEL, timeout=timeout, max_retries=0)


def lines_of(cassette: Cassette) -> list[dict[str, Any]]:
    return [json.loads(line) for line in cassette.path.read_text("utf-8").splitlines()]


def facts(result: ChatResult) -> tuple[object, ...]:
    """Return all of an answer but what the clock says."""
    return (result.content, result.reasoning, result.tool_calls, result.usage, result.model, result.finish_reason,
            result.id, result.provider)  # fmt: skip


async def test_an_answer_is_replayed_without_the_gateway(tape: OnTape, fake_gateway: FakeGateway) -> None:
    call = ToolCall("c1", "f", '{"a": 1}')
    fake_gateway.stream("Grüß", " dich", reasoning=["Hm."], tool_calls=[call])
    async with tape() as cassette, client_of(cassette) as client:
        assert cassette.is_recording
        first = await client.chat("Hi", temperature=0.5)
    assert len(fake_gateway.requests) == 1
    async with tape() as cassette, client_of(cassette) as client:
        assert not cassette.is_recording
        again = await client.chat("Hi", temperature=0.5)
    assert facts(again) == facts(first)
    assert (again.content, again.tool_calls) == ("Grüß dich", (call,))
    assert len(fake_gateway.requests) == 1, "the gateway was asked once, for the recording"
    assert cassette.requests[0].json["temperature"] == 0.5


async def test_the_whole_surface_of_a_client(tape: OnTape, fake_gateway: FakeGateway) -> None:
    told: list[list[object]] = []
    for _ in range(2):
        async with tape() as cassette, client_of(cassette) as client:
            streamed = [piece.type async for piece in client.stream_chat("Hi")]
            whole = await client.chat("Hi", stream=False)
            models = [model.id for model in await client.models()]
            told.append([streamed, facts(whole), models])
    assert told[0] == told[1]
    assert len(fake_gateway.requests) == 3


async def test_other_peoples_clients(tape: OnTape, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hello", " there")
    said: list[str] = []
    for _ in range(2):
        async with tape() as cassette, AsyncOpenAI(api_key=cassette.api_key, base_url=cassette.base_url) as sdk:
            stream = await sdk.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            said.append("".join([event.choices[0].delta.content or "" async for event in stream if event.choices]))
    assert said == ["Hello there", "Hello there"]
    assert len(fake_gateway.requests) == 1


def test_sync_clients_and_bytes_that_are_no_text(tape: OnTape, fake_gateway: FakeGateway) -> None:
    sound = bytes(range(256))
    headers = {"content-type": "audio/mpeg", "x-generation-id": "gen-1"}
    fake_gateway.route("POST", "/api/v1/audio/speech").reply(sound[:100], sound[100:], headers=headers)
    for _ in range(2):
        with tape() as cassette:
            request = Request(cassette.base_url + "/audio/speech?voice=a", data=b"not\xffJSON", method="POST")
            with urlopen(request, timeout=5) as response:
                assert response.read() == sound
                assert {name: response.headers[name] for name in headers} == headers
    assert len(fake_gateway.requests) == 1
    assert fake_gateway.requests[0].body == b"not\xffJSON"


def test_bytes_and_their_borders_are_kept(tape: OnTape, fake_gateway: FakeGateway) -> None:
    event = sse({"choices": [{"delta": {"content": "é"}}]} | {"x": 1}).replace(b"\\u00e9", "é".encode())
    split = event.index("é".encode()) + 1
    gates = [Gate() for _ in range(3)]
    pieces = [event[:split], event[split:], END]
    fake_gateway.reply(*(step for pair in zip(pieces, gates, strict=True) for step in pair))
    with tape() as cassette:
        assert chunks_of(cassette, gates) == pieces
    kept = [line for line in lines_of(cassette) if "text" in line or "base64" in line]
    assert ["base64" in line for line in kept] == [True, True, False], "half a letter is no text"
    assert kept[2]["text"].encode() == END
    with tape() as cassette:
        assert chunks_of(cassette, []) == pieces


def chunks_of(cassette: Cassette, gates: list[Gate]) -> list[bytes]:
    """Ask over a plain socket and return the chunks of the response as they are framed; each opens the next gate."""
    url = urlsplit(cassette.base_url)
    head = f"POST {url.path}/chat/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
    with socket.create_connection((url.hostname, url.port), timeout=5) as connection:
        connection.sendall(head.encode() + b"{}")
        file = connection.makefile("rb")
        assert file.readline().startswith(b"HTTP/1.1 200")
        while file.readline().strip():
            pass
        chunks: list[bytes] = []
        waiting = list(gates)
        while size := int(file.readline(), 16):
            chunks.append(file.read(size))
            file.readline()
            if waiting:
                waiting.pop(0).open()
        file.close()
    return chunks


async def test_answers_come_at_once_or_with_the_recorded_pauses(tape: OnTape, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("a")), Pause(0.3), sse(chunk("b")), END)
    async with tape() as cassette, client_of(cassette) as client:
        await client.chat("Hi")
    times = [line["at"] for line in lines_of(cassette) if "at" in line]
    assert times == sorted(times)
    assert times[-1] >= 0.3
    waited: list[float] = []
    for real_time in (False, True):
        async with tape(real_time=real_time) as cassette, client_of(cassette) as client:
            arrivals = [time.monotonic() async for _ in client.stream_chat("Hi").text_stream]
            waited.append(arrivals[1] - arrivals[0])
    assert waited[0] < 0.25
    assert waited[1] > 0.25


HALF = sse(chunk("Half an ans"))
FAILURES = {
    "status": (json_reply(error_body(429, "Slow down"), status=429, headers={"retry-after": "30"}), RateLimitError),
    "wrong request": (json_reply(error_body(400, "Wrong"), status=400), BadRequestError),
    "cut": (Reply((HALF, Cut())), StreamInterruptedError),
    "error in the stream": (Reply((HALF, sse(error_body(502, "Down")))), AiError),
    "silence after a piece": (Reply((HALF, Gate())), TimeoutError),
    "silence before all": (Reply((Gate(),), before_headers=True), TimeoutError),
    "no answer": (Reply((b"<html>",), headers={"content-type": "text/html"}), AiError),
    "another body": (json_reply({"data": []}), AiError),
}


@pytest.mark.parametrize(("reply", "expected"), FAILURES.values(), ids=FAILURES)
async def test_failures_are_replayed_too(
    tape: OnTape, fake_gateway: FakeGateway, reply: Reply, expected: type[AiError]
) -> None:
    fake_gateway.add(reply)
    seen: list[tuple[object, ...]] = []
    for _ in range(2):
        async with tape() as cassette, client_of(cassette, timeout=0.4) as client:
            with pytest.raises(expected) as caught:
                await client.chat("Hi")
            error = caught.value
            partial = error.partial and error.partial.content
            seen.append((type(error), error.message, error.status_code, error.retry_after, partial))
    assert seen[0] == seen[1]
    assert len(fake_gateway.requests) == 1


async def test_a_stream_that_is_left_early(tape: OnTape, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("One")), sse(chunk("Two")), Gate())
    for _ in range(2):
        async with tape() as cassette, client_of(cassette) as client:
            async for text in client.stream_chat("Count").text_stream:
                if text == "Two":
                    break
            assert await cassette.requests[0].closed()
            assert cassette.requests[0].disconnected
    assert lines_of(tape())[-1] == {"end": "left"}
    assert await fake_gateway.requests[0].closed()
    assert fake_gateway.requests[0].disconnected, "the real gateway is told to stop while recording"


async def test_equal_requests_get_their_answers_in_order(tape: OnTape, fake_gateway: FakeGateway) -> None:
    for answer in ("one", "two", "other"):
        fake_gateway.stream(answer)
    async with tape() as cassette, client_of(cassette) as client:
        for question in ("a", "a", "b"):
            await client.chat(question)
    async with tape() as cassette, client_of(cassette) as client:
        said = [(await client.chat(question)).content for question in ("b", "a", "a")]
    assert said == ["other", "one", "two"]
    with pytest.raises(CassetteError, match="this request is recorded 2 times, and was made once more"):
        async with tape() as cassette, client_of(cassette) as client:
            for _ in range(2):
                await client.chat("a")
            with pytest.raises(BadRequestError):
                await client.chat("a")


async def test_many_at_once_are_written_in_the_order_in_which_they_were_asked(
    tape: OnTape, fake_gateway: FakeGateway
) -> None:
    for number in range(8):
        fake_gateway.reply(Pause(0.05 * (8 - number)), sse(chunk(str(number))), END)
    questions = [f"q{number}" for number in range(8)]
    async with tape() as cassette, client_of(cassette) as client:
        asked = [asyncio.create_task(client.chat(questions[0]))]
        for number, question in enumerate(questions[1:], 2):
            assert await fake_gateway.until(lambda number=number: len(fake_gateway.requests) == number - 1)
            asked.append(asyncio.create_task(client.chat(question)))
        first = [result.content for result in await asyncio.gather(*asked)]
    assert first == [str(number) for number in range(8)]
    requests = [line["request"]["json"]["messages"][0]["content"] for line in lines_of(cassette) if "request" in line]
    assert requests == questions
    async with tape() as cassette, client_of(cassette) as client:
        again = [result.content for result in await asyncio.gather(*map(client.chat, reversed(questions)))]
    assert again == first[::-1]


async def test_an_unknown_request_says_what_differs(tape: OnTape, fake_gateway: FakeGateway) -> None:
    long = "a" * 100
    async with tape() as cassette, client_of(cassette) as client:
        await client.chat(f"{long} red", temperature=0.5, stop=["x"])
    told = ""
    with pytest.raises(CassetteError) as caught:
        async with tape() as cassette, client_of(cassette) as client:
            try:
                await client.chat(f"{long} blue", temperature=1, seed=3, stop=["x", "y"])
            except BadRequestError as error:
                told = str(error)
    message = str(caught.value)
    assert f"{tape().path}:" in message
    assert "POST /api/v1/chat/completions: the recorded request that is most like it differs in" in message
    assert 'messages[0].content: ..."aaaaaaaaa blue" instead of ..."aaaaaaaaa red"' in message
    assert "temperature: 1 instead of 0.5" in message
    assert "seed: 3 instead of nothing" in message
    assert 'stop[1]: "y" instead of nothing' in message
    assert message.endswith("to record it again, run with AI_CASSETTES=record")
    assert "a.jsonl" in told
    assert len(fake_gateway.requests) == 1


async def test_an_unknown_route_says_which_are_known(tape: OnTape) -> None:
    async with tape() as cassette, client_of(cassette) as client:
        await client.chat("Hi")
    with pytest.raises(CassetteError, match="no such request is recorded, only POST /api/v1/chat/completions"):
        async with tape() as cassette, client_of(cassette) as client:
            with pytest.raises(AiError):
                await client.models()


async def test_the_error_does_not_hide_the_tests_own(tape: OnTape) -> None:
    async with tape() as cassette, client_of(cassette) as client:
        await client.chat("Hi")
    with pytest.raises(BadRequestError) as caught:
        async with tape() as cassette, client_of(cassette) as client:
            await client.chat("Ho")
    assert "instead of" in caught.value.__notes__[0]


async def test_fields_that_may_differ(tape: OnTape, fake_gateway: FakeGateway) -> None:
    for session in ("a", "b"):
        async with tape(ignore=["session_id"]) as cassette, client_of(cassette) as client:
            assert (await client.chat("Hi", extra_body={"session_id": session})).content
    assert len(fake_gateway.requests) == 1


def test_the_order_of_keys_and_of_the_query_is_no_matter(tape: OnTape, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("POST", "/api/v1/x").json({"ok": True})
    for target, body in (("/x?b=2&a=1", b'{"c": 3, "d": 4}'), ("/x?a=1&b=2", b'{"d":4,"c":3}')):
        with tape() as cassette:
            request = Request(cassette.base_url + target, data=body, method="POST")
            with urlopen(request, timeout=5) as response:
                assert json.load(response) == {"ok": True}
    assert len(fake_gateway.requests) == 1


async def test_the_modes(tape: OnTape, fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(**options: Any) -> str:
        async with tape(**options) as cassette, client_of(cassette) as client:
            return (await client.chat("Hi")).content

    monkeypatch.delenv("CI", raising=False)
    for text in ("one", "two", "three"):
        fake_gateway.stream(text)
    with pytest.raises(CassetteError, match=r"a\.jsonl does not exist, and in mode replay nothing is recorded; to rec"):
        await answer(mode="replay")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(CassetteError, match="nothing is recorded"):
        await answer()
    monkeypatch.setenv("AI_CASSETTES", "once")
    assert [await answer(), await answer()] == ["one", "one"]
    monkeypatch.setenv("AI_CASSETTES", "record")
    assert await answer() == "two"
    assert await answer(mode="replay") == "two"
    monkeypatch.delenv("AI_CASSETTES")
    assert await answer() == "two"
    monkeypatch.setenv("CI", "false")
    assert [await answer(), await answer(mode="record")] == ["two", "three"]
    monkeypatch.setenv("AI_CASSETTES", "always")
    with pytest.raises(ValueError, match="AI_CASSETTES must be one of once, replay, record, not 'always'"):
        await answer()
    with pytest.raises(ValueError, match="mode must be one of"):
        await answer(mode="always")


async def test_the_gateway_of_the_environment_is_recorded(
    tmp_path: Path, fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(ConfigurationError, match="AI_API_KEY"):
        Cassette(path).__enter__()
    monkeypatch.setenv("AI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("AI_GATEWAY_URL", fake_gateway.base_url)
    async with Cassette(path) as cassette, client_of(cassette) as client:
        await client.chat("Hi")
    assert fake_gateway.requests[0].headers["authorization"] == "Bearer sk-of-the-environment"
    assert lines_of(cassette)[0] | {"recorded_at": ""} == {
        "cassette": 1, "gateway": fake_gateway.base_url, "recorded_at": ""}  # fmt: skip
    monkeypatch.delenv("AI_API_KEY")
    async with Cassette(path) as cassette, client_of(cassette) as client:
        await client.chat("Hi")
    assert cassette.requests[0].headers["authorization"] == "Bearer sk-or-v1-not-a-real-key"


async def test_a_gateway_that_cannot_be_reached_is_not_recorded(tape: OnTape) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CassetteError, match=f"http://127.0.0.1:{port} gave no answer: ConnectError"):
        async with tape(gateway_url=f"http://127.0.0.1:{port}/v1") as cassette:
            assert cassette.base_url.endswith("/v1")
            async with client_of(cassette) as client:
                with pytest.raises(ConnectionError):
                    await client.chat("Hi")
    assert not tape().path.exists()


async def test_a_cassette_that_nobody_asked_is_not_written(tape: OnTape) -> None:
    async with tape() as cassette:
        assert repr(cassette) == f"Cassette({str(cassette.path)!r}, recording)"
        with pytest.raises(RuntimeError, match="a cassette can be started only once"):
            cassette.__enter__()
    assert not cassette.path.exists()
    with pytest.raises(RuntimeError, match="the cassette is not running"):
        _ = tape().base_url


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "it is empty"), (b"hello", "line 1 is not a cassette line"), (b"{}", "line 1 is not"),
     (b'{"cassette": 2}', "it has version 2, but this release reads version 1"), (b"\xff", "utf-8"),
     (b'{"cassette": 1}\n{"end": "complete"}', "line 2 is not a cassette line"), (b"[]", "line 1 is not"),
     (b'{"cassette": 1}\n{"request": {"method": "GET", "target": "/"}}\n{"at": 1, "base64": "?"}', "line 3 is not")],
)  # fmt: skip
def test_a_file_that_is_no_cassette(tape: OnTape, content: bytes, why: str) -> None:
    cassette = tape()
    cassette.path.parent.mkdir()
    cassette.path.write_bytes(content)
    with pytest.raises(CassetteError, match=f"is not a cassette: .*{why}"):
        cassette.__enter__()
