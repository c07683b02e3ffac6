"""Long answers and long conversations: what they cost the browser, and that what is read stays where it is."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest

from raptscallions_ai.testing import FakeGateway, Pause, chunk, sse, usage
from raptscallions_chat.testing import ServedChat

from .conftest import Arrive, Person

pytestmark = pytest.mark.timeout(600)

SENTENCES = "Some **bold** words and `code` in a line that is as long as lines are.\n"
LIST = "".join(f"- item {n} with some words\n" for n in range(12))
CODE = "```python\n" + "".join(f"value_{n} = compute({n})\n" for n in range(40)) + "```\n"
TABLE = "| a | b |\n|---|---|\n" + "".join(f"| {n} | words |\n" for n in range(15))
ANSWER = "\n".join([SENTENCES * 3, LIST, CODE, TABLE, SENTENCES * 6])


async def imported(chat: ServedChat, count: int) -> str:
    """Store a conversation and return its id."""
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": f"Message {n}. " + "Words. " * (n % 40)} for n in range(count)]
    async with httpx2.AsyncClient(base_url=chat.url, timeout=60) as http:
        made = await http.post("/import", json={"messages": messages})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def read_to_the_beginning(person: Person, conversation: str, count: int) -> list[float]:
    """Scroll up, page after page, and return by how much what was in sight has moved at each."""
    moved: list[float] = await person.does(
        """
        await page.goto(`${url}#/c/${given.conversation}`);
        const messages = page.locator(".message");
        await page.getByText(`Message ${given.count - 1}.`).waitFor();
        const scroller = page.locator(".scroller");
        const moved = [await scroller.evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight)];
        while ((await messages.count()) < given.count) {
            const before = await messages.count();
            moved.push(await page.evaluate(async () => {
                const scroller = document.querySelector(".scroller");
                const log = document.querySelector(".log");
                scroller.scrollTop = 0;
                const first = log.firstElementChild;
                const place = first.getBoundingClientRect().top;
                while (log.firstElementChild === first) await new Promise(requestAnimationFrame);
                for (let frames = 0; frames < 3; frames += 1) await new Promise(requestAnimationFrame);
                return first.getBoundingClientRect().top - place;
            }));
            await until(async () => (await messages.count()) > before);
        }
        const numbers = await messages.evaluateAll((all) =>
            all.map((each) => each.textContent.match(/Message (\\d+)/)[1]));
        if (numbers.some((number, index) => Number(number) !== index)) throw new Error(`wrong order: ${numbers}`);
        return moved;
        """,
        conversation=conversation,
        count=count,
    )
    return moved


async def test_what_is_read_stays_where_it_is_while_older_messages_are_loaded(chat: ServedChat, arrive: Arrive) -> None:
    conversation = await imported(chat, 160)
    person = await arrive(chat.url)
    moved = await read_to_the_beginning(person, conversation, 160)
    assert len(moved) == 4
    assert max(map(abs, moved)) <= 2


@pytest.mark.long
async def test_a_conversation_of_2000_messages_scrolls(
    chat: ServedChat, arrive: Arrive, record_property: Callable[[str, object], None]
) -> None:
    conversation = await imported(chat, 2000)
    person = await arrive(chat.url)
    moved = await read_to_the_beginning(person, conversation, 2000)
    assert max(map(abs, moved)) <= 2
    frames = await person.does("""
        return page.evaluate(async () => {
            const scroller = document.querySelector(".scroller");
            const times = [];
            let last = performance.now();
            for (let step = 0; step < 200; step += 1) {
                scroller.scrollTop += scroller.clientHeight;
                await new Promise(requestAnimationFrame);
                times.push(performance.now() - last);
                last = performance.now();
            }
            return times.sort((a, b) => a - b);
        });
    """)
    record_property("median_frame_ms", frames[100])
    record_property("p95_frame_ms", frames[190])


@pytest.mark.long
@pytest.mark.requirement("E07-T001.AC2")
async def test_60_tokens_a_second_for_10000_tokens(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive, record_property: Callable[[str, object], None]
) -> None:
    whole = "\n".join(f"## Part {n}\n\n{ANSWER}" for n in range(20))
    pieces = [whole[start : start + 4] for start in range(0, len(whole), 4)][:10_000]
    steps = [step for piece in pieces for step in (sse(chunk(piece)), Pause(1 / 60))]
    fake_gateway.reply(*steps, sse(chunk(finish_reason="stop", usage=usage())), sse("[DONE]"))
    person = await arrive(chat.url)
    seen = await person.does("""
        const session = await page.context().newCDPSession(page);
        await session.send("Performance.enable");
        const metrics = async () => {
            const { metrics } = await session.send("Performance.getMetrics");
            return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
        };
        await box.waitFor();
        await say("Go");
        await page.locator(".markdown").first().waitFor();
        const before = await metrics();
        await page.locator('.assistant[aria-busy="false"]').waitFor({ timeout: 400_000 });
        const after = await metrics();
        const wall = after.Timestamp - before.Timestamp;
        const share = (name) => (after[name] - before[name]) / wall;
        return { wall, main: share("TaskDuration"), script: share("ScriptDuration") };
    """)
    record_property("tokens_a_second", len(pieces) / seen["wall"])
    record_property("share_of_a_core", seen["main"])
    record_property("share_of_a_core_in_scripts", seen["script"])
    stored = await person.does("return page.locator('.assistant h4').count()")
    assert stored == whole[: 4 * len(pieces)].count("## Part")
