"""pi's agent and OpenAI's SDK for JavaScript, unchanged, against a proxy of ours."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from proxy_kit import END, Proxied, RunProxy

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.testing import Cut, FakeGateway, Pause, chunk, sse
from raptscallions_ai.tools.tool_call import ToolCall

pytestmark = [pytest.mark.requirement("E04-T029.AC1"), pytest.mark.timeout(300)]  # the first run installs both

HERE = Path(__file__).parent / "npm_clients"
Run = Callable[[str, Proxied], Awaitable[Any]]


@pytest.fixture
def run(node_modules: Callable[[Path], Path]) -> Run:
    """Runs one of the programs against a proxy, and returns what it writes."""
    packages = node_modules(HERE)

    async def run(program: str, proxied: Proxied) -> Any:
        command = ["node", str(HERE / program), packages.as_uri(), proxied.url, proxied.token]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    return run


async def test_an_agent_of_pi_with_a_tool(run: Run, proxied: Proxied, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Let me see.", tool_calls=[ToolCall("call_1", "weather", '{"city": "Paris"}')])
    fake_gateway.stream("It is sunny.")
    _, asks, result, answer = await run("pi.mjs", proxied)
    assert [part["type"] for part in asks["content"]] == ["text", "toolCall"]
    assert asks["content"][1]["arguments"] == {"city": "Paris"}
    assert (asks["stopReason"], answer["stopReason"]) == ("toolUse", "stop")
    assert result["content"] == [{"type": "text", "text": "Sunny in Paris"}]
    assert answer["content"][0]["text"] == "It is sunny."
    assert (answer["usage"]["input"], answer["usage"]["totalTokens"], answer["usage"]["cost"]["total"]) == (
        10,
        11,
        0.00015,
    )
    first, second = (request.json for request in fake_gateway.requests)
    assert first["messages"][0] == {"role": "system", "content": "Be brief."}
    assert first["max_tokens"] == 50
    assert second["messages"][-1] == {"role": "tool", "tool_call_id": "call_1", "content": "Sunny in Paris"}


async def test_an_agent_of_pi_is_told_of_failures(run: Run, proxied: Proxied, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Half")), Cut())
    *_, answer = await run("pi.mjs", proxied)
    assert (answer["stopReason"], answer["content"][0]["text"]) == ("error", "Half")
    assert "the connection was lost" in answer["errorMessage"]
    proxied.token = "another"
    *_, answer = await run("pi.mjs", proxied)
    assert answer["errorMessage"] == "Proxy error: This proxy does not know you: send a token that it has given to you"


async def test_openais_sdk(
    run: Run, run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    proxied = run_proxy(upstream, keep_alive=0.05)
    fake_gateway.stream("Hello")
    fake_gateway.reply(sse(chunk("One")), Pause(0.2), sse(chunk(" two")), END)
    seen = await run("openai.mjs", proxied)
    assert (seen["whole"], seen["text"], seen["usage"]["total_tokens"]) == ("Hello", "One two", 15)


async def test_openais_sdk_is_told_of_failures(run: Run, proxied: Proxied) -> None:
    proxied.token = "another"
    seen = await run("openai.mjs", proxied)
    assert (seen["failed"], seen["status"]) == ("AuthenticationError", 401)
    assert "does not know you" in seen["message"]
