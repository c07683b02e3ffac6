"""What is around a conversation: the list, drafts, files, tabs, devices, reloads, the keyboard, languages."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from raptscallions_ai.testing import FakeGateway, Gate, Hang, ScriptedClient, chunk, sse, usage
from raptscallions_chat.testing import ServedChat

from .conftest import Arrive

pytestmark = pytest.mark.timeout(300)

Serve = Callable[..., Awaitable[ServedChat]]
END = (sse(chunk(finish_reason="stop", usage=usage())), sse("[DONE]"))


@pytest.mark.requirement("E07-T002.AC1")
async def test_conversations_are_found_renamed_exported_and_deleted(served: Serve, arrive: Arrive) -> None:
    chat = await served(ScriptedClient("Bananas are yellow.", "Grass is green."))
    person = await arrive(chat.url)
    seen = await person.does("""
        await say("About fruit");
        await answered("Bananas");
        await page.getByRole("link", { name: "New chat" }).click();
        await say("About meadows");
        await answered("Grass");

        const search = page.getByRole("searchbox", { name: "Search conversations" });
        await search.fill("banan");
        await page.locator(".hit mark", { hasText: "Bananas" }).click();
        await page.getByText("Bananas are yellow.").first().waitFor();
        await until(async () => (await page.evaluate(() => document.activeElement.className)).includes("message"));
        await search.press("Escape");
        await until(async () => (await page.locator(".list li").count()) === 2);

        await page.getByRole("button", { name: "What to do with “About fruit”" }).click();
        await page.getByRole("menuitem", { name: "Rename" }).click();
        await page.getByRole("textbox", { name: "Title" }).fill("Yellow fruit");
        await page.keyboard.press("Enter");
        await page.getByRole("link", { name: "Yellow fruit" }).waitFor();
        await page.locator("h1", { hasText: "Yellow fruit" }).waitFor();

        await page.getByRole("button", { name: "What to do with “Yellow fruit”" }).click();
        const saving = page.waitForEvent("download");
        await page.getByRole("menuitem", { name: "Export" }).click();
        const download = await saving;
        const saved = await read(download.path());

        await page.getByRole("button", { name: "What to do with “Yellow fruit”" }).click();
        await page.keyboard.press("End");
        await page.keyboard.press("Enter");
        await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
        await page.getByRole("link", { name: "Yellow fruit" }).waitFor({ state: "detached" });
        await page.getByText("What can I help you with?").waitFor();
        return [download.suggestedFilename(), saved, await page.locator(".list a").allTextContents()];
    """)
    assert seen[0] == "Yellow fruit.json"
    assert [message["text"] for message in json.loads(seen[1])["messages"]] == ["About fruit", "Bananas are yellow."]
    assert seen[2] == ["About meadows"]
    assert await person.problems() == []


@pytest.mark.requirement("E07-T002.AC1")
async def test_files_are_chosen_dropped_and_pasted_and_drafts_are_kept(
    served: Serve, arrive: Arrive, tmp_path: Path
) -> None:
    client = ScriptedClient("I see.")
    chat = await served(client, storage_url=f"file://{tmp_path / 'files'}")
    person = await arrive(chat.url)
    pixel = (Path(__file__).parent / "pixel.png").read_bytes()
    seen = await person.does(
        """
        const files = page.locator(".waiting-files .name");
        await page.locator('input[type="file"]').setInputFiles([
            { name: "übersicht.txt", mimeType: "text/plain", buffer: Buffer.from("chosen") },
            { name: "program.exe", mimeType: "application/octet-stream", buffer: Buffer.from([77, 90, 0, 1, 2, 3]) },
        ]);
        const give = (kind, selector, ...file) =>
            page.locator(selector).evaluate((element, [kind, name, type, bytes]) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], name, { type }));
                const init = { clipboardData: data, dataTransfer: data, bubbles: true, cancelable: true };
                const Kind = kind === "paste" ? ClipboardEvent : DragEvent;
                element.dispatchEvent(new Kind(kind, init));
            }, [kind, ...file]);
        await give("drop", "main", "dropped.md", "text/markdown", [35, 32, 72, 105]);
        await give("paste", "textarea", "pasted.png", "image/png", given.pixel);
        await page.getByText("Files of this kind cannot be attached.").waitFor();
        await page.getByRole("button", { name: "Remove program.exe" }).click();
        await until(async () => (await page.getByText("Uploading").count()) === 0);
        await box.fill("What is in these?");
        await page.reload();
        await until(async () => (await files.count()) === 3);
        const kept = [await box.inputValue(), await files.allTextContents()];
        await page.getByRole("button", { name: "Send" }).click();
        await answered("I see.");
        await page.locator(".attachments img").waitFor();
        const saving = page.waitForEvent("download");
        await page.getByRole("button", { name: "übersicht.txt" }).click();
        const saved = await read((await saving).path());
        return [...kept, await page.locator(".attachments button").count(), saved, await files.count()];
        """,
        pixel=list(pixel),
    )
    assert seen[0] == "What is in these?"
    assert sorted(seen[1]) == ["dropped.md", "pasted.png", "übersicht.txt"]
    assert seen[2:] == [3, "chosen", 0]
    told = json.dumps(client.calls[0].messages, default=str)
    assert "chosen" in told
    assert "data:image/png;base64," in told


@pytest.mark.parametrize("tabs", [1, pytest.param(7, marks=pytest.mark.long)])
@pytest.mark.requirement("E07-T002.AC2")
async def test_an_answer_goes_on_after_a_reload_in_other_tabs_and_on_another_device(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive, tabs: int
) -> None:
    go_on = Gate()
    fake_gateway.reply(sse(chunk("Half of ")), go_on, sse(chunk("it.")), *END)
    person, elsewhere = await arrive(chat.url), await arrive(chat.url)
    await person.does(
        """
        await say("Tell me");
        await page.getByText("Half of").waitFor();
        await page.reload();
        await page.getByText("Half of").waitFor();
        const tabs = await Promise.all(Array.from({ length: given.tabs }, () => context.newPage()));
        await Promise.all(tabs.map((tab) => tab.goto(page.url())));
        await Promise.all(tabs.map((tab) => tab.getByText("Half of").waitFor()));
        """,
        tabs=tabs,
    )
    # One stream for all tabs of a browser, or the seventh would wait for ever.
    assert chat.app.state.services.open_streams == {(next(iter(chat.app.state.services.open_streams))): 1}
    await elsewhere.does("""
        await page.getByRole("link", { name: "Tell me" }).click();
        await page.getByText("Half of").waitFor();
        await page.getByRole("button", { name: "Stop the answer" }).waitFor();
    """)
    go_on.open()
    texts = await person.does("""
        const tabs = context.pages();
        await Promise.all(tabs.map((tab) => answered("Half of it.", tab)));
        return Promise.all(tabs.map((tab) => tab.locator(".markdown").textContent()));
    """)
    assert texts == ["Half of it.\n"] * (1 + tabs)
    await elsewhere.does("await answered('Half of it.')")
    assert [request.path for request in fake_gateway.requests if "chat" in request.path] == ["/api/v1/chat/completions"]
    assert await person.problems() == []


@pytest.mark.long
async def test_seven_answers_in_seven_tabs_leave_room_for_what_a_person_does(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    go_on = Gate()
    for n in range(7):
        fake_gateway.reply(sse(chunk(f"Answer {n} ")), go_on, sse(chunk("is whole.")), *END)
    person = await arrive(chat.url)
    await person.does("""
        for (let n = 0; n < 7; n += 1) {
            const tab = n ? await context.newPage() : page;
            if (n) await tab.goto(url);
            await say(`Question ${n}`, tab);
            await tab.getByText(`Answer ${n}`).waitFor();
        }
        // Most of them wait for a connection now, and a request still gets one.
        await page.getByRole("button", { name: "What to do with “Question 0”" }).click();
        await page.getByRole("menuitem", { name: "Rename" }).click();
        await page.getByRole("textbox", { name: "Title" }).fill("Renamed");
        await page.keyboard.press("Enter");
        await page.locator("h1", { hasText: "Renamed" }).waitFor();
    """)
    go_on.open()
    texts = await person.does("""
        const tabs = context.pages();
        await Promise.all(tabs.map((tab) => answered("is whole.", tab)));
        return Promise.all(tabs.map((tab) => tab.locator(".markdown").textContent()));
    """)
    assert texts == [f"Answer {n} is whole.\n" for n in range(7)]


async def test_titles_and_deletions_appear_on_all_devices(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    fake_gateway.stream("Hi.")
    person, elsewhere = await arrive(chat.url), await arrive(chat.url)
    await person.does("await say('Hello from here'); await answered('Hi.')")
    await elsewhere.does("await page.getByRole('link', { name: 'Hello from here' }).click(); await answered('Hi.')")
    async with httpx2.AsyncClient(base_url=chat.url) as http:
        (conversation,) = (await http.get("/conversations")).json()["items"]
        path = f"/conversations/{conversation['id']}"
        await http.patch(path, json={"title": "Another name"})
        for one in (person, elsewhere):
            await one.does("await page.locator('h1', { hasText: 'Another name' }).waitFor()")
        await http.delete(path)
    for one in (person, elsewhere):
        await one.does("await page.getByText('What can I help you with?').waitFor()")


@pytest.mark.requirement("E07-T002.AC3")
async def test_the_keyboard_alone_is_enough(chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive) -> None:
    fake_gateway.stream("One.").stream("Two.").stream("Three.")
    person = await arrive(chat.url)
    seen = await person.does("""
        const told = [];
        await until(async () => (await focused()) === "Message");
        await page.keyboard.type("First");
        await press("Shift+Enter");
        await page.keyboard.type("line");
        await press("Enter");
        await answered("One.");
        told.push(await page.locator(".bubble").textContent());
        told.push(await page.locator('[role="status"].visually-hidden').textContent());
        // Backwards from the box: another answer, copy.
        while ((await focused()) !== "Write another answer") await press("Shift+Tab");
        await press("Enter");
        await answered("Two.");
        while ((await focused()) !== "Previous version") await press("Shift+Tab");
        await press("Enter");
        await answered("One.");
        told.push(await focused());
        await press("/");
        told.push(await focused());
        await press("Control+Shift+O");
        await page.getByText("What can I help you with?").waitFor(); // the box had the focus before, too
        await until(async () => (await focused()) === "Message");
        await press("Control+K");
        told.push(await focused());
        await press("Tab", "Tab", "Enter");
        told.push(await focused());
        await press("Escape");
        told.push(await focused());
        await press("Control+Shift+O");
        await press("Shift+Tab", "Shift+Tab");
        await press("Control+B");
        await page.getByRole("navigation", { name: "Conversations" }).waitFor({ state: "hidden" });
        return told;
    """)
    assert seen == [
        "First\nline",
        "The answer is complete.",
        "Next version",
        "Message",
        "Search conversations",
        "Rename",
        "What to do with “First”",
    ]


async def test_a_screen_reader_is_told_of_answers_and_not_of_each_word(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    gate = Gate()
    fake_gateway.reply(sse(chunk("Word by ")), gate, sse(chunk("word.")), *END)
    person = await arrive(chat.url)
    seen = await person.does("""
        await say("Hi");
        await page.getByText("Word by").waitFor();
        const log = page.getByRole("log", { name: "Messages" });
        const answer = log.getByRole("article", { name: "Answer" });
        return [await log.getAttribute("aria-live"), await answer.getAttribute("aria-busy")];
    """)
    assert seen == ["off", "true"]
    gate.open()
    said = await person.does("""
        await page.getByRole("status").filter({ hasText: "The answer is complete." }).waitFor({ state: "attached" });
        return page.getByRole("article", { name: "Answer" }).getAttribute("aria-busy");
    """)
    assert said == "false"


@pytest.mark.requirement("E07-T002.AC3")
async def test_it_speaks_german(chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive) -> None:
    fake_gateway.stream("Guten Tag.")
    person = await arrive(chat.url, locale="de-AT")
    seen = await person.does("""
        await page.getByRole("textbox", { name: "Nachricht", exact: true }).fill("Hallo");
        await page.keyboard.press("Enter");
        await answered("Guten Tag.");
        const html = page.locator("html");
        const looks = async () => [await html.getAttribute("lang"), await page.locator(".usage").textContent()];
        const german = await looks();
        await page.getByRole("button", { name: "Aussehen und Sprache" }).click();
        await page.getByRole("menuitem", { name: "Aussehen und Sprache" }).click();
        await page.getByRole("combobox", { name: "Aussehen" }).selectOption("dark");
        const look = await html.getAttribute("data-look");
        await page.getByRole("combobox", { name: "Sprache" }).selectOption("en");
        await page.getByRole("textbox", { name: "Message", exact: true }).waitFor();
        await answered("Guten Tag.");
        return [german, look, await looks()];
    """)
    assert seen[1] == "dark"
    assert (seen[0][0], seen[2][0]) == ("de", "en")
    assert "Tokens" in seen[0][1]


async def test_it_says_when_the_service_is_gone_and_goes_on_once_it_is_back(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    gate = Gate()
    fake_gateway.reply(sse(chunk("Before, ")), gate, sse(chunk("after.")), *END)
    person = await arrive(chat.url)
    await person.does("""
        await say("Hi");
        await page.getByText("Before,").waitFor();
        await context.setOffline(true);
        await page.getByText("The service cannot be reached.", { exact: false }).waitFor();
    """)
    gate.open()
    await person.does("""
        await context.setOffline(false);
        await answered("Before, after.");
        await page.locator(".offline").waitFor({ state: "hidden" });
    """)


@pytest.mark.long
@pytest.mark.requirement("E07-T002.AC2")
async def test_an_answer_whose_worker_was_killed_is_said_to_have_broken_off_and_goes_on(
    fake_gateway: FakeGateway, arrive: Arrive, tmp_path: Path
) -> None:
    fake_gateway.reply(sse(chunk("Half of ")), Hang())
    fake_gateway.reply(sse(chunk("it.")), *END)
    environment = {
        **os.environ,
        "AI_GATEWAY_URL": fake_gateway.base_url,
        "AI_API_KEY": fake_gateway.api_key,
        "AI_DEFAULT_MODEL": fake_gateway.model,
        "CHAT_DATABASE_URL": f"sqlite:///{tmp_path / 'killed.db'}",
    }

    async def serve(port: str = "0") -> tuple[asyncio.subprocess.Process, str]:
        command = [sys.executable, "-c", "from raptscallions_chat.cli import main; main()", "serve", "--port", port]
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.PIPE)
        assert process.stdout is not None
        return process, (await process.stdout.readline()).decode().split()[-1]

    process, url = await serve()
    person = await arrive(url)
    await person.does("""
        await say("Tell me");
        await page.getByText("Half of").waitFor();
    """)
    process.kill()
    await process.wait()
    await person.does("""
        await page.getByText("The service cannot be reached.", { exact: false }).waitFor();
        await say("Are you there?");
        await page.getByText("Your text is kept; try again.").waitFor();
    """)
    process, _ = await serve(url.rpartition(":")[2])
    try:
        texts = await person.does("""
            await page.getByText("This answer broke off because the service was interrupted.").waitFor();
            await page.locator(".offline").waitFor({ state: "hidden" });
            await page.getByRole("button", { name: "Continue" }).click();
            await answered("Half of it.");
            return [await page.locator(".bubble, .markdown").allTextContents(), await box.inputValue()];
        """)
    finally:
        process.kill()
        await process.wait()
    assert texts == [["Tell me", "Half of it.\n"], "Are you there?"]


@pytest.mark.requirement("E07-T002.AC1")
async def test_a_service_that_wants_a_token_asks_for_it(served: Serve, arrive: Arrive) -> None:
    from raptscallions_chat.auth.tokens import ApiTokens
    from raptscallions_chat.domain.principal import ROOT_TENANT

    chat = await served(ScriptedClient("Hi, Ann."), auth=("token",))
    token, _ = await ApiTokens(chat.app.state.services.features.database).create(ROOT_TENANT, "ann", "page")
    person = await arrive(chat.url)
    seen = await person.does(
        """
        const field = page.getByRole("textbox", { name: "Access token" }).or(page.locator('input[type="password"]'));
        await field.fill("wrong");
        await page.keyboard.press("Enter");
        await page.getByText("This token is not known, or it has ended.").waitFor();
        await field.fill(given.token);
        await page.keyboard.press("Enter");
        await say("Who am I?");
        await answered("Hi, Ann.");
        const cookie = (await context.cookies())[0];
        const forged = await page.evaluate(async () => (await fetch("conversations", { method: "POST" })).status);
        const stored = await page.evaluate(() => JSON.stringify(localStorage));
        const admin = await page.getByRole("link", { name: "Administration" }).count();
        await page.getByRole("button", { name: "Looks and language" }).click();
        await page.getByRole("menuitem", { name: "Sign out" }).click();
        await field.waitFor();
        return [cookie.httpOnly, cookie.sameSite, forged, stored.includes(given.token), admin];
        """,
        token=token,
    )
    assert seen == [True, "Strict", 403, False, 0]


@pytest.mark.requirement("E07-T002.AC3")
async def test_a_menu_gives_the_focus_back_though_the_list_was_drawn_anew(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    fake_gateway.stream("One.")
    person = await arrive(chat.url)
    await person.does('await say("First"); await answered("One.");')
    conversation = await person.does("""
        await page.getByRole("button", { name: "What to do with “First”" }).focus();
        await press("Enter");
        return page.url().split("/").pop();
    """)
    renaming = urllib.request.Request(
        f"{chat.url}/conversations/{conversation}", b'{"title": "Other"}', {"Content-Type": "application/json"}
    )
    renaming.method = "PATCH"
    (await asyncio.to_thread(urllib.request.urlopen, renaming)).close()
    focused = await person.does("""
        await page.getByRole("link", { name: "Other" }).waitFor();
        await press("Escape");
        return focused();
    """)
    assert focused == "What to do with “Other”"
