"""A conversation that moves between engines: no request is one that the target's own schema, or its rules, refuse."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from raptscallions_ai import (
    AsyncAnthropicClient,
    AsyncOllamaClient,
    AsyncOpenAICompatClient,
    ChatMessage,
    OpenRouterClient,
    ToolCall,
    assistant,
    image,
    system,
    tool,
    tool_result,
    user,
)
from raptscallions_ai.client.engine import EngineClient
from raptscallions_ai.testing import FakeAnthropic, FakeGateway, FakeOllama, Reply, chunk, sse, usage
from raptscallions_ai.testing.wire import DONE

SCHEMAS = Path(__file__).parents[1] / "fixtures" / "schemas"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
Body = dict[str, Any]

pytestmark = pytest.mark.requirement("E04-T025.AC3")


@tool
def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"Sunny in {city}."


# Each engine thinks in its own way.
CLAUDE = [
    {"type": "reasoning.text", "text": "Hm.", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.text", "signature": "c2lnbmVk", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "b3BhcXVl", "format": "anthropic-claude-v1", "index": 1},
]
OTHERS = [
    {"type": "reasoning.summary", "summary": "Hm.", "format": "openai-responses-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "Z2VoZWlt", "format": "openai-responses-v1", "id": "rs_1", "index": 1},
    {"type": "reasoning.text", "text": "Hm.", "format": "google-gemini-v1", "index": 2},
]


@dataclass(frozen=True)
class Engine:
    """One engine of the matrix: its fake server, a client of it, how it thinks, and what is wrong with a request."""

    serve: Callable[[], FakeGateway]
    connect: Callable[[FakeGateway], EngineClient]
    thinking: list[Body]
    rules: Callable[[Body], Iterable[str]]


def rules_of_anthropic(body: Body) -> Iterable[str]:
    """Yield what Anthropic refuses although its types allow it."""
    turns: list[Body] = body["messages"]
    open_calls: set[str] = set()
    for turn in turns:
        blocks: list[Body] = turn["content"]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if set(results) != open_calls or len(results) != len(set(results)):
            yield f"calls {open_calls} are answered by {results}"
        if results and any(block["type"] != "tool_result" for block in blocks[: len(results)]):
            yield "results do not stand first"
        open_calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
        if any(not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call) for call in open_calls):
            yield f"odd ids: {open_calls}"
        if any(not block["text"].strip() for block in blocks if block["type"] == "text"):
            yield "a text is empty"
        for block in blocks:
            if block["type"] == "thinking" and block["signature"] != "c2lnbmVk":
                yield "thinking has a signature that is not Anthropic's"
            if block["type"] == "redacted_thinking" and block["data"] != "b3BhcXVl":
                yield "hidden thinking is another engine's"
        kinds = [block["type"].removeprefix("redacted_") for block in blocks]
        if "thinking" in kinds and kinds[0] != "thinking":
            yield "thinking does not stand first"
    if open_calls:
        yield f"calls {open_calls} are not answered"


def rules_of_openai(body: Body) -> Iterable[str]:
    """Yield what OpenAI refuses although its types allow it."""
    open_calls: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                yield f"a result of {message['tool_call_id']!r}, which nobody called"
                continue
            open_calls.remove(message["tool_call_id"])
        elif open_calls:
            yield f"calls {open_calls} are not answered"
            open_calls = []
        if message["role"] == "assistant":
            open_calls += [call["id"] for call in message.get("tool_calls", [])]
    if open_calls:
        yield f"calls {open_calls} are not answered"


def rules_of_ollama(body: Body) -> Iterable[str]:
    """Yield what Ollama refuses although its types allow it."""
    for message in body["messages"]:
        if message["role"] not in ("system", "user", "assistant", "tool"):
            yield f"the role {message['role']!r}"
        for call in message.get("tool_calls", []):
            if not isinstance(call["function"]["arguments"], dict):
                yield "arguments are no object"
        if any(picture.startswith("data:") for picture in message.get("images", [])):
            yield "a picture is no plain base64"


ENGINES: dict[str, Engine] = {
    "anthropic": Engine(
        FakeAnthropic,
        lambda server: AsyncAnthropicClient(server.api_key, base_url=server.base_url),
        CLAUDE,
        rules_of_anthropic,
    ),
    "openai": Engine(
        FakeGateway,
        lambda server: AsyncOpenAICompatClient(server.api_key, server.base_url, "gpt-x", preset="openai"),
        [],
        rules_of_openai,
    ),
    "ollama": Engine(
        FakeOllama,
        lambda server: AsyncOllamaClient(host=server.base_url),
        [{"type": "reasoning.text", "text": "Hm."}],
        rules_of_ollama,
    ),
    "openrouter": Engine(
        FakeGateway,
        lambda server: OpenRouterClient(server.api_key, server.base_url, server.model),
        [*CLAUDE, *OTHERS],
        rules_of_openai,
    ),
}
REFUSALS = {name: jsonschema_rs.validator_for((SCHEMAS / f"{name}.json").read_text("utf-8")) for name in ENGINES}


def answer(thinking: list[Body], *text: str, calls: list[ToolCall] | None = None) -> Reply:
    """Return a streamed answer of an engine that thinks so."""
    deltas: list[Body] = [{"reasoning_details": [detail]} for detail in thinking]
    deltas += [{"content": piece} for piece in text]
    deltas += [{"tool_calls": [{"index": index, **call.to_dict()}]} for index, call in enumerate(calls or ())]
    end = chunk(finish_reason="tool_calls" if calls else "stop", usage=usage())
    return Reply((*(sse(chunk(delta=delta)) for delta in deltas), sse(end) + DONE))


def problems(name: str, server: FakeGateway) -> list[str]:
    """Return what is wrong with the requests that a server got."""
    found: list[str] = []
    for request in server.requests:
        body: Body = request.json
        found += [
            f"{'.'.join(map(str, error.instance_path))}: {error.message}"[:400]
            for error in REFUSALS[name].iter_errors(body)
        ]
        found += ENGINES[name].rules(body)
    return found


def stored(messages: Iterable[object]) -> list[ChatMessage]:
    """Return messages as they come back from where a conversation is kept."""
    kept = json.loads(json.dumps([message.to_dict() for message in messages if isinstance(message, ChatMessage)]))
    return [ChatMessage.from_dict(message) for message in kept]


async def turn(name: str, server: FakeGateway, conversation: list[ChatMessage], number: int) -> list[ChatMessage]:
    """Let an engine think, call two tools, and answer; return the conversation with all that."""
    engine = ENGINES[name]
    # Anthropic's own ids have the form that it takes; others may be anything.
    ids = [f"toolu_{number}{letter}" if name == "anthropic" else f"call:{name}/{number}.ö{letter}" for letter in "ab"]
    cities = [json.dumps({"city": city}) for city in ("Rome", "Ölüdeniz")]
    calls = [ToolCall(call_id, "weather", city) for call_id, city in zip(ids, cities, strict=True)]
    server.add(answer(engine.thinking, "Let me look.", calls=calls))
    server.add(answer(engine.thinking, "Sunny", " everywhere."))
    async with engine.connect(server) as client:
        run = client.run_tools([*conversation, user(["And here?", image(PIXEL)])], tools=[weather])
        result = await run.result()
    assert result.content == "Sunny everywhere."
    return stored(run.messages)


@pytest.mark.parametrize("second", ENGINES)
@pytest.mark.parametrize("first", ENGINES)
async def test_a_conversation_goes_there_and_back(first: str, second: str) -> None:
    conversation = [system("Be kind.")]
    with ENGINES[first].serve() as here, ENGINES[second].serve() as there:
        for number in range(2):
            conversation = await turn(first, here, conversation, number)
            conversation = await turn(second, there, conversation, number)
        assert (len(here.requests), len(there.requests)) == (4, 4)
        assert {first: problems(first, here), second: problems(second, there)} == {first: [], second: []}


async def test_a_conversation_goes_round_all_of_them_and_back() -> None:
    """What an engine has thought goes back to it as it was, whoever speaks in between."""
    conversation: list[ChatMessage] = []
    with contextlib.ExitStack() as running:
        servers = {name: running.enter_context(engine.serve()) for name, engine in ENGINES.items()}
        for number, name in enumerate(("anthropic", "openrouter", "ollama", "openai", "anthropic")):
            conversation = await turn(name, servers[name], conversation, number)
        assert {name: problems(name, server) for name, server in servers.items()} == {name: [] for name in ENGINES}
        first, *_, last = (request.json["messages"] for request in servers["anthropic"].requests)
    assert last[: len(first)] == first
    thoughts = [block for message in last for block in message["content"] if "thinking" in block["type"]]
    assert [block["type"] for block in thoughts[:4]] == ["thinking", "redacted_thinking"] * 2


CALLED = assistant(None, tool_calls=[ToolCall("a b", "weather", '{"city": "Rome"}')])
CUT_OFF = assistant("Let me", tool_calls=[ToolCall("", "weather", '{"city": "Ro')])


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param([user("Hi"), CALLED, user("Well?")], id="a call without its result"),
        pytest.param([user("Hi"), CALLED], id="a call at the end"),
        pytest.param([user("Hi"), CUT_OFF, user("Well?")], id="a call that was cut off"),
        pytest.param(
            [user("Hi"), assistant("Done."), tool_result("gone", "Sunny."), user("Well?")], id="a lone result"
        ),
        pytest.param([user("Hi"), assistant(""), user("Are you there?")], id="an answer without a text"),
        pytest.param([user("Hi"), user("Hello?"), system("Be brief."), user("Well?")], id="a system message later on"),
    ],
)
@pytest.mark.parametrize("name", ENGINES)
async def test_odd_conversations(name: str, odd: list[ChatMessage]) -> None:
    with ENGINES[name].serve() as server:
        async with ENGINES[name].connect(server) as client:
            await client.chat(stored(odd))
        assert problems(name, server) == []


@pytest.mark.parametrize("name", ENGINES)
def test_a_schema_refuses_what_the_host_would(name: str) -> None:
    limit = {} if name == "ollama" else {"max_tokens": 9}
    body: Body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **limit}
    assert REFUSALS[name].is_valid(body)
    assert not REFUSALS[name].is_valid({**body, "invented": 1})
    assert not REFUSALS[name].is_valid({**body, "messages": [{"role": "assistant", "content": "Hi", "native": {}}]})
