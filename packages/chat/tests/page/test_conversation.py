"""A conversation as a person has it: Markdown that grows, stop, continue, retry, branches, costs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2
import pytest

from raptscallions_ai import OpenRouterClient, ToolCallChunk, tool
from raptscallions_ai.testing import Cut, FakeGateway, Gate, Hang, ScriptedClient, chunk, sse, usage
from raptscallions_chat.testing import ServedChat

from .conftest import Arrive

pytestmark = pytest.mark.timeout(300)  # the first run installs playwright-core

Serve = Callable[..., Awaitable[ServedChat]]
END = (sse(chunk(finish_reason="stop", usage=usage(cost=0.0123))), sse("[DONE]"))
PIXEL = "data:image/png;base64," + (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.mark.requirement("E07-T001.AC4")
async def test_an_answer_streams_as_markdown_and_says_what_it_cost(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    gate = Gate()
    table = "| a | b |\n|---|--:|\n| 1 | 2 |\n"
    fake_gateway.reply(sse(chunk("# Title\n\nSome **bold** te")), gate, sse(chunk(f"xt.\n\n{table}")), *END)
    person = await arrive(chat.url)
    await person.does("""
        await say("Hello there");
        await page.locator(".assistant strong", { hasText: "bold" }).waitFor();
        await page.locator('.assistant[aria-busy="true"]').waitFor();
        await page.getByRole("button", { name: "Stop the answer" }).waitFor();
    """)
    gate.open()
    seen = await person.does("""
        await answered("text.");
        await page.locator(".total", { hasText: "$" }).waitFor();
        return {
            heading: await page.locator(".assistant h3").textContent(),
            cells: await page.locator(".assistant td").allTextContents(),
            aligned: await page.locator(".assistant td").last().evaluate((td) => getComputedStyle(td).textAlign),
            cost: await page.locator(".assistant .usage span").last().textContent(),
            total: await page.locator(".total").textContent(),
            title: await page.title(),
            link: await page.locator(".list a").textContent(),
            focused: await box.evaluate((element) => element === document.activeElement),
        };
    """)
    assert seen == {
        "heading": "Title",
        "cells": ["1", "2"],
        "aligned": "end",
        "cost": "15 tokens · $0.012",
        "total": "15 tokens · $0.012",
        "title": "Hello there | Chat",
        "link": "Hello there",
        "focused": True,
    }
    assert await person.problems() == []


@pytest.mark.requirement("E07-T001.AC3")
async def test_a_stopped_answer_is_kept_and_continued(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    fake_gateway.reply(sse(chunk("Half of")), Hang())
    fake_gateway.reply(sse(chunk(" the story.")), *END)
    person = await arrive(chat.url)
    await person.does("""
        await say("Tell me a story");
        await page.getByText("Half of").waitFor();
        await page.keyboard.press("Escape");
        await page.getByText("You stopped this answer. What was written is kept.").waitFor();
    """)
    assert await fake_gateway.requests[-1].closed()
    # What it cost is asked for afterwards, and said to be settling until it is known.
    texts = await person.does("""
        await page.locator(".assistant .usage").waitFor();
        await page.getByRole("button", { name: "Continue" }).click();
        await answered("the story.");
        return [await page.locator(".markdown").allTextContents(), await page.locator(".note:visible").count()];
    """)
    assert texts == [["Half of the story.\n"], 0]
    assert await person.problems() == []


async def test_a_cost_that_is_not_final_is_settling(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    told = {"data": {"id": "gen-1", "total_cost": 0.25, "tokens_prompt": 4, "tokens_completion": 1}}
    generations = fake_gateway.route("GET", "/api/v1/generation")
    generations.error(404, "not yet", times=None)
    fake_gateway.reply(sse(chunk("Half")), Hang())
    person = await arrive(chat.url)
    await person.does("""
        await say("Tell me");
        await page.getByText("Half").waitFor();
        await page.getByRole("button", { name: "Stop the answer" }).click();
        await page.locator(".assistant .settling", { hasText: "settling" }).waitFor();
    """)
    generations.json(told, times=None)
    assert (
        await person.does("""
        await page.locator(".assistant .usage", { hasText: "$0.25" }).waitFor();
        return page.locator(".settling").count();
    """)
        == 0
    )


@pytest.mark.requirement("E07-T001.AC4")
async def test_a_failed_answer_says_why_and_is_tried_again(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    fake_gateway.error(503, "Provider is down")
    fake_gateway.reply(sse(chunk("Cut")), Cut())
    fake_gateway.reply(sse(chunk("At last.")), *END)
    person = await arrive(chat.url)
    seen = await person.does("""
        await say("Hi");
        await page.locator(".note.failed", { hasText: "This answer failed" }).waitFor();
        const buttons = await page.locator(".note button").allTextContents();
        await page.getByRole("button", { name: "Try again" }).click();
        await page.locator(".note.failed", { hasText: "This answer failed" }).waitFor();
        await page.getByText("Cut").waitFor();
        buttons.push(...(await page.locator(".note button").allTextContents()));
        await page.reload();
        await page.locator(".note.failed").waitFor();
        await page.getByRole("button", { name: "Try again" }).click();
        await answered("At last.");
        return [buttons, await page.locator(".assistant .branches").textContent()];
    """)
    assert seen == [["Try again", "Continue", "Try again"], "3 of 3"]


@pytest.mark.requirement("E07-T001.AC3")
async def test_an_edit_and_another_answer_are_branches_to_go_back_to(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    for text in ("One.", "Two.", "Three.", "Four."):
        fake_gateway.stream(text)
    person = await arrive(chat.url)
    seen = await person.does("""
        const path = async () => {
            await until(async () => (await page.locator('[aria-busy="true"]').count()) === 0);
            return page.locator(".bubble, .markdown").allTextContents();
        };
        const paths = [];
        await say("First");
        await answered("One.");
        await say("Second");
        await answered("Two.");
        await page.getByRole("button", { name: "Write another answer" }).last().click();
        await answered("Three.");
        paths.push(await path());
        await page.locator(".user").first().hover();
        await page.getByRole("button", { name: "Edit" }).first().click();
        await page.getByRole("textbox", { name: "Edit" }).fill("First, but better");
        await page.keyboard.press("Enter");
        await answered("Four.");
        paths.push(await path());
        const places = await page.locator(".branches").allTextContents();
        await page.getByRole("button", { name: "Previous version" }).click();
        await page.getByText("Three.").waitFor();
        paths.push(await path());
        await page.reload();
        await page.getByText("Three.").waitFor();
        paths.push(await path());
        await page.getByRole("button", { name: "Previous version" }).last().click();
        await page.getByText("Two.").waitFor();
        paths.push(await path());
        return [places, ...paths];
    """)
    old = ["First", "One.\n", "Second", "Three.\n"]
    assert seen == [
        ["2 of 2"],
        old,
        ["First, but better", "Four.\n"],
        old,
        old,
        ["First", "One.\n", "Second", "Two.\n"],
    ]


@pytest.mark.requirement("E07-T001.AC2")
async def test_thoughts_pictures_and_sources_have_their_form(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    source = {"type": "url_citation", "url_citation": {"url": "https://example.org/a?b=1", "title": "A source"}}
    picture = {"type": "image_url", "image_url": {"url": PIXEL}}
    fake_gateway.reply(
        sse(chunk(delta={"reasoning": "Let me think."})),
        sse(chunk("Here it is: $a_1 * b_1 * c$ and \\(x_1 * y_1*\\), from $5 to $10.")),
        sse(chunk(delta={"images": [picture]})),
        sse(chunk(delta={"annotations": [source]})),
        *END,
    )
    person = await arrive(chat.url)
    seen = await person.does("""
        await say("Show me");
        await answered("Here it is");
        await page.getByText("Thoughts").click();
        await page.getByText("Let me think.").waitFor();
        const looks = async () => ({
            text: await page.locator(".markdown").textContent(),
            emphasis: await page.locator(".markdown em").count(),
            picture: await page.locator(".picture img").evaluate((image) => image.naturalWidth),
            source: await page.locator(".sources a").textContent(),
            href: await page.locator(".sources a").getAttribute("href"),
        });
        const before = await looks();
        await page.reload();
        await page.getByText("Thoughts").waitFor();
        return [before, await looks()];
    """)
    assert seen[0] == seen[1]
    assert seen[0] == {
        "text": "Here it is: $a_1 * b_1 * c$ and \\(x_1 * y_1*\\), from $5 to $10.\n",
        "emphasis": 0,
        "picture": 1,
        "source": "A sourceexample.org",
        "href": "https://example.org/a?b=1",
    }


@tool(needs_approval=True)
async def send_mail(to: str) -> dict[str, str]:
    """Send a mail."""
    return {"sent": to}


@pytest.mark.requirement("E07-T001.AC2")
async def test_a_call_waits_for_its_user_even_after_a_reload(served: Serve, arrive: Arrive) -> None:
    call = ToolCallChunk(0, "call_1", "send_mail", '{"to":"ann@example.org"}')
    chat = await served(ScriptedClient(["I will write. ", call], "It is sent."), functions=[send_mail])
    person = await arrive(chat.url)
    states = await person.does("""
        await say("Write to Ann");
        await page.getByText("May “send_mail” run with these arguments?").waitFor();
        await page.reload();
        await page.getByText("May “send_mail” run with these arguments?").waitFor();
        await page.getByText("ann@example.org").waitFor();
        await page.getByRole("button", { name: "Allow", exact: true }).click();
        await answered("It is sent.");
        const state = page.locator(".tool-state");
        const before = await state.textContent();
        await page.reload();
        await answered("It is sent.");
        return [before, await state.textContent(), await page.locator(".tool-body pre").allTextContents()];
    """)
    assert states == ["done", "done", ['{\n  "to": "ann@example.org"\n}', '{\n  "sent": "ann@example.org"\n}']]


async def test_a_model_is_chosen_by_its_price(chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive) -> None:
    fake_gateway.stream("Hi.")
    person = await arrive(chat.url)
    seen = await person.does("""
        await page.getByRole("button", { name: /^Model: / }).click();
        const facts = await page.locator(".model .facts").first().textContent();
        await page.getByRole("option").nth(1).click();
        const name = await page.getByRole("button", { name: /^Model: / }).textContent();
        await say("Hi");
        await answered("Hi.");
        await page.reload();
        await page.getByRole("button", { name: `Model: ${name}` }).waitFor();
        return facts;
    """)
    assert "tokens of context" in seen
    assert "per 1M tokens" in seen
    async with httpx2.AsyncClient(base_url=chat.url) as http:
        models = (await http.get("/models")).json()["items"]
    assert fake_gateway.requests[-1].json["model"] == models[1]["id"]


async def test_a_message_is_queued_while_an_answer_is_written(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    gate = Gate()
    fake_gateway.reply(sse(chunk("Slowly")), gate, sse(chunk(" done.")), *END)
    fake_gateway.stream("And the second.")
    person = await arrive(chat.url)
    await person.does("""
        await say("One");
        await page.getByText("Slowly").waitFor();
        await say("Two");
        await page.locator(".bubble", { hasText: "Two" }).waitFor();
    """)
    gate.open()
    texts = await person.does("""
        await answered("And the second.");
        return page.locator(".bubble, .markdown").allTextContents();
    """)
    assert texts == ["One", "Slowly done.\n", "Two", "And the second.\n"]


async def test_a_message_whose_reply_was_lost_is_not_sent_twice(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    fake_gateway.stream("Once.")
    person = await arrive(chat.url)
    texts = await person.does("""
        let lost = 0;
        await context.route("**/messages", async (route) => {
            if (route.request().method() !== "POST" || lost) return route.continue();
            lost += 1;
            await route.fetch();
            await route.abort("connectionreset");
        });
        await say("Only once");
        await page.getByText("The service cannot be reached. Your text is kept; try again.").waitFor();
        const kept = await box.inputValue();
        await box.press("Enter");
        await until(async () => !(await box.inputValue()));
        await answered("Once.");
        return [kept, await box.inputValue(), ...(await page.locator(".bubble, .markdown").allTextContents())];
    """)
    assert texts == ["Only once", "", "Only once", "Once.\n"]
    assert len(fake_gateway.requests) == len([r for r in fake_gateway.requests if r.path.endswith("/models")]) + 1


async def test_nobody_answers_where_no_ai_is_configured(served: Serve, arrive: Arrive) -> None:
    chat = await served(None)
    person = await arrive(chat.url)
    kept = await person.does("""
        await say("Hello?");
        await page.getByText("No AI is set up here yet. An administrator has to add a key.").waitFor();
        return box.inputValue();
    """)
    assert kept == "Hello?"


async def test_what_was_said_on_another_device_is_seen_before_more_is_sent(
    chat: ServedChat, fake_gateway: FakeGateway, upstream: OpenRouterClient, arrive: Arrive
) -> None:
    for text in ("One.", "Two."):
        fake_gateway.stream(text)
    person = await arrive(chat.url)
    await person.does("""
        await say("First");
        await answered("One.");
    """)
    async with httpx2.AsyncClient(base_url=chat.url) as http:
        (conversation,) = (await http.get("/conversations")).json()["items"]
        await http.post(f"/conversations/{conversation['id']}/messages", json={"message": "From the phone"})
    await person.does("""
        await page.locator(".bubble", { hasText: "From the phone" }).waitFor();
        await answered("Two.");
    """)
