"""Callers who leave, read slowly, come back, or ask twice."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest
from proxy_kit import END, Call, Proxied, RunProxy, agents_body, completions_body
from starlette.requests import Request

from raptscallions_ai import Caller, OpenRouterClient
from raptscallions_ai.proxy import Authenticate, Replay
from raptscallions_ai.testing import FakeGateway, Gate, Hang, ScriptedClient, chunk, sse

OWN = "text/event-stream; profile=raptscallions"
ASKED: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "stream": ("/api/stream", agents_body(), {}),
    "completions": ("/v1/chat/completions", completions_body(stream=True), {}),
    "whole": ("/v1/chat/completions", completions_body(), {}),
}


@pytest.mark.requirement("E04-T028.AC3")
@pytest.mark.parametrize("kind", ASKED)
async def test_upstream_is_stopped_when_the_caller_leaves(
    proxied: Proxied, call: Call, fake_gateway: FakeGateway, kind: str
) -> None:
    fake_gateway.reply(sse(chunk("One")), Hang())
    path, body, headers = ASKED[kind]
    caller = call(proxied, path, body, **headers)
    if kind != "whole":
        await asyncio.to_thread(caller.read_until, b"One")
    assert await fake_gateway.until(lambda: len(fake_gateway.requests) == 1)
    caller.leave()
    assert await fake_gateway.requests[0].closed()
    assert fake_gateway.requests[0].disconnected
    (record,) = await proxied.audited()
    assert (record.outcome, record.caller, record.model) == ("left", "alice", "fake/model-1")


@pytest.mark.requirement("E04-T028.AC3")
@pytest.mark.parametrize("headers", [{}, {"accept": OWN}], ids=["stream", "chunks"])
async def test_a_slow_caller_holds_up_upstream_and_not_memory(
    run_proxy: RunProxy, call: Call, headers: dict[str, str]
) -> None:
    piece = "x" * 32 * 1024
    client = ScriptedClient([piece] * 100)
    proxied = run_proxy(client, replay=Replay(max_answer_bytes=256 * 1024))
    caller = call(proxied, "/api/stream", agents_body(), **headers)
    assert await asyncio.to_thread(proxied.parked.wait, 5)
    # What is kept, and what fits into the buffers of two sockets; not the 3 MB that there are.
    assert len(client.calls[0].partial.content) < 1024 * 1024
    text = await asyncio.to_thread(caller.rest)
    assert text.count(piece.encode()) >= 100
    assert b'"type":"done"' in text
    assert (await proxied.audited())[0].outcome == "complete"


@pytest.mark.requirement("E04-T028.AC4")
@pytest.mark.parametrize("kind", ASKED)
async def test_the_same_key_gives_the_same_bytes(proxied: Proxied, fake_gateway: FakeGateway, kind: str) -> None:
    fake_gateway.stream("Once", " only")
    path, body, _ = ASKED[kind]
    first = await proxied.post(path, body, idempotency_key="k-1")
    again = await proxied.post(path, body, idempotency_key="k-1")
    assert first.status_code == 200
    assert again.content == first.content
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    assert len(fake_gateway.requests) == 1
    assert [record.outcome for record in await proxied.audited(2)] == ["complete", "replayed"]


@pytest.mark.requirement("E04-T028.AC4")
async def test_a_second_request_joins_the_running_answer(
    proxied: Proxied, call: Call, fake_gateway: FakeGateway
) -> None:
    gate = Gate()
    fake_gateway.reply(sse(chunk("One")), gate, sse(chunk(" two")), END)
    callers = [call(proxied, "/api/stream", agents_body(), idempotency_key="k-1") for _ in range(3)]
    for caller in callers:
        await asyncio.to_thread(caller.read_until, b"One")
    callers[0].leave()  # the answer is still the others'
    gate.open()
    second, third = [await asyncio.to_thread(caller.rest) for caller in callers[1:]]
    assert b" two" in second
    assert second == third
    assert len(fake_gateway.requests) == 1


@pytest.mark.requirement("E04-T028.AC4")
async def test_a_key_with_another_body_is_refused(proxied: Proxied, fake_gateway: FakeGateway) -> None:
    await proxied.post("/api/stream", agents_body("One"), idempotency_key="k-1")
    response = await proxied.post("/api/stream", agents_body("Two"), idempotency_key="k-1")
    assert response.status_code == 409
    assert (await proxied.post("/api/stream", agents_body("Two"), idempotency_key="k" * 256)).status_code == 400
    assert len(fake_gateway.requests) == 1


def by_turns(*names: str) -> Authenticate:
    rest = iter(names)

    def authenticate(request: Request) -> Caller:
        return Caller(next(rest))

    return authenticate


async def test_keys_are_each_callers_own(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    proxied = run_proxy(upstream, authenticate=by_turns("alice", "bob"))
    for _ in range(2):
        await proxied.post("/api/stream", agents_body(), idempotency_key="k-1")
    assert len(fake_gateway.requests) == 2


async def test_a_failed_answer_is_asked_for_anew(proxied: Proxied, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(503)
    fake_gateway.reply(sse(chunk("Half")), sse({"error": {"code": 502, "message": "gone"}}))
    fake_gateway.stream("Hello")
    answers = [await proxied.post("/api/stream", agents_body(), idempotency_key="k-1") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 200, 200]
    assert '"type":"error"' in answers[1].text
    assert '"type":"done"' in answers[2].text


async def test_what_is_kept_is_bounded(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    proxied = run_proxy(upstream, replay=Replay(max_bytes=3000))
    for key in ("k-1", "k-2", "k-1", "k-2"):
        await proxied.post("/api/stream", agents_body(), idempotency_key=key)
    # Each answer has some 2 kB, so that the second one drove out the first, and so on.
    assert len(fake_gateway.requests) == 4


@pytest.mark.requirement("E04-T029.AC2")
async def test_going_on_at_any_event(proxied: Proxied, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("One", " two", " three")
    whole = (await proxied.post("/api/stream", agents_body(), accept=OWN)).content
    events = whole.split(b"\n\n")[:-1]
    assert [json.loads(event.partition(b"data: ")[2])["type"] for event in events] == ["content"] * 3 + ["done"]
    assert json.loads(events[-1].partition(b"data: ")[2])["result"]["content"] == "One two three"
    for position, event in enumerate(events):
        last = event.partition(b"\n")[0].removeprefix(b"id: ").decode()
        async with httpx2.AsyncClient() as http:
            rest = await http.get(proxied.url + "/api/stream", headers=proxied.headers(last_event_id=last))
        assert rest.content == b"".join(each + b"\n\n" for each in events[position + 1 :])
    assert len(fake_gateway.requests) == 1


@pytest.mark.requirement("E04-T029.AC2")
async def test_a_caller_who_was_cut_off_comes_back(proxied: Proxied, call: Call, fake_gateway: FakeGateway) -> None:
    gate = Gate()
    fake_gateway.reply(sse(chunk("One")), gate, sse(chunk(" two")), END)
    caller = call(proxied, "/api/stream", agents_body(), accept=OWN)
    seen = await asyncio.to_thread(caller.read_until, b"One")
    caller.leave()
    last = seen.rpartition(b"id: ")[2].partition(b"\n")[0].decode()
    again = asyncio.create_task(proxied.post("/api/stream", agents_body(), accept=OWN, last_event_id=last))
    gate.open()
    text = (await again).text
    assert '"content":" two"' in text
    assert '"content":"One"' not in text.partition('"type":"done"')[0]
    assert len(fake_gateway.requests) == 1


@pytest.mark.requirement("E04-T029.AC2")
async def test_who_does_not_come_back_stops_upstream(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway, call: Call
) -> None:
    fake_gateway.reply(sse(chunk("One")), Hang())
    proxied = run_proxy(upstream, replay=Replay(linger=0.05))
    caller = call(proxied, "/api/stream", agents_body(), accept=OWN)
    await asyncio.to_thread(caller.read_until, b"One")
    caller.leave()
    assert await fake_gateway.requests[0].closed()
    assert (await proxied.audited())[0].outcome == "left"


async def test_an_answer_that_is_not_here(proxied: Proxied) -> None:
    response = await proxied.post("/api/stream", agents_body(), last_event_id="abc-3")
    assert response.status_code == 404
    async with httpx2.AsyncClient() as http:
        assert (await http.get(proxied.url + "/api/stream", headers=proxied.headers())).status_code == 405


async def test_answers_of_others_cannot_be_read(run_proxy: RunProxy, upstream: OpenRouterClient) -> None:
    proxied = run_proxy(upstream, authenticate=by_turns("alice", "bob"))
    whole = await proxied.post("/api/stream", agents_body(), accept=OWN)
    first = whole.text.partition("\n")[0].removeprefix("id: ")
    assert (await proxied.post("/api/stream", agents_body(), last_event_id=first)).status_code == 404


async def many(proxied: Proxied, callers: int) -> None:
    async with httpx2.AsyncClient(timeout=60, limits=httpx2.Limits(max_connections=callers)) as http:

        async def ask(number: int) -> str:
            body = agents_body(f"I am {number}")
            return (await http.post(proxied.url + "/api/stream", json=body, headers=proxied.headers())).text

        texts = await asyncio.gather(*(ask(number) for number in range(callers)))
    assert sum('"type":"done"' in text for text in texts) == callers
    assert len(await proxied.audited(callers)) == callers


async def test_forty_callers_at_once(proxied: Proxied, fake_gateway: FakeGateway) -> None:
    await many(proxied, 40)
    assert len(fake_gateway.requests) == 40


@pytest.mark.long
async def test_a_thousand_callers_at_once(proxied: Proxied, fake_gateway: FakeGateway) -> None:
    await many(proxied, 1000)
    assert len(fake_gateway.requests) == 1000
