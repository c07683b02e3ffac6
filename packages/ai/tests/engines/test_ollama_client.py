"""`AsyncOllamaClient` over real sockets."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel

from raptscallions_ai import OllamaClient, tool
from raptscallions_ai.client.ollama import AsyncOllamaClient
from raptscallions_ai.client.ollama_host import base_url_of
from raptscallions_ai.errors import (
    AiError,
    AuthenticationError,
    ConfigurationError,
    ConnectionError,
    ContextLengthError,
    InvalidResponseError,
    ModelNotAvailableError,
    NotSupportedError,
    ProviderError,
    StreamInterruptedError,
    TimeoutError,
)
from raptscallions_ai.options.timeouts import Timeouts
from raptscallions_ai.testing import Cut, FakeGateway, Gate, Hang, Reply
from raptscallions_ai.testing.script import Script

MODEL = "qwen2.5:3b"
LINES = {"content-type": "application/x-ndjson"}
END = {"done": True, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 2, "eval_duration": 1_000_000_000}


@pytest.fixture
def chats(fake_gateway: FakeGateway) -> Script:
    return fake_gateway.route("POST", "/api/chat")


@pytest.fixture
def pulls(fake_gateway: FakeGateway) -> Script:
    return fake_gateway.route("POST", "/api/pull")


@pytest.fixture
async def ollama(fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncOllamaClient]:
    monkeypatch.setattr("raptscallions_ai._call.retry._FIRST_DELAY", 0.001)
    async with AsyncOllamaClient(host=host_of(fake_gateway)) as client:
        yield client


def host_of(gateway: FakeGateway) -> str:
    return gateway.base_url.removesuffix("/api/v1")


def lines(*documents: dict[str, Any]) -> tuple[bytes, ...]:
    return tuple(json.dumps(one).encode() + b"\n" for one in documents)


def piece(text: str = "", **fields: Any) -> dict[str, Any]:
    return (
        {"model": MODEL, "created_at": "2026-11-30T12:00:00Z", "message": {"role": "assistant", "content": text}}
        | {"done": False}
        | fields
    )


def answer(*texts: str) -> Reply:
    return Reply(lines(*map(piece, texts), piece() | END), 200, LINES)


async def test_an_answer_streams(ollama: AsyncOllamaClient, fake_gateway: FakeGateway, chats: Script) -> None:
    chats.add(answer("Hel", "lo"))
    texts = [text async for text in ollama.stream_chat("Hi", max_tokens=9).text_stream]
    assert texts == ["Hel", "lo"]
    (request,) = fake_gateway.requests
    assert request.path == "/api/chat"
    assert "authorization" not in request.headers
    assert request.json == {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "truncate": False,
        "shift": False,
        "options": {"num_predict": 9},
    }


async def test_the_result(ollama: AsyncOllamaClient, chats: Script) -> None:
    chats.add(answer("Hello"))
    result = await ollama.chat("Hi")
    assert (result.content, result.finish_reason, result.model) == ("Hello", "stop", MODEL)
    assert (result.usage.prompt_tokens, result.usage.completion_tokens, result.usage.cost) == (5, 2, None)
    assert result.usage.cost_source == "unknown"


@pytest.mark.requirement("E04-T023.AC2")
async def test_what_a_client_asks_for_in_every_call(fake_gateway: FakeGateway, chats: Script) -> None:
    chats.add(answer("Hello"), times=2)
    async with AsyncOllamaClient(
        "m", host=host_of(fake_gateway), num_ctx=8192, keep_alive="1h", truncate=True, api_key="a-fake-key"
    ) as client:
        await client.chat("Hi", stream=False)
        await client.chat("Hi", extra_body={"options": {"num_gpu": 0}, "keep_alive": 0})
    first, second = fake_gateway.requests
    assert (first.json["options"], first.json["keep_alive"], first.json["truncate"]) == ({"num_ctx": 8192}, "1h", True)
    assert (second.json["options"], second.json["keep_alive"]) == ({"num_ctx": 8192, "num_gpu": 0}, 0)
    assert first.headers["authorization"] == "Bearer a-fake-key"


@tool
def now(zone: str) -> str:
    """Tell the time.

    Args:
        zone: Where.
    """
    return f"noon in {zone}"


@pytest.mark.requirement("E04-T023.AC2")
async def test_a_run_with_tools_that_come_without_ids(
    ollama: AsyncOllamaClient, fake_gateway: FakeGateway, chats: Script
) -> None:
    calls = [{"function": {"index": 0, "name": "now", "arguments": {"zone": zone}}} for zone in ("UTC", "CET")]
    asking = piece(message={"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": calls})
    chats.add(Reply(lines(asking, piece() | END), 200, LINES)).add(answer("Noon."))
    run = await ollama.run_tools("What time is it?", tools=[now]).result()
    assert run.content == "Noon."
    sent = fake_gateway.requests[1].json["messages"]
    assert sent[1]["thinking"] == "Hm."
    assert [call["function"]["arguments"] for call in sent[1]["tool_calls"]] == [{"zone": "UTC"}, {"zone": "CET"}]
    assert [(one["role"], one["tool_name"], one["content"]) for one in sent[2:]] == [
        ("tool", "now", "noon in UTC"),
        ("tool", "now", "noon in CET"),
    ]
    assert sent[2]["tool_call_id"] == sent[1]["tool_calls"][0]["id"] != sent[3]["tool_call_id"]


class Place(BaseModel):
    city: str


@pytest.mark.requirement("E04-T023.AC2")
async def test_an_object_is_asked_for_by_its_schema(
    ollama: AsyncOllamaClient, fake_gateway: FakeGateway, chats: Script
) -> None:
    chats.add(answer('{"city":', '"Rome"}'))
    assert (await ollama.parse("Where?", Place)).parsed == Place(city="Rome")
    assert fake_gateway.requests[0].json["format"]["properties"].keys() == {"city"}


@pytest.mark.requirement("E04-T023.AC1")
async def test_a_conversation_that_is_too_long_is_an_error(ollama: AsyncOllamaClient, chats: Script) -> None:
    chats.json({"error": "the input exceeds the available context size (4096 tokens)"}, status=400)
    with pytest.raises(ContextLengthError) as caught:
        await ollama.chat("Hi")
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": '"qwen2.5:3b" does not support thinking'}, AiError),
        (401, {"error": "unauthorized", "signin_url": "https://ollama.com/connect"}, AuthenticationError),
        (404, {"error": "model 'qwen2.5:3b' not found"}, ModelNotAvailableError),
        (404, {"error": 'model "qwen2.5:3b" not found, try pulling it first'}, ModelNotAvailableError),
        (
            500,
            {"error": "model requires more system memory (9.1 GiB) than is available (2.0 GiB)"},
            ModelNotAvailableError,
        ),
        (503, {"error": "server busy, please try again.  maximum pending requests exceeded"}, ProviderError),
    ],
)
async def test_errors(
    fake_gateway: FakeGateway, chats: Script, status: int, body: dict[str, Any], kind: type[AiError]
) -> None:
    chats.json(body, status=status, times=None)
    async with AsyncOllamaClient(host=host_of(fake_gateway), max_retries=0) as client:
        with pytest.raises(kind) as caught:
            await client.chat("Hi")
    assert caught.value.gateway_status == status


async def test_a_busy_server_is_asked_again(ollama: AsyncOllamaClient, chats: Script) -> None:
    chats.json({"error": "server busy"}, status=503).add(answer("Hello"))
    result = await ollama.chat("Hi")
    assert [attempt.error for attempt in result.attempts] == ["ProviderError", None]


@pytest.mark.requirement("E04-T023.AC1")
async def test_an_error_in_the_middle_keeps_the_text(ollama: AsyncOllamaClient, chats: Script) -> None:
    chats.add(Reply(lines(piece("Hel"), {"error": "an error was encountered while running the model"}), 200, LINES))
    with pytest.raises(ProviderError) as caught:
        await ollama.chat("Hi")
    assert caught.value.partial is not None and caught.value.partial.content == "Hel"


@pytest.mark.parametrize("ending", [[], [Cut()]])
@pytest.mark.requirement("E04-T023.AC1")
async def test_an_answer_without_done_is_no_answer(ollama: AsyncOllamaClient, chats: Script, ending: list[Any]) -> None:
    chats.add(Reply((*lines(piece("Hel"), piece("lo")), *ending), 200, LINES))
    with pytest.raises(StreamInterruptedError) as caught:
        await ollama.chat("Hi")
    assert caught.value.partial is not None and caught.value.partial.content == "Hello"


async def test_silence_is_a_timeout(fake_gateway: FakeGateway, chats: Script) -> None:
    chats.add(Reply((*lines(piece("Hel")), Hang()), 200, LINES))
    async with AsyncOllamaClient(host=host_of(fake_gateway), timeout=Timeouts(idle=0.05)) as client:
        with pytest.raises(TimeoutError):
            await client.chat("Hi")


async def test_whether_a_server_is_there(ollama: AsyncOllamaClient, fake_gateway: FakeGateway) -> None:
    version = fake_gateway.route("GET", "/api/version")
    version.json({"version": "0.20.3"}, times=2)
    assert await ollama.is_available()
    assert await ollama.version() == "0.20.3"
    version.json({"welcome": True}, times=2)
    assert not await ollama.is_available()
    with pytest.raises(InvalidResponseError, match="the server is not Ollama - check host"):
        await ollama.version()
    async with AsyncOllamaClient(host="127.0.0.1:1") as nobody:
        assert not await nobody.is_available()
        with pytest.raises(ConnectionError):
            await nobody.list_models()


TAGS = {
    "models": [
        {"name": "llama3.2:latest", "modified_at": "2026-11-01T10:00:00.123456789+02:00", "size": 2_019_393_189}
        | {"details": {"family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"}},
        {"name": "library/qwen2.5:3b", "model": "library/qwen2.5:3b"},
        {"size": 1},
    ]
}


async def test_which_models_there_are(ollama: AsyncOllamaClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", "/api/tags").json(TAGS, times=None)
    assert await ollama.list_models() == ["llama3.2:latest", "library/qwen2.5:3b"]
    (llama, _) = await ollama.models()
    assert (llama.description, llama.tokenizer, llama.raw["size"]) == ("3.2B Q4_K_M", "llama", 2_019_393_189)
    names = ["llama3.2", "llama3.2:latest", "llama3.2:1b", "library/qwen2.5:3b", "mistral"]
    assert [await ollama.has_model(name) for name in names] == [True, True, False, True, False]


@pytest.mark.requirement("E04-T023.AC3")
async def test_what_a_model_can_do(ollama: AsyncOllamaClient, fake_gateway: FakeGateway, chats: Script) -> None:
    facts = {"general.architecture": "qwen2", "qwen2.context_length": 32768, "general.name": "Qwen2.5 3B"}
    show = fake_gateway.route("POST", "/api/show")
    show.json({"model_info": facts, "capabilities": ["completion", "tools", "vision", "thinking"]})
    model = await ollama.show()
    assert (model.id, model.name, model.context_length) == (MODEL, "Qwen2.5 3B", 32768)
    assert model.input_modalities == ("text", "image")
    assert {"tools", "reasoning"} <= set(model.supported_parameters)
    assert fake_gateway.requests[0].json == {"model": MODEL}
    show.json({"error": "model 'x' not found"}, status=404)
    with pytest.raises(ModelNotAvailableError, match="x"):
        await ollama.show("x")


@pytest.mark.requirement("E04-T023.AC3")
async def test_what_is_in_memory(ollama: AsyncOllamaClient, fake_gateway: FakeGateway, chats: Script) -> None:
    entry = {"name": MODEL, "size": 5, "size_vram": 4, "context_length": 4096, "expires_at": "2026-11-30T12:00:00Z"}
    fake_gateway.route("GET", "/api/ps").json({"models": [entry]})
    (loaded,) = await ollama.loaded()
    assert (loaded.name, loaded.size, loaded.size_vram, loaded.context_length) == (MODEL, 5, 4, 4096)
    assert loaded.expires_at is not None
    done = {"model": MODEL, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "load"}
    chats.json(done, times=3)
    await ollama.load(keep_alive="10m")
    await ollama.load("m")
    await ollama.unload()
    sent = [request.json for request in fake_gateway.requests[1:]]
    assert [one.get("keep_alive") for one in sent] == ["10m", None, 0]
    assert [one["messages"] for one in sent] == [[], [], []]


@pytest.mark.requirement("E04-T023.AC3")
async def test_deleting_a_model(ollama: AsyncOllamaClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("DELETE", "/api/delete").reply(b"").json({"error": "model 'x' not found"}, status=404)
    await ollama.delete_model("x")
    assert fake_gateway.requests[0].json == {"model": "x"}
    with pytest.raises(ModelNotAvailableError):
        await ollama.delete_model("x")


@pytest.mark.requirement("E04-T023.AC3")
async def test_vectors(ollama: AsyncOllamaClient, fake_gateway: FakeGateway) -> None:
    embed = fake_gateway.route("POST", "/api/embed")
    embed.json({"model": "e", "embeddings": [[0.5, 1], [2, 3]], "prompt_eval_count": 4})
    result = await ollama.embed(["a", "b"], model="e")
    assert (result.vectors, result.model, result.usage.prompt_tokens) == ([[0.5, 1.0], [2.0, 3.0]], "e", 4)
    assert fake_gateway.requests[0].json == {"truncate": False, "model": "e", "input": ["a", "b"]}
    embed.json({"model": "e", "embeddings": [[0.5, 1]]}).json({"embeddings": [[1, "x"], [2, 3]]})
    for _ in range(2):
        with pytest.raises(InvalidResponseError):
            await ollama.embed(["a", "b"], model="e")
    with pytest.raises(NotSupportedError, match="input_type"):
        await ollama.embed("a", model="e", input_type="query")


def layer(completed: int, total: int = 100, digest: str = "sha256:aa") -> dict[str, Any]:
    return {"status": f"pulling {digest[7:]}", "digest": digest, "total": total, "completed": completed}


SUCCESS = [{"status": "verifying sha256 digest"}, {"status": "writing manifest"}, {"status": "success"}]


@pytest.mark.requirement("E04-T023.AC3")
async def test_a_download_tells_how_far_it_is(
    ollama: AsyncOllamaClient, fake_gateway: FakeGateway, pulls: Script
) -> None:
    steps = [{"status": "pulling manifest"}, layer(40), layer(100), layer(10, 20, "sha256:bb"), *SUCCESS]
    pulls.reply(*lines(*steps), headers=LINES)
    told = [(one.status, one.completed_bytes, one.total_bytes) async for one in ollama.pull("m")]
    assert told[0] == ("pulling manifest", 0, 0)
    assert told[1:4] == [("pulling aa", 40, 100), ("pulling aa", 100, 100), ("pulling bb", 110, 120)]
    assert told[-1] == ("success", 110, 120)
    assert fake_gateway.requests[0].json == {"model": "m", "stream": True}


@pytest.mark.requirement("E04-T023.AC3")
async def test_a_download_goes_on_where_it_was_when_the_connection_is_lost(
    ollama: AsyncOllamaClient, fake_gateway: FakeGateway, pulls: Script
) -> None:
    for completed in (20, 40, 60, 80):  # more often than max_retries, but each time it got further
        pulls.reply(*lines(layer(completed)), Cut(), headers=LINES)
    pulls.reply(*lines(layer(80), layer(100), *SUCCESS), headers=LINES)
    assert await ollama.pull_model("m")
    assert len(fake_gateway.requests) == 5


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ([{"error": "pull model manifest: file does not exist"}], AiError),
        ([layer(10), {"error": "max retries exceeded: unexpected EOF"}], AiError),
        ([layer(10)], StreamInterruptedError),
        ([{"progress": 1}], InvalidResponseError),
    ],
)
async def test_a_download_without_success_is_none(
    fake_gateway: FakeGateway, pulls: Script, said: list[dict[str, Any]], kind: type[AiError]
) -> None:
    pulls.add(Reply(lines(*said), 200, LINES), times=None)
    async with AsyncOllamaClient(host=host_of(fake_gateway), max_retries=0) as client:
        with pytest.raises(kind):
            await client.pull("m").result()


async def test_leaving_a_download_stops_it(ollama: AsyncOllamaClient, fake_gateway: FakeGateway, pulls: Script) -> None:
    pulls.reply(*lines(layer(10)), Hang(), headers=LINES)
    async with ollama.pull("m") as pull:
        async for progress in pull:
            assert progress.completed == 10
            break
    assert await fake_gateway.until(lambda: fake_gateway.open_responses == 0)


async def test_cancelling_a_download_stops_it(
    ollama: AsyncOllamaClient, fake_gateway: FakeGateway, pulls: Script
) -> None:
    gate = Gate()
    pulls.reply(*lines(layer(10)), gate, headers=LINES)
    task = asyncio.create_task(ollama.pull_model("m"))
    await fake_gateway.until(lambda: bool(fake_gateway.requests))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await fake_gateway.until(lambda: fake_gateway.open_responses == 0)


async def test_a_model_is_downloaded_if_it_is_not_there(
    ollama: AsyncOllamaClient, fake_gateway: FakeGateway, pulls: Script
) -> None:
    fake_gateway.route("GET", "/api/tags").json(TAGS, times=None)
    pulls.reply(*lines(*SUCCESS), headers=LINES)
    assert await ollama.ensure_model("llama3.2")
    assert await ollama.ensure_model("mistral")
    assert [request.path for request in fake_gateway.requests] == ["/api/tags", "/api/tags", "/api/pull"]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        (":5678", "http://127.0.0.1:5678"),
        ("example.com:56789", "http://example.com:56789"),
        ("example.com:99999", "http://example.com:11434"),
        ("example.com:port", "http://example.com:11434"),
        ("http://1.2.3.4", "http://1.2.3.4:80"),
        ("https://example.com", "https://example.com:443"),
        ("https://example.com:8443/path/", "https://example.com:8443/path"),
        ("example.com/a/b", "http://example.com:11434/a/b"),
        ("[::1]", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:1337", "http://[::1]:1337"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000"),
        (' "example.com" ', "http://example.com:11434"),
    ],
)
def test_a_host_is_read_as_ollama_reads_it(host: str, url: str) -> None:
    assert base_url_of(host) == url


async def test_the_environment_names_the_server_and_its_key_goes_to_https_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "192.0.2.1")
    monkeypatch.setenv("OLLAMA_API_KEY", "a-fake-key")
    async with AsyncOllamaClient() as client:
        assert client.base_url == "http://192.0.2.1:11434"
        assert client.resolve_model() == MODEL
        assert client._gateway.secret == ""  # pyright: ignore[reportPrivateUsage] - what would be sent
    async with AsyncOllamaClient(host="https://ollama.com") as cloud:
        assert cloud.base_url == "https://ollama.com:443"
        assert cloud._gateway.secret == "a-fake-key"  # pyright: ignore[reportPrivateUsage] - what would be sent
    monkeypatch.delenv("OLLAMA_API_KEY")
    with pytest.raises(ConfigurationError, match="OLLAMA_API_KEY"):
        AsyncOllamaClient(host="https://ollama.com")
    with pytest.raises(ConfigurationError, match="https"):
        AsyncOllamaClient(api_key="a-fake-key")
    with pytest.raises(ConfigurationError):
        AsyncOllamaClient(host="ftp://example.com")


def test_code_without_await_has_the_same_methods(fake_gateway: FakeGateway, chats: Script, pulls: Script) -> None:
    methods = {name for name in vars(AsyncOllamaClient) if not name.startswith("_")}
    assert methods - set(dir(OllamaClient)) == set()
    chats.add(answer("Hel", "lo"), times=2)
    pulls.reply(*lines(layer(40), *SUCCESS), headers=LINES)
    fake_gateway.route("GET", "/api/tags").json(TAGS)
    fake_gateway.route("GET", "/api/version").json({"version": "0.20.3"})
    with OllamaClient(host=host_of(fake_gateway)) as client:
        assert client.is_available()
        assert client.list_models() == ["llama3.2:latest", "library/qwen2.5:3b"]
        assert client.chat([{"role": "user", "content": "Hello!"}]).content == "Hello"
        assert list(client.chat_stream("Hi")) == ["Hel", "lo"]
        assert [progress.status for progress in client.pull("m")][-1] == "success"


def test_the_clients_are_at_the_top_and_load_no_sdk() -> None:
    script = (
        "import asyncio, sys\n"
        "from raptscallions_ai import AsyncOllamaClient, OllamaClient\n"
        "async def main():\n"
        "    async with AsyncOllamaClient(host='127.0.0.1:1', max_retries=0) as client:\n"
        "        try:\n"
        "            await client.chat('Hi')\n"
        "        except Exception as error:\n"
        "            print(type(error).__name__, 'openai' in sys.modules)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["ConnectionError", "False"]
