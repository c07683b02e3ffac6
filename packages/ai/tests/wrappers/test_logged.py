"""What seed 001 logs, and never what was said."""

from __future__ import annotations

import logging

import pytest

from raptscallions_ai import OpenRouterClient, ProviderError
from raptscallions_ai.testing import FakeGateway, ScriptedClient
from raptscallions_ai.wrappers import LoggedClient

pytestmark = pytest.mark.requirement("E04-T005.AC9")


async def test_start_end_and_sizes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "raptscallions_ai")
    await LoggedClient(ScriptedClient(["Hello", "secret"])).chat("Hi", model="m/1")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "call started: model=m/1 messages=1 stream=True"),
        ("DEBUG", "chunk 1: ContentChunk(5 characters)"),
        ("DEBUG", "chunk 2: ContentChunk(6 characters)"),
        ("DEBUG", "chunk 3: DoneChunk()"),
        ("INFO", "call finished: model=m/1 finish_reason=stop chunks=3"),
    ]
    assert "secret" not in caplog.text


async def test_failures_and_leaving(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("my.calls")
    caplog.set_level(logging.INFO, "my.calls")
    client = LoggedClient(ScriptedClient(["a", ProviderError()], ["a", "b"]), log)
    with pytest.raises(ProviderError):
        await client.chat("Hi")
    async for _ in client.stream_chat("Hi"):
        break
    told = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "my.calls"]
    assert told[1] == ("ERROR", "call failed: ProviderError model=scripted/model chunks=1")
    assert told[3] == ("INFO", "call left: model=scripted/model chunks=1")


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_a_client_logs_the_rest_by_itself(
    client: OpenRouterClient, fake_gateway: FakeGateway, caplog: pytest.LogCaptureFixture, level: str
) -> None:
    caplog.set_level(level, "raptscallions_ai")
    fake_gateway.stream("Hello")
    await client.chat("my PIN")
    levels = {record.levelname for record in caplog.records if record.name == "raptscallions_ai"}
    assert levels == {"INFO"} | ({"DEBUG"} if level == "DEBUG" else set())
    assert "chat started: model=fake/model-1 messages=1" in caplog.text
    assert "chat finished: model=fake/model-1" in caplog.text
    assert "my PIN" not in caplog.text
    assert "Hello" not in caplog.text
