"""The fake gateway as a whole: what it answers by itself, how it is used, and how it ends."""

import asyncio
import http.client
import json
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from raptscallions_ai.testing import Answer, FakeGateway, Gate, Hang, RecordedRequest, Reply, usage
from raptscallions_ai.tools.tool_call import ToolCall


def call(gateway: FakeGateway, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
    """Return status and body of one request; a JSON body is parsed."""
    connection = http.client.HTTPConnection(urlsplit(gateway.base_url).netloc, timeout=5)
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
        is_json = response.headers["Content-Type"] == "application/json"
        return response.status, json.loads(content) if is_json else content
    finally:
        connection.close()


def ask(gateway: FakeGateway, stream: bool = True) -> tuple[int, Any]:
    return call(gateway, "POST", "/api/v1/chat/completions", {"stream": stream})


def events(body: bytes) -> list[Any]:
    """Return the JSON of each event, the comments and `[DONE]` as text."""
    lines = [event.removeprefix(b"data: ").decode() for event in body.split(b"\n\n")[:-1]]
    return [json.loads(line) if line.startswith("{") else line for line in lines]


def deltas(body: bytes, field: str) -> list[Any]:
    chunks = [event for event in events(body) if not isinstance(event, str)]
    found = [chunk["choices"][0]["delta"].get(field) for chunk in chunks if chunk["choices"]]
    return [delta for delta in found if delta]


def test_by_itself_it_answers_as_it_is_asked(fake_gateway: FakeGateway) -> None:
    _, stream = ask(fake_gateway)
    _, body = ask(fake_gateway, stream=False)
    assert "".join(deltas(stream, "content")) == body["choices"][0]["message"]["content"]
    assert events(stream)[-2]["usage"] == body["usage"]
    assert events(stream)[-1] == "[DONE]"


def test_a_stream_has_openrouters_shape(fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hello", " world", reasoning=["Hm."], comments=2, id="gen-7", model="x/y")
    _, body = ask(fake_gateway)
    *comments, thought, first, second, finish, spent, done = events(body)
    assert comments == [": OPENROUTER PROCESSING"] * 2
    assert thought["choices"][0]["delta"] == {"role": "assistant", "content": "", "reasoning": "Hm."}
    assert [e["choices"][0]["delta"] for e in (first, second)] == [
        {"role": "assistant", "content": "Hello"},
        {"role": "assistant", "content": " world"},
    ]
    assert (first["id"], first["model"], first["provider"]) == ("gen-7", "x/y", "FakeProvider")
    assert finish["choices"][0]["finish_reason"] == finish["choices"][0]["native_finish_reason"] == "stop"
    assert (spent["choices"], spent["usage"]["cost"]) == ([], 0.00015)
    assert done == "[DONE]"


def test_the_end_of_a_stream_can_be_left_out(fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hello", usage=None, finish_reason=None, done=False)
    _, body = ask(fake_gateway)
    [only] = events(body)
    assert only["choices"][0]["finish_reason"] is None
    assert "usage" not in only


def test_tool_calls_come_in_pieces(fake_gateway: FakeGateway) -> None:
    calls = [ToolCall("call_1", "weather", '{"city":"Rome"}'), ToolCall("call_2", "now", "")]
    fake_gateway.stream(tool_calls=calls)
    _, body = ask(fake_gateway)
    pieces = [piece for [piece] in deltas(body, "tool_calls")]
    assert [piece["index"] for piece in pieces] == [0, 0, 0, 1, 1, 1]
    assert "".join(piece["function"]["arguments"] for piece in pieces) == '{"city":"Rome"}'
    assert [piece["id"] for piece in pieces if "id" in piece] == ["call_1", "call_2"]
    assert events(body)[-3]["choices"][0]["finish_reason"] == "tool_calls"


def test_an_answer_can_be_one_json_body(fake_gateway: FakeGateway) -> None:
    answer = Answer(tool_calls=[ToolCall("call_1", "now", "{}")], usage=usage(1, 2), id="gen-8")
    fake_gateway.add(answer.json()).add(Answer(("Hi",), usage=None).json())
    _, body = ask(fake_gateway, stream=False)
    assert body["choices"][0]["message"]["tool_calls"][0]["function"] == {"name": "now", "arguments": "{}"}
    assert body["choices"][0]["message"]["content"] is None
    assert (body["id"], body["usage"]["total_tokens"], body["choices"][0]["finish_reason"]) == (
        "gen-8",
        3,
        "tool_calls",
    )
    _, body = ask(fake_gateway, stream=False)
    assert body["choices"][0]["message"]["content"] == "Hi"
    assert "usage" not in body


def test_deltas_can_be_spread_over_time(fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("a", "b", "c", interval_s=0.03)
    _, body = ask(fake_gateway)
    assert deltas(body, "content") == ["a", "b", "c"]
    steps = Answer(("a", "b", "c"), comments=1, interval_s=0.03).stream().steps
    assert [type(step).__name__ for step in steps[:6]] == ["bytes", "bytes", "Pause", "bytes", "Pause", "bytes"]


def test_errors_have_openrouters_envelope(fake_gateway: FakeGateway) -> None:
    fake_gateway.error(429, "Slow down", error_type="rate_limit_exceeded", metadata={"raw": "x"}, retry_after=7)
    connection = http.client.HTTPConnection(urlsplit(fake_gateway.base_url).netloc, timeout=5)
    connection.request("POST", "/api/v1/chat/completions", "{}")
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    assert (response.status, response.headers["Retry-After"]) == (429, "7")
    metadata = {"error_type": "rate_limit_exceeded", "raw": "x"}
    assert body == {"error": {"code": 429, "message": "Slow down", "metadata": metadata}, "user_id": "user_fake"}


def test_the_other_routes_answer_by_themselves(fake_gateway: FakeGateway) -> None:
    _, models = call(fake_gateway, "GET", "/api/v1/models?q=x")
    assert fake_gateway.model in [model["id"] for model in models["data"]]
    assert {type(model["pricing"]["prompt"]) for model in models["data"]} == {str}
    assert call(fake_gateway, "GET", "/api/v1/key")[1]["data"]["limit_remaining"] == 7.5
    assert call(fake_gateway, "GET", "/api/v1/generation?id=gen-9")[1]["data"]["id"] == "gen-9"
    assert call(fake_gateway, "GET", "/api/v1/credits")[0] == 403
    assert call(fake_gateway, "GET", "/api/v1/presets")[0] == 404


def test_any_route_can_be_scripted(fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", "/api/v1/generation").error(404, times=2)
    fake_gateway.route("get", "/elsewhere").json({"ok": True}, status=201)
    statuses = [call(fake_gateway, "GET", "/api/v1/generation?id=x")[0] for _ in range(3)]
    assert statuses == [404, 404, 200]
    assert call(fake_gateway, "GET", "/elsewhere") == (201, {"ok": True})
    assert call(fake_gateway, "GET", "/elsewhere")[0] == 404


def test_the_key_is_checked_if_asked_for() -> None:
    with FakeGateway(require_key=True) as gateway:
        gateway.stream("not for strangers")
        strangers = [call(gateway, "POST", "/api/v1/chat/completions", {}, key) for key in (None, "wrong")]
        assert [status for status, _ in strangers] == [401, 401]
        assert strangers[1][1] == {"error": {"message": "User not found.", "code": 401}}
        status, body = call(gateway, "POST", "/api/v1/chat/completions", {}, gateway.api_key)
        assert (status, deltas(body, "content")) == (200, ["not for strangers"])


def test_two_hundred_streams_at_once(fake_gateway: FakeGateway) -> None:
    gate = Gate()
    fake_gateway.add(lambda request: Reply((gate, *Answer((request.json["n"],)).stream().steps)), times=None)

    async def stream(number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(fake_gateway.base_url).port)
        body = b'{"n":"%d"}' % number
        head = b"POST /api/v1/chat/completions HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def all_streams() -> list[bytes]:
        streams = [asyncio.create_task(stream(number)) for number in range(200)]
        assert await fake_gateway.until(lambda: fake_gateway.open_responses == 200)
        gate.open()
        return await asyncio.gather(*streams)

    answers = asyncio.run(all_streams())
    assert [b'"content": "%d"' % number in answer for number, answer in enumerate(answers)] == [True] * 200
    assert fake_gateway.wait_until(lambda: fake_gateway.open_connections == 0)
    assert not any(request.disconnected for request in fake_gateway.requests)


async def test_it_is_an_async_context_manager_too() -> None:
    async with FakeGateway() as gateway:
        status, _ = await asyncio.to_thread(ask, gateway)
    assert status == 200


def test_it_serves_other_processes(fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("across")
    script = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], b'{}').read().decode())"
    url = f"{fake_gateway.base_url}/chat/completions"
    done = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, timeout=30, check=True)
    assert '"content": "across"' in done.stdout


def test_it_ends_with_everything_that_hangs_on_it() -> None:
    with warnings.catch_warnings(), ThreadPoolExecutor(3) as clients:
        warnings.simplefilter("error")
        with FakeGateway() as gateway:
            gateway.reply(Hang(), times=3)
            answers = [clients.submit(ask, gateway) for _ in range(3)]
            assert gateway.wait_until(lambda: gateway.open_responses == 3)
        assert [type(answer.exception()).__name__ for answer in answers] == ["IncompleteRead"] * 3
    assert gateway.open_connections == gateway.open_responses == 0
    assert not any(request.disconnected for request in gateway.requests)
    assert "FakeGateway" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(ConnectionRefusedError):
        ask(gateway)


def failing(request: RecordedRequest) -> Reply:
    raise KeyError(request.path)


def test_an_error_of_the_script_surfaces() -> None:
    with pytest.raises(RuntimeError, match="script") as caught, FakeGateway() as gateway:
        gateway.add(failing)
        with pytest.raises(ConnectionResetError):
            ask(gateway)
    assert isinstance(caught.value.__cause__, KeyError)


def test_an_error_of_the_script_does_not_hide_the_tests_own() -> None:
    with pytest.raises(ConnectionResetError) as caught, FakeGateway() as gateway:
        gateway.add(failing)
        ask(gateway)
    assert caught.value.__notes__ == ["a script of the fake gateway failed: KeyError('/api/v1/chat/completions')"]


def test_a_gateway_is_started_once() -> None:
    gateway = FakeGateway()
    assert repr(gateway) == "FakeGateway(not started)"
    with pytest.raises(RuntimeError, match="not running"):
        _ = gateway.base_url
    with gateway:
        assert repr(gateway) == f"FakeGateway(port={urlsplit(gateway.base_url).port})"
        with pytest.raises(RuntimeError, match="only once"):
            gateway.__enter__()


def test_urllib_reads_it_too(fake_gateway: FakeGateway) -> None:
    request = Request(f"{fake_gateway.base_url}/models", headers={"Accept": "application/json"})
    with urlopen(request, timeout=5) as response:
        assert len(json.load(response)["data"]) == 3
