"""The real client of the AI SDK, as `useChat` uses it, reads what `ui_message_stream` writes."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from web_server import Serve

from raptscallions_ai import (
    AiError,
    AnnotationChunk,
    ChatResult,
    ContentChunk,
    ImageChunk,
    OpenRouterClient,
    ProviderError,
    RateLimitError,
    ReasoningChunk,
    RestartedChunk,
    Tool,
    ToolCallChunk,
    tool,
    user,
)
from raptscallions_ai.testing import FakeGateway, Hang, ScriptedClient, chunk, sse
from raptscallions_ai.web import ChatStreamResponse, ai_error_handler, from_ui_messages, ui_message_stream

pytestmark = [pytest.mark.requirement("E04-T005.AC6"), pytest.mark.timeout(300)]  # the first run installs the SDK

HERE = Path(__file__).parent / "ai_sdk"
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="
SOURCE = {"type": "url_citation", "url_citation": {"url": "https://example.com/a", "title": "A", "start_index": 0}}
FILE = {"type": "file", "file": {"name": "a.pdf", "hash": "abc"}}


Chat = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(params=["ai", "ai-6"])
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def chat(version: str, node_modules: Callable[[Path], Path], serve: Serve) -> Chat:
    """Makes a client of the SDK take some steps against an endpoint, and returns what its user would have seen."""
    sdk = node_modules(HERE) / version
    entry = json.loads((sdk / "package.json").read_text("utf-8"))["exports"]["."]
    program = sdk / (entry.get("import") or entry["default"])

    async def chat(
        client: OpenRouterClient | ScriptedClient, *steps: dict[str, Any], tools: Sequence[Tool[..., Any]] = ()
    ) -> dict[str, Any]:
        async def answer(request: Request) -> Response:
            messages = (await request.json())["messages"]
            goes_on = messages[-1]["role"] == "assistant"
            message_id = messages[-1]["id"] if goes_on else f"msg-{len(messages)}"
            conversation = from_ui_messages(messages)
            stream = client.run_tools(conversation, tools=tools) if tools else client.stream_chat(conversation)
            return ChatStreamResponse(ui_message_stream(stream, message_id=message_id))

        handlers: Any = {AiError: ai_error_handler}
        app = Starlette(routes=[Route("/ui", answer, methods=["POST"])], exception_handlers=handlers)
        command = ["node", str(HERE / "chat.mjs"), program.as_uri(), serve(app).url + "/ui", json.dumps(steps)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return chat


def parts(seen: dict[str, Any]) -> list[dict[str, Any]]:
    return seen["messages"][-1]["parts"]


async def test_a_whole_answer(chat: Chat) -> None:
    client = ScriptedClient(
        [
            ReasoningChunk("Let me "),
            ReasoningChunk("see."),
            "Hel",
            "lo",
            AnnotationChunk(SOURCE),
            AnnotationChunk(FILE),
            ImageChunk({"type": "image_url", "image_url": {"url": PIXEL}}),
            ToolCallChunk(0, "call_1", "weather", '{"city":'),
            ToolCallChunk(1, "call_2", "time"),
            ToolCallChunk(0, arguments='"Rome"}'),
        ],
        model="a/model",
    )
    seen = await chat(client, {"say": "Hi"})
    assert (seen["status"], seen.get("error")) == ("ready", None)
    assert seen["messages"][-1]["id"] == "msg-1"
    reasoning, text, *rest = [part for part in parts(seen) if part["type"] != "step-start"]
    assert (reasoning["type"], reasoning["text"], reasoning["state"]) == ("reasoning", "Let me see.", "done")
    assert (text["text"], text["state"]) == ("Hello", "done")
    source, annotation, image, weather, clock = rest
    assert (source["type"], source["url"], source["title"]) == ("source-url", "https://example.com/a", "A")
    assert annotation == {"type": "data-annotation", "data": FILE}
    assert (image["type"], image["mediaType"], image["url"]) == ("file", "image/png", PIXEL)
    assert (weather["type"], weather["state"], weather["input"]) == (
        "tool-weather",
        "input-available",
        {"city": "Rome"},
    )
    assert (clock["type"], clock["state"], clock["input"]) == ("tool-time", "input-available", {})
    metadata = seen["messages"][-1]["metadata"]
    assert metadata["model"] == "a/model"
    assert metadata["usage"]["total_tokens"] > 0
    assert seen["finished"] == [
        {"isAbort": False, "isDisconnect": False, "isError": False, "finishReason": "tool-calls"}
    ]


async def test_a_conversation_comes_back_as_it_was(chat: Chat) -> None:
    client = ScriptedClient(
        ["Which city?"],
        ["One moment. ", ToolCallChunk(0, "call_1", "weather", '{"city":"Rome"}')],
        "It is sunny.",
    )
    output = {"tool": "weather", "toolCallId": "call_1", "output": {"sky": "clear"}}
    seen = await chat(client, {"say": "How warm is it?"}, {"say": "Rome"}, {"output": output})
    assert seen.get("error") is None
    assert client.calls[2].messages == [
        {"role": "user", "content": "How warm is it?"},
        {"role": "assistant", "content": "Which city?"},
        {"role": "user", "content": "Rome"},
        {
            "role": "assistant",
            "content": "One moment. ",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
            ],
        },
        {"role": "tool", "content": '{"sky":"clear"}', "tool_call_id": "call_1"},
    ]
    assert [part["text"] for part in parts(seen) if part["type"] == "text"] == ["One moment. ", "It is sunny."]


async def test_tools_of_the_service_itself(chat: Chat) -> None:
    @tool
    def weather(city: str) -> dict[str, str]:
        """Tell the weather.

        Args:
            city: Where.
        """
        if city != "Rome":
            raise ValueError("unknown")
        return {"sky": "clear"}

    asked = [ToolCallChunk(0, "a", "weather", '{"city":"Rome"}'), ToolCallChunk(1, "b", "weather", '{"city":"Oz"}')]
    client = ScriptedClient(asked, "Rome is sunny.", "You are welcome.")
    seen = await chat(client, {"say": "How are they?"}, {"say": "Thanks."}, tools=[weather])
    assert (seen["status"], seen.get("error")) == ("ready", None)
    calls = {part["toolCallId"]: part for part in seen["messages"][1]["parts"] if part["type"] == "tool-weather"}
    assert (calls["a"]["state"], calls["a"]["output"]) == ("output-available", {"sky": "clear"})
    assert (calls["b"]["state"], calls["b"]["errorText"]) == ("output-error", "The tool failed.")
    told = [(message["role"], message["content"]) for message in client.calls[2].messages]
    assert told[1:] == [
        ("assistant", None),
        ("tool", '{"sky":"clear"}'),
        ("tool", "The tool failed."),
        ("assistant", "Rome is sunny."),
        ("user", "Thanks."),
    ]


async def test_failures(chat: Chat) -> None:
    seen = await chat(ScriptedClient(["Half", ProviderError("upstream fell over")]), {"say": "Hi"})
    assert seen["status"] == "error"
    assert seen["error"].startswith("upstream fell over (reference ")
    assert [part["text"] for part in parts(seen) if part["type"] == "text"] == ["Half"]
    assert seen["finished"][0]["isError"]
    seen = await chat(ScriptedClient(RateLimitError(3)), {"say": "Hi"})
    assert seen["status"] == "error"
    assert json.loads(seen["error"])["error"]["status_code"] == 429


async def test_an_answer_that_restarts(chat: Chat, version: str) -> None:
    restarted = RestartedChunk(ChatResult(content="Once upon"), ProviderError())
    client = ScriptedClient(["Once upon", restarted, ContentChunk("There was")])
    seen = await chat(client, {"say": "A story, please."})
    if version == "ai-6":
        assert seen["status"] == "error"
        return
    assert seen.get("error") is None
    assert [part["text"] for part in parts(seen) if part["type"] == "text"] == ["There was"]


async def test_the_stop_button_stops_the_gateway(chat: Chat, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("One")), sse(chunk(" two")), Hang())
    upstream = OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model)
    async with upstream:
        seen = await chat(upstream, {"stop_at": "two"})
        assert seen["status"] == "ready"
        assert seen["finished"][0]["isAbort"]
        assert await fake_gateway.requests[-1].closed()
    assert fake_gateway.requests[-1].disconnected


def test_the_header_says_which_protocol_it_is() -> None:
    body = ui_message_stream(ScriptedClient("Hi").stream_chat([user("Hi")]))
    assert body.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert body.headers["Content-Type"].startswith("text/event-stream")
