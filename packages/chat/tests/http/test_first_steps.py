"""A conversation from its beginning to a stored answer, over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2

from raptscallions_ai.testing import ScriptedClient
from raptscallions_chat.testing import ServedChat, read_events

Serve = Callable[..., Awaitable[ServedChat]]


async def test_a_message_is_answered_streamed_and_stored(served: Serve) -> None:
    chat = await served(ScriptedClient(["Be", "cause ", "of Rayleigh."]))
    async with httpx2.AsyncClient(base_url=chat.url) as http:
        created = await http.post("/conversations", json={})
        assert created.status_code == 201, created.text
        conversation = created.json()
        sent = await http.post(
            f"/conversations/{conversation['id']}/messages", json={"message": "Why is the sky blue?"}
        )
        assert sent.status_code == 202, sent.text
        reply = sent.json()
        async with http.stream("GET", reply["stream"]) as response:
            assert response.status_code == 200
            events = [event async for event in read_events(response.aiter_bytes())]
        run_id = reply["run"]["id"]
        assert [event.id for event in events] == [f"{run_id}.{n}" for n in range(1, len(events) + 1)]
        assert [events[0].type, events[1].type] == ["run_started", "message_started"]
        assert [events[-2].type, events[-1].type] == ["usage", "completed"]
        assert "".join(e.data["content"] for e in events if e.type == "content") == "Because of Rayleigh."
        page = (await http.get(f"/conversations/{conversation['id']}/messages")).json()
        assert [(m["role"], m["status"], m["text"]) for m in page["items"]] == [
            ("user", "complete", "Why is the sky blue?"),
            ("assistant", "complete", "Because of Rayleigh."),
        ]
        assert page["next"] is None
        again = await http.get(reply["stream"], headers={"Last-Event-ID": events[-1].id})
        assert again.status_code == 204
        named = (await http.get(f"/conversations/{conversation['id']}")).json()
        assert named["title"] == "Why is the sky blue?"
