"""Building, sharing and closing clients: loops, threads, environments, injected SDK clients, connections."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import warnings
import weakref
from typing import Any
from urllib.parse import urlsplit

import pytest
from openai import AsyncOpenAI

from raptscallions_ai import (
    AiError,
    AiSettings,
    ChatClient,
    ConfigurationError,
    OpenRouterClient,
    get_settings,
    openrouter_client,
    reset_settings,
)
from raptscallions_ai.testing import FakeGateway, Gate, Hang, Reply, ScriptedClient, chunk, json_reply, sse, usage
from raptscallions_ai.testing.wire import DONE


def build(gateway: FakeGateway) -> OpenRouterClient:
    return OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model, max_retries=0)


def test_one_client_serves_one_loop_after_another(fake_gateway: FakeGateway) -> None:
    client = build(fake_gateway)

    async def ask() -> str:
        return (await client.chat("Hi")).content

    answers = [asyncio.run(ask()) for _ in range(3)]
    assert len(set(answers)) == 1
    # Each loop took its connections along when it ended.
    assert fake_gateway.wait_until(lambda: fake_gateway.open_connections == 0)
    asyncio.run(client.aclose())


def test_one_client_serves_loops_in_several_threads(fake_gateway: FakeGateway) -> None:
    client = build(fake_gateway)
    answers: list[str] = []

    async def ask() -> None:
        answers.append((await client.chat("Hi")).content)

    threads = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    asyncio.run(client.aclose())


async def test_calls_one_after_another_share_a_connection(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    for _ in range(3):
        await client.chat("Hi")
        async for piece in client.stream_chat("Hi"):
            if piece.type == "done":
                break
    assert {request.connection for request in fake_gateway.requests} == {fake_gateway.requests[0].connection}


async def test_a_failed_call_does_not_spoil_the_connection(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(429, "slow down")
    with pytest.raises(AiError):
        await client.chat("Hi")
    await client.chat("Hi")
    assert fake_gateway.requests[0].connection == fake_gateway.requests[1].connection


async def test_many_tasks_share_one_client(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    gate = Gate()
    end = (sse(chunk("", finish_reason="stop")), sse({"choices": [], "usage": usage()}), DONE)
    fake_gateway.reply(sse(chunk("a")), gate, sse(chunk("b")), *end, times=50)
    calls = [asyncio.create_task(client.chat("Hi")) for _ in range(50)]
    await fake_gateway.until(lambda: len(fake_gateway.requests) == 50)
    gate.open()
    assert [result.content for result in await asyncio.gather(*calls)] == ["ab"] * 50


async def test_a_closed_client_says_so(client: OpenRouterClient) -> None:
    await client.aclose()
    await client.aclose()
    with pytest.raises(AiError, match="closed"):
        client.stream_chat("Hi")


async def test_a_client_that_was_used_and_not_closed_warns(fake_gateway: FakeGateway) -> None:
    client = build(fake_gateway)
    await client.chat("Hi")
    connections = client._gateway.connections  # pyright: ignore[reportPrivateUsage] - to close them after all
    with pytest.warns(ResourceWarning, match="OpenRouterClient was not closed"):
        del client
        gc.collect()
    await connections.aclose()


def test_a_client_that_was_never_used_does_not_warn(fake_gateway: FakeGateway) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build(fake_gateway)
        gc.collect()
    assert fake_gateway.open_connections == 0


def test_given_key_url_and_model_the_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_MAX_RETRIES", "not a number")
    assert "gateway.example" in repr(OpenRouterClient("k", "https://gateway.example/v1", "m"))
    with pytest.raises(ConfigurationError, match="AI_MAX_RETRIES"):
        OpenRouterClient("k", "https://gateway.example/v1")


def test_a_wrong_argument_does_not_show_the_key_in_the_traceback() -> None:
    with pytest.raises(ConfigurationError) as caught:
        OpenRouterClient("sk-not-a-real-key", "https://user:sk-not-a-real-key@gateway.example", "m", max_retries=9)
    shown: list[str] = []
    link = caught.value.__traceback__
    while link is not None:
        if link.tb_frame.f_code.co_filename != __file__:
            shown += [repr(value) for name, value in link.tb_frame.f_locals.items() if name != "self"]
        link = link.tb_next
    assert shown
    assert "sk-not-a-real-key" not in str(shown)


@pytest.mark.requirement("E04-T002.AC8")
async def test_the_environment_configures_a_client(monkeypatch: pytest.MonkeyPatch, fake_gateway: FakeGateway) -> None:
    monkeypatch.setenv("AI_GATEWAY_URL", fake_gateway.base_url)
    monkeypatch.setenv("AI_API_KEY", fake_gateway.api_key)
    monkeypatch.setenv("AI_DEFAULT_MODEL", "from/environment")
    monkeypatch.setenv("AI_APP_URL", "https://app.example")
    monkeypatch.setenv("AI_APP_TITLE", "My App")
    async with OpenRouterClient() as client:
        await client.chat("Hi")
    request = fake_gateway.requests[0]
    assert request.json["model"] == "from/environment"
    assert request.headers["authorization"] == f"Bearer {fake_gateway.api_key}"
    assert request.headers["http-referer"] == "https://app.example"
    assert request.headers["x-openrouter-title"] == "My App"
    assert request.headers["user-agent"].startswith("raptscallions-ai/")


@pytest.mark.requirement("E04-T002.AC4")
async def test_a_call_may_name_its_model(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    await client.chat("Hi")
    await client.chat("Hi", model="openai/gpt-4o")
    assert [request.json["model"] for request in fake_gateway.requests] == [fake_gateway.model, "openai/gpt-4o"]


async def test_openai_variables_do_not_reach_the_gateway(
    monkeypatch: pytest.MonkeyPatch, client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    for name in ("API_KEY", "ORG_ID", "PROJECT_ID", "ADMIN_KEY", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{name}", "leaked-from-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Leak: leaked-from-environment\nAuthorization: Bearer leaked")
    await client.chat("Hi")
    sent = str(dict(fake_gateway.requests[0].headers))
    assert "leaked" not in sent
    assert fake_gateway.requests[0].headers["authorization"] == f"Bearer {fake_gateway.api_key}"


@pytest.mark.requirement("E04-T002.AC2")
async def test_an_openai_client_of_the_users_own_is_used_and_left_open(fake_gateway: FakeGateway) -> None:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(api_key="their-own-key", base_url=fake_gateway.base_url) as theirs:
        async with OpenRouterClient(default_model="m", openai_client=theirs) as client:
            assert (await client.chat("Hi")).content
        assert not theirs.is_closed()
        assert fake_gateway.requests[0].headers["authorization"] == "Bearer their-own-key"


async def test_an_openai_client_with_a_key_callable(fake_gateway: FakeGateway) -> None:
    from openai import AsyncOpenAI

    async def fetch_key() -> str:
        return "fetched-key"

    async with AsyncOpenAI(api_key=fetch_key, base_url=fake_gateway.base_url) as theirs:
        client = OpenRouterClient(default_model="m", openai_client=theirs)
        await client.chat("Hi")
        await client.aclose()
    assert fake_gateway.requests[0].headers["authorization"] == "Bearer fetched-key"


async def test_settings_can_be_given_and_arguments_win_over_them(fake_gateway: FakeGateway) -> None:
    settings = AiSettings.explicit(api_key=fake_gateway.api_key, gateway_url=fake_gateway.base_url)
    async with OpenRouterClient(settings=settings, default_model="argument/wins") as client:
        await client.chat("Hi")
    assert fake_gateway.requests[0].json["model"] == "argument/wins"


async def test_the_shared_client_reads_the_environment_when_it_is_used(
    monkeypatch: pytest.MonkeyPatch, fake_gateway: FakeGateway
) -> None:
    assert "not read yet" in repr(openrouter_client)
    with pytest.raises(ConfigurationError, match="AI_API_KEY: is required but not set"):
        openrouter_client.stream_chat("Hi")
    monkeypatch.setenv("AI_GATEWAY_URL", fake_gateway.base_url)
    monkeypatch.setenv("AI_API_KEY", fake_gateway.api_key)
    try:
        assert (await openrouter_client.chat("Hi")).content
    finally:
        await openrouter_client.aclose()
    assert "not read yet" in repr(openrouter_client)


async def test_a_client_tells_whom_it_asks(
    client: OpenRouterClient, fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (client.resolve_model(), client.base_url) == (fake_gateway.model, fake_gateway.base_url)
    assert client.resolve_model("other/model") == "other/model"
    monkeypatch.setenv("AI_API_KEY", "sk-or-v1-not-a-real-key")
    monkeypatch.setenv("AI_DEFAULT_MODEL", "from/environment")
    assert openrouter_client.resolve_model() == "from/environment"
    assert "/" in openrouter_client.resolve_model("gpt-4o")  # an alias
    await openrouter_client.aclose()


def test_settings_are_read_once_until_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_KEY", "first")
    assert get_settings() is get_settings()
    monkeypatch.setenv("AI_API_KEY", "second")
    assert get_settings().api_key.get_secret_value() == "first"
    reset_settings()
    assert get_settings().api_key.get_secret_value() == "second"


async def test_models_are_listed(client: OpenRouterClient) -> None:
    models = await client.models()
    assert models[0].id == "fake/model-1"
    assert models[0].context_length == 128_000
    assert models[0].prompt_price is not None
    assert models[0].prompt_price > 0


async def test_a_list_of_models_that_is_none(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", "/api/v1/models").reply(b"<html>", headers={"content-type": "text/html"})
    with pytest.raises(AiError, match="not a list of models"):
        await client.models()


def test_every_client_is_a_chat_client(client: OpenRouterClient) -> None:
    clients: list[ChatClient] = [client, ScriptedClient(["Hi"]), openrouter_client]
    assert [hasattr(each, "stream_chat") for each in clients] == [True, True, True]


def test_importing_reads_nothing_and_loads_no_sdk() -> None:
    program = (
        "import sys, os\n"
        "class Watched(dict):\n"
        "    def __getitem__(self, key): reads.append(key); return super().__getitem__(key)\n"
        "    def get(self, key, default=None): reads.append(key); return super().get(key, default)\n"
        "reads = []\n"
        "import raptscallions_ai, raptscallions_ai.client.openrouter, raptscallions_ai.testing\n"
        "from raptscallions_ai import openrouter_client, OpenRouterClient\n"
        "heavy = {'openai', 'aiohttp', 'httpx2', 'pydantic', 'pydantic_settings', 'typer', 'rich'} & set(sys.modules)\n"
        "print(sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


@pytest.mark.requirement("E04-T013.AC4")
async def test_the_first_call_does_not_block_the_loop_for_the_import() -> None:
    program = (
        "import asyncio, sys\n"
        "sys.modules['aiohttp'] = None  # as where the extra is not installed; else the SDK itself loads it\n"
        "from raptscallions_ai import OpenRouterClient\n"
        "async def main():\n"
        "    ticks = 0\n"
        "    async def tick():\n"
        "        nonlocal ticks\n"
        "        while True:\n"
        "            await asyncio.sleep(0)\n"
        "            ticks += 1\n"
        "    ticker = asyncio.create_task(tick())\n"
        "    async with OpenRouterClient('k', 'https://gateway.example/v1', 'm') as client:\n"
        "        await client.warm_up()\n"
        "    ticker.cancel()\n"
        "    print(ticks)\n"
        "asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) > 10


async def test_first_calls_at_once_build_one_sdk_client(
    monkeypatch: pytest.MonkeyPatch, client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    import openai

    built: list[object] = []
    original = openai.AsyncOpenAI

    def counted(**options: Any) -> Any:
        built.append(options["http_client"])
        return original(**options)

    monkeypatch.setattr(openai, "AsyncOpenAI", counted)
    await asyncio.gather(*(client.chat("Hi") for _ in range(20)))
    assert len(built) == 1
    assert len(fake_gateway.requests) == 20


async def test_an_injected_client_may_have_any_key(fake_gateway: FakeGateway) -> None:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(api_key="no key needed", base_url=fake_gateway.base_url) as theirs:
        assert (await OpenRouterClient(default_model="m", openai_client=theirs).chat("Hi")).content


def test_arguments_of_a_wrong_type() -> None:
    from openai import OpenAI

    wrong: dict[str, Any] = {"openai_client": OpenAI(api_key="k")}
    with pytest.raises(TypeError, match=r"openai\.AsyncOpenAI"):
        OpenRouterClient(**wrong)
    wrong = {"settings": {}}
    with pytest.raises(TypeError, match="AiSettings"):
        OpenRouterClient(**wrong)
    wrong = {"extra_query": 5}
    client = OpenRouterClient("k", "https://gateway.example/v1", "m")
    with pytest.raises(TypeError, match="extra_query"):
        client.stream_chat("Hi", **wrong)
    wrong = {"max_retries": 1.5}
    with pytest.raises(ValueError, match="max_retries"):
        client.stream_chat("Hi", **wrong)


async def test_the_shared_client_recovers_from_a_failed_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError):
        openrouter_client.stream_chat("Hi")
    assert "not read yet" in repr(openrouter_client)
    monkeypatch.setenv("AI_API_KEY", "k")
    assert openrouter_client.stream_chat("Hi").partial.content == ""
    await openrouter_client.aclose()


async def test_a_conversation_of_megabytes_is_sent(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    picture = "data:image/png;base64," + "A" * 3_000_000
    part = {"type": "image_url", "image_url": {"url": picture}}
    assert (await client.chat([{"role": "user", "content": [part]}])).content
    request = fake_gateway.requests[0]
    assert request.json["messages"][0]["content"][0]["image_url"]["url"] == picture
    assert request.headers["content-length"] == str(len(request.body))
    assert "transfer-encoding" not in request.headers


def test_a_loop_that_is_over_is_let_go_of(fake_gateway: FakeGateway) -> None:
    clients = [build(fake_gateway)]
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def ask() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await clients[0].chat("Hi")

    for _ in range(3):
        asyncio.run(ask())
    gc.collect()
    assert [loop() for loop in loops] == [None, None, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # its connections went with their loops: nothing is left to warn of
        clients.clear()
        gc.collect()


async def test_closing_the_client_ends_open_streams_of_an_injected_client(fake_gateway: FakeGateway) -> None:
    from openai import AsyncOpenAI

    fake_gateway.reply(sse(chunk("Hello")), Hang())
    async with AsyncOpenAI(api_key="k", base_url=fake_gateway.base_url) as theirs:
        async with OpenRouterClient(default_model="m", openai_client=theirs) as client:
            stream = client.stream_chat("Hi")
            await anext(stream)
        assert await fake_gateway.requests[0].closed()
        assert fake_gateway.requests[0].disconnected
        with pytest.raises(AiError):
            await stream.result()


def test_explicit_settings_look_at_no_environment_even_when_they_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_KY", "k")
    with pytest.raises(ConfigurationError) as caught:
        OpenRouterClient("k", "https://gateway.example/v1", "m", max_retries=9)
    assert caught.value.details["variables"] == {"AI_MAX_RETRIES": "must be a whole number from 0 to 5"}


@pytest.mark.requirement("E04-T006.AC2")
@pytest.mark.parametrize("given", ["AI_GATEWAY_URL", "base_url", "openai_client"])
async def test_a_message_names_what_the_url_was_set_with(
    monkeypatch: pytest.MonkeyPatch, fake_gateway: FakeGateway, given: str
) -> None:
    monkeypatch.setenv("AI_API_KEY", fake_gateway.api_key)
    url = fake_gateway.base_url
    no_such_path = Reply((b'{"detail": "Not Found"}',), 404)
    page = Reply((b"<!DOCTYPE html><title>Welcome</title>",), 200)
    moved = Reply((b"",), 307, {"Location": "https://elsewhere.example/v1"})
    for reply in (no_such_path, page, moved):
        fake_gateway.add(reply)
    fake_gateway.route("GET", f"{urlsplit(url).path}/models").add(json_reply({"welcome": True}))
    sdk = AsyncOpenAI(api_key=fake_gateway.api_key, base_url=url)
    monkeypatch.setenv("AI_GATEWAY_URL", url if given == "AI_GATEWAY_URL" else "https://unused.example/v1")
    argument: dict[str, Any] = {"base_url": {"base_url": url}, "openai_client": {"openai_client": sdk}}.get(given, {})
    async with sdk, OpenRouterClient(max_retries=0, **argument) as client:
        for _ in range(3):
            with pytest.raises(AiError, match=rf" - check {given}\b"):
                await client.chat("Hi")
        with pytest.raises(AiError, match=rf" - check {given}\b"):
            await client.models()
