"""How the page looks in ten states, light, dark and on a phone; and that axe finds nothing serious in any of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from raptscallions_ai import OpenRouterClient, tool
from raptscallions_ai.testing import FakeGateway, Gate, Hang, Step, chunk, sse, usage
from raptscallions_chat.testing import ServedChat

from .conftest import PICTURES, Arrive

pytestmark = pytest.mark.timeout(300)

Serve = Callable[..., Awaitable[ServedChat]]
SKY = (Path(__file__).parent / "sky.md").read_text("utf-8")
STATES = (
    "welcome",
    "writing",
    "answer",
    "stopped",
    "failed",
    "approval",
    "branches",
    "models",
    "search",
    "administration",
)


@tool(needs_approval=True)
async def send_mail(to: str, subject: str) -> str:
    """Send a mail."""
    return f"{subject} to {to}"


def answer(*text: str, cost: float = 0.0042) -> list[Step]:
    used = usage(210, 480, reasoning_tokens=64, cost=cost)
    return [*(sse(chunk(piece)) for piece in text), sse(chunk(finish_reason="stop", usage=used)), sse("[DONE]")]


@pytest.mark.requirement("E07-T004.AC3")
async def test_ten_states_are_accessible_and_kept_as_pictures(
    served: Serve, upstream: OpenRouterClient, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    writing = Gate()
    thought = sse(chunk(delta={"reasoning": "Short waves are scattered more; say why, with figures."}))
    arguments = '{"to": "ann@example.org", "subject": "Why the sky is blue"}'
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "send_mail", "arguments": arguments}}
    fake_gateway.reply(thought, sse(chunk(SKY[:420])), writing, *answer(SKY[420:]))
    fake_gateway.reply(sse(chunk("At sunset, red is what is left over, because")), Hang())
    fake_gateway.error(503, "The provider is overloaded")
    fake_gateway.reply(
        sse(chunk("I will send it to her.", delta={"tool_calls": [call]})),
        sse(chunk(finish_reason="tool_calls", usage=usage())),
        sse("[DONE]"),
    )
    fake_gateway.reply(*answer("Mars has a butterscotch sky by day, and a **blue sunset**."))
    fake_gateway.reply(*answer("By day it is butterscotch; *sunsets are blue*."))
    chat = await served(upstream, functions=[send_mail], keys="k1:" + "A" * 43 + "=")
    person = await arrive(chat.url)
    PICTURES.mkdir(parents=True, exist_ok=True)
    wrong: list[str] = []

    async def take(name: str) -> None:
        found = await person.does(
            """
            const wrong = [];
            const looks = { light: ["light", 1280, 800], dark: ["dark", 1280, 800], phone: ["light", 390, 844] };
            for (const [look, [colorScheme, width, height]] of Object.entries(looks)) {
                await page.setViewportSize({ width, height });
                await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
                if (look === "phone") await page.waitForTimeout(50);
                await page.screenshot({ path: `${given.folder}/${given.name}-${look}.png` });
                if (look !== "phone") wrong.push(...(await axe()).map((found) => `${given.name}, ${look}: ${found}`));
                const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
                if (wide > 0) wrong.push(`${given.name}, ${look}: ${wide} px wider than the screen`);
            }
            await page.setViewportSize({ width: 1280, height: 800 });
            return wrong;
            """,
            name=name,
            folder=str(PICTURES),
        )
        wrong.extend(found)

    await person.does("await box.waitFor(); await page.getByRole('button', { name: /^Model: Fake/ }).waitFor()")
    await take("welcome")
    await person.does("await say('Why is the sky blue?'); await page.getByText('Why short waves win').waitFor()")
    await take("writing")
    writing.open()
    await person.does("await answered('nanometre'); await page.locator('.settling').waitFor({ state: 'hidden' })")
    await take("answer")
    await person.does("""
        await say("And at sunset?");
        await page.getByText("what is left over").waitFor();
        await page.keyboard.press("Escape");
        await page.getByText("You stopped this answer.").waitFor();
        await until(async () => (await page.locator('.settling').count()) === 0);
    """)
    await take("stopped")
    await person.does("await say('Are you sure?'); await page.locator('.note.failed').waitFor()")
    await take("failed")
    await person.does("""
        await page.getByRole("link", { name: "New chat" }).click();
        await say("Tell Ann about it");
        await page.getByText("May “send_mail” run with these arguments?").waitFor();
    """)
    await take("approval")
    await person.does("""
        await page.getByRole("link", { name: "New chat" }).click();
        await say("What does the sky of Mars look like?");
        await answered("butterscotch");
        await page.getByRole("button", { name: "Write another answer" }).click();
        await answered("By day");
        await page.locator(".user").hover();
        await page.getByRole("button", { name: "Edit" }).click();
    """)
    await take("branches")
    await person.does(
        "await page.keyboard.press('Escape'); await page.getByRole('button', { name: /^Model: / }).click()"
    )
    await take("models")
    await person.does("""
        await page.keyboard.press("Escape");
        await page.getByRole("searchbox", { name: "Search conversations" }).fill("sky");
        await page.locator(".hit").first().waitFor();
    """)
    await take("search")
    async with httpx2.AsyncClient(base_url=chat.url) as http:
        await http.put("/tenants/mine/budgets", json={"window": "month", "limit_usd": "25"})
    await person.does("""
        await page.getByRole("link", { name: "Administration" }).click();
        await page.locator(".days").waitFor();
    """)
    await take("administration")
    assert "\n".join(wrong) == ""
    assert {path.name for path in PICTURES.glob("*.png")} >= {
        f"{state}-{look}.png" for state in STATES for look in ("light", "dark", "phone")
    }


@pytest.mark.requirement("E07-T003.AC1")
async def test_who_administers_sees_and_changes_everything_of_the_tenant(
    served: Serve, upstream: OpenRouterClient, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    fake_gateway.reply(*answer("Hi.", cost=1.25))
    chat = await served(upstream, keys="k1:" + "A" * 43 + "=")
    person = await arrive(chat.url)
    seen = await person.does("""
        await say("Hi");
        await answered("Hi.");
        await page.getByRole("link", { name: "Administration" }).click();
        const row = page.locator("tbody tr").first();
        const cells = async () => (await row.innerText()).split("\\t").map((cell) => cell.trim());
        const parts = page.getByRole("navigation", { name: "Administration" });
        const part = (name) => parts.getByRole("link", { name }).click();
        await page.locator(".sums", { hasText: "$1.25" }).waitFor();
        await page.getByLabel("Group by").selectOption("model");
        await page.locator("tbody th", { hasText: "fake/model-1" }).waitFor();
        const told = [await cells()];
        await page.getByLabel("Group by").selectOption("user");
        await page.locator("tbody th", { hasText: "dev" }).waitFor();

        await part("Credentials");
        await page.getByLabel("Name", { exact: true }).fill("Ours");
        await page.getByLabel("API key").fill("sk-or-v1-secret-0123456789abcdef");
        await page.getByRole("button", { name: "Add" }).click();
        await page.getByText("in use", { exact: true }).waitFor();
        told.push(await page.content().then((html) => html.includes("secret")), (await cells()).slice(0, 2));
        await page.getByRole("button", { name: "Use no more: Ours" }).click();
        await page.getByText("not in use").waitFor();
        await page.getByRole("button", { name: "Delete: Ours" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
        await page.getByText("Nothing here yet.").waitFor();

        await part("Members");
        await page.getByLabel("User", { exact: true }).fill("ann b");
        await page.getByLabel("Role", { exact: true }).selectOption("manager");
        await page.getByRole("button", { name: "Add" }).click();
        await page.getByRole("combobox", { name: "Role: ann b" }).selectOption("admin");
        await page.getByRole("button", { name: "Remove: ann b" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
        await page.getByText("Nothing here yet.").waitFor();

        await part("Budgets");
        await page.getByLabel("Limit in USD").fill("-1");
        await page.getByRole("button", { name: "Add" }).click();
        await page.getByLabel("Limit in USD").fill("2.5");
        await page.getByRole("button", { name: "Add" }).click();
        await page.getByRole("progressbar").waitFor();
        told.push((await cells()).slice(0, 4));

        await part("Audit");
        await page.getByText("budget.put").waitFor();
        told.push(await page.locator("tbody td:nth-child(3)").allTextContents());
        await page.getByRole("link", { name: "Back to the chat" }).click();
        await page.getByText("What can I help you with?").waitFor();
        return told;
    """)
    assert seen == [
        ["fake/model-1", "1", "690", "$1.25"],
        False,
        ["openrouter", "Ours"],
        ["everybody", "a day", "$2.50", "$1.25"],
        [
            "budget.put",
            "member.remove",
            "member.put",
            "member.put",
            "credential.remove",
            "credential.deactivate",
            "credential.add",
        ],
    ]
    assert await person.problems() == []


@pytest.mark.requirement("E07-T001.AC1")
async def test_the_page_is_small_and_on_the_screen_at_once(
    chat: ServedChat, arrive: Arrive, record_property: Callable[[str, object], None]
) -> None:
    person = await arrive(chat.url)
    seen = await person.does("""
        await box.waitFor();
        return page.evaluate(() => {
            const loaded = performance.getEntriesByType("resource");
            const painted = performance.getEntriesByName("first-contentful-paint")[0].startTime;
            return {
                sent: loaded.reduce((sum, entry) => sum + entry.transferSize, 0),
                origins: new Set(loaded.map((entry) => new URL(entry.name).origin)).size,
                // What must be there before anything is seen: no script among it but the one that chooses the colours.
                before: loaded.filter((entry) => entry.responseEnd < painted && entry.name.endsWith(".js")).length,
                painted,
            };
        });
    """)
    record_property("first_paint_ms", seen["painted"])
    assert seen["sent"] < 150_000
    assert seen["origins"] == 1
