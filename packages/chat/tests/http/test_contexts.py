"""What a model is told of a conversation: what fits, what was summed up, and nothing that is not allowed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import Table, func, select

from raptscallions_ai import ChatResult, ConfigurationError, ProviderError, Usage
from raptscallions_ai.models import ModelInfo
from raptscallions_ai.testing import ScriptedClient
from raptscallions_chat import ChatSettings, create_app
from raptscallions_chat.features import Features
from raptscallions_chat.store.schema import summaries
from raptscallions_chat.testing import ServedChat

Serve = Callable[..., Awaitable[ServedChat]]
LONG = "A sentence of about ten tokens, again and again. " * 20  # about 200 tokens


class Talk:
    """One conversation with a service."""

    def __init__(self, http: httpx2.AsyncClient, client: ScriptedClient, conversation: str, features: Features) -> None:
        self.features = features
        self.http = http
        self.client = client
        self.conversation = conversation

    async def say(self, message: str) -> dict[str, Any]:
        """Send a message, wait for its answer, and return the run."""
        sent = await self.http.post(f"/conversations/{self.conversation}/messages", json={"message": message})
        assert sent.status_code == 202, sent.text
        await self.http.get(sent.json()["stream"])
        run: dict[str, Any] = (await self.http.get(f"/runs/{sent.json()['run']['id']}")).json()
        return run

    async def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        async with self.features.database.read() as connection:
            return (await connection.execute(select(func.count()).select_from(table))).scalar_one()

    def told(self, call: int = -1) -> list[tuple[str, str]]:
        """Return what the model was told, the beginning of each message."""
        return [(str(one["role"]), str(one["content"])[:20]) for one in self.client.calls[call].messages]


@asynccontextmanager
async def talking(
    serve: Serve, client: ScriptedClient, tool: str | None = None, **settings: Any
) -> AsyncGenerator[Talk]:
    service = await serve(client, **settings)
    async with httpx2.AsyncClient(base_url=service.url, timeout=60, verify=False) as http:
        body = {} if tool is None else {"tool": tool}
        conversation = (await http.post("/conversations", json=body)).json()["id"]
        yield Talk(http, client, conversation, service.app.state.services.features)


@pytest.mark.requirement("E05-T001.AC6")
async def test_whole_turns_are_left_out_that_do_not_fit(served: Serve) -> None:
    client = ScriptedClient("Yes.", repeat=True)
    async with talking(served, client, context_tokens=800) as talk:
        for number in range(4):
            await talk.say(f"{number} {LONG}")
        assert [content[0] for role, content in talk.told() if role == "user"] == ["1", "2", "3"]
        assert [role for role, _ in talk.told()] == ["user", "assistant", "user", "assistant", "user"]
        await talk.say(LONG * 10)  # the last turn is sent however long it is; the gateway says what is wrong with it
        assert [role for role, _ in talk.told()] == ["user"]


@pytest.mark.requirement("E05-T001.AC6")
@pytest.mark.parametrize(("catalogued", "told"), [("scripted/model", 5), ("other/model", 7)])
async def test_the_context_is_what_the_catalogue_tells(served: Serve, catalogued: str, told: int) -> None:
    class WithCatalogue(ScriptedClient):
        async def models(self) -> list[ModelInfo]:
            return [ModelInfo(id=catalogued, context_length=800)]

    async with talking(served, WithCatalogue("Yes.", repeat=True)) as talk:
        for number in range(4):
            await talk.say(f"{number} {LONG}")
        assert len(talk.told()) == told


@pytest.mark.requirement("E05-T001.AC6")
async def test_a_summary_stands_for_what_was_left_out_and_beside_the_messages(served: Serve) -> None:
    client = ScriptedClient("0.", "1.", "2.", "3.", "They talked.", "4.", "They talked more.", "5.")
    async with talking(served, client, context_tokens=800, summary_model="small/model") as talk:
        for number in range(4):
            await talk.say(f"{number} {LONG}")
        while not await talk.count(summaries):  # noqa: ASYNC110 - what follows a run has no event
            await asyncio.sleep(0.01)
        assert [role for role, _ in talk.told()] == ["system", "user"]
        asked = client.calls[4].messages[1]["content"]
        assert "user: 0 A sentence" in str(asked)
        assert "user: 1 A sentence" not in str(asked)
        await talk.say("4 short")
        assert client.calls[5].messages[0]["content"] == "What was said before this: They talked."
        page = (await talk.http.get(f"/conversations/{talk.conversation}/messages")).json()["items"]
        assert [item["role"] for item in page] == ["user", "assistant"] * 5


@pytest.mark.requirement("E05-T002.AC9")
@pytest.mark.parametrize(
    ("verdict", "is_allowed"),
    [("safe", True), ("Allowed.", True), ("unsafe\nS1", False), ("Refused", False), ("", False), ("I think it", False)],
)
async def test_a_message_that_a_model_does_not_allow_is_not_answered(
    served: Serve, verdict: str, is_allowed: bool
) -> None:
    judged = ChatResult(content=verdict, usage=Usage(prompt_tokens=7, completion_tokens=1, total_tokens=8))
    client = ScriptedClient(judged, "Hello.")
    async with talking(served, client, moderation_model="guard/model") as talk:
        run = await talk.say("Hi there")
        assert talk.told(0)[-1] == ("user", "Hi there")
        message, answer = (await talk.http.get(f"/conversations/{talk.conversation}/messages")).json()["items"]
        assert message["text"] == "Hi there"
        if is_allowed:
            assert (run["status"], answer["text"]) == ("completed", "Hello.")
        else:
            assert (run["status"], run["stop_reason"], answer["text"]) == ("stopped", "filter", "")
            assert len(client.calls) == 1
        assert run["usage"]["prompt_tokens"] >= 7


@pytest.mark.requirement("E05-T002.AC9")
async def test_what_nobody_could_judge_is_not_answered(served: Serve) -> None:
    client = ScriptedClient(ProviderError("down"), "Hello.")
    async with talking(served, client, moderation_model="guard/model") as talk:
        run = await talk.say("Hi")
        assert (run["status"], len(client.calls)) == ("failed", 1)


@pytest.mark.requirement("E05-T007.AC4")
async def test_tools_of_a_folder_are_everybodys_and_a_conversation_keeps_its_version(
    served: Serve, tmp_path: Path
) -> None:
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "tutor.yaml").write_text("name: tutor\nsystem: Teach.\nmodel: a/model", "utf-8")
    client = ScriptedClient("Yes.", repeat=True)
    async with talking(served, client, tool="tutor", tools_dir=str(folder)) as talk:
        await talk.say("Hi")
        assert talk.told() == [("system", "Teach."), ("user", "Hi")]
        page = (await talk.http.get(f"/conversations/{talk.conversation}/messages")).json()["items"]
        assert page[-1]["model"] == "a/model"
        await talk.features.tools.put(None, "name: tutor\nversion: 2\nsystem: Ask.")
        await talk.say("More")
        assert talk.told()[0] == ("system", "Teach.")


@pytest.mark.parametrize(("name", "told"), [("missing", "No such file"), ("broken", "bad.yaml: This is not the YAML")])
async def test_a_folder_of_tools_that_cannot_be_read_is_told_at_the_start(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "bad.yaml").write_text("name: [", "utf-8")
    settings = ChatSettings.explicit(database_url=f"sqlite:///{tmp_path / 'chat.db'}", tools_dir=str(tmp_path / name))
    app = create_app(settings, client=ScriptedClient())
    with pytest.raises(ConfigurationError, match=f"CHAT_TOOLS_DIR: {told}"):
        async with app.router.lifespan_context(app):
            pass


async def test_contents_are_logged_only_if_that_is_switched_on(
    served: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for log_content in (False, True):
        with caplog.at_level(logging.DEBUG, "raptscallions_chat"):
            url = f"sqlite:///{tmp_path / str(log_content)}.db"
            async with talking(served, ScriptedClient("A pear."), database_url=url, log_content=log_content) as talk:
                await talk.say("Which fruit?")
        assert ("Which fruit?" in caplog.text, "A pear." in caplog.text) == (log_content, log_content)
