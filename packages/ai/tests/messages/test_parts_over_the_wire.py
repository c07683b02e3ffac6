"""Parts of messages over real sockets: what is sent is what was built, and what came is sent back."""

from __future__ import annotations

from pathlib import Path

import pytest

from raptscallions_ai import (
    BadRequestError,
    ChatMessage,
    OpenRouterClient,
    ToolCall,
    audio,
    cached,
    file,
    image,
    system,
    text,
    tool_result,
    user,
    video,
)
from raptscallions_ai.messages import ContentPart
from raptscallions_ai.testing import FakeGateway

pytestmark = pytest.mark.requirement("E04-T005.AC2")

MEDIA = Path(__file__).parents[1] / "fixtures" / "media"


async def test_every_kind_of_part_is_sent_as_it_was_built(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    parts: list[str | ContentPart] = [
        "What are these?",
        image(MEDIA / "red.png", detail="low"),
        file(MEDIA / "red.webp", filename="é.webp"),
        audio(MEDIA / "tone.flac"),
        video(MEDIA / "red.webm"),
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    messages = [cached(system("Be brief."), ttl="1h"), user(parts), {"role": "user", "content": "And now?"}]
    assert (await client.chat(messages)).content
    [request] = fake_gateway.requests
    assert request.json["messages"] == [
        {
            "role": "system",
            "content": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        },
        {"role": "user", "content": [text("What are these?"), *parts[1:]]},
        {"role": "user", "content": "And now?"},
    ]


async def test_an_answer_goes_back_with_all_that_it_brought(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    details = [
        {"type": "reasoning.encrypted", "data": "é\u2028==", "id": None, "format": "x", "index": 0},
        {"type": "reasoning.text", "text": "Hm.", "signature": "s==", "index": 1},
    ]
    parsed = {"type": "file", "file": {"hash": "h", "name": "a.pdf", "content": [{"type": "text", "text": "t"}]}}
    picture = image(MEDIA / "red.png")
    delta = {
        "role": "assistant",
        "content": "",
        "reasoning_details": details,
        "annotations": [parsed],
        "images": [picture],
        "tool_calls": [ToolCall("c1", "f", "{}").to_dict() | {"index": 0}],
    }
    fake_gateway.json({"id": "g", "model": "m", "choices": [{"index": 0, "message": delta, "finish_reason": "stop"}],
                       "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})  # fmt: skip
    answer = (await client.chat("Hi", stream=False)).to_message()
    stored = ChatMessage.from_dict(answer.to_dict())
    fake_gateway.stream("Fine.")
    await client.chat([user("Hi"), stored, tool_result("c1", ["see:", picture])])
    sent = fake_gateway.requests[-1].json["messages"]
    assert sent[1] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [ToolCall("c1", "f", "{}").to_dict()],
        "reasoning_details": details,
        "annotations": [parsed],
        "images": [picture],
    }
    assert sent[2] == {"role": "tool", "content": [text("see:"), picture], "tool_call_id": "c1"}


async def test_a_gateway_that_quotes_a_part_is_hidden(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    picture = image(MEDIA / "red.jpeg")
    url = picture["image_url"]["url"]
    fake_gateway.error(400, f"cannot decode {url[:200]} of confidential-name.pdf")
    with pytest.raises(BadRequestError) as caught:
        await client.chat([user([picture, file(b"text", filename="confidential-name.pdf")])])
    assert "cannot decode" in str(caught.value)
    assert url[30:60] not in str(caught.value)
    assert "confidential" not in str(caught.value)


async def test_no_file_is_read_after_the_builder(
    client: OpenRouterClient, fake_gateway: FakeGateway, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    part = file(path)
    path.unlink()
    await client.chat([user([part])])
    assert fake_gateway.requests[0].json["messages"][0]["content"][0]["file"]["file_data"].endswith("YmVmb3Jl")
