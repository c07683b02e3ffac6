"""What a model writes is hostile: it runs nothing, loads nothing, hides nothing; and what grows is whole in the end."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from raptscallions_ai import ReasoningChunk, ToolCallChunk
from raptscallions_ai.testing import FakeGateway, ScriptedClient, chunk, sse, usage
from raptscallions_chat.testing import ServedChat

from .conftest import Arrive

pytestmark = pytest.mark.timeout(300)

Serve = Callable[..., Awaitable[ServedChat]]
HOSTILE = Path(__file__).parent / "hostile"
ATTACKS = (HOSTILE / "attacks.md").read_text("utf-8")
DOCUMENTS = json.loads((HOSTILE / "documents.json").read_text("utf-8"))

LOOK = """
    const found = await page.evaluate(() => {
        const log = document.querySelector(".log");
        const all = [...log.querySelectorAll("*")];
        return {
            attacked: globalThis.attacked ?? null,
            elements: [...new Set(all.map((element) => element.localName))],
            handlers: all.flatMap((element) => element.getAttributeNames()).filter((name) => name.startsWith("on")),
            styled: all.filter((element) => element.hasAttribute("style")).length,
            ids: all.filter((element) => element.id || element.hasAttribute("name")).length,
            hrefs: [...log.querySelectorAll("[href]")].map((element) => element.getAttribute("href")),
            unsafe: [...log.querySelectorAll("a")].filter((link) => !link.rel.includes("noopener")).length,
            sources: [...log.querySelectorAll("[src]")].map((element) => element.getAttribute("src").slice(0, 22)),
            page: document.querySelector("#page") !== null && document.baseURI === location.href,
        };
    });
"""


@pytest.mark.requirement("E07-T004.AC1")
async def test_no_attack_runs_and_nothing_is_loaded_from_elsewhere(served: Serve, arrive: Arrive) -> None:
    # All at once, each block alone, in thoughts and in calls; and the same as a user's message, a title and a file.
    blocks = [block for block in re.split(r"\n\n+", ATTACKS) if block.strip()]
    call = ToolCallChunk(0, "call_1", "<img src=x onerror=globalThis.attacked=60>", json.dumps({"a": ATTACKS}))
    answers = [
        [ReasoningChunk(ATTACKS), ATTACKS, "\n\nThe end.", call],
        *[[f"{block}\n\nThe end."] for block in blocks],
    ]
    chat = await served(ScriptedClient(*answers))
    person = await arrive(chat.url)
    seen: dict[str, Any] = await person.does(
        f"""
        page.on("dialog", (dialog) => {{ throw new Error(`a dialog: ${{dialog.message()}}`); }});
        for (const block of given.blocks) {{
            await box.fill(block);
            await box.press("Enter");
            await page.waitForFunction(() => {{
                const refused = document.querySelector(".composer > .problem").textContent;
                if (refused) throw new Error(refused);
                return !document.querySelector(".composer textarea").value;
            }});
            await until(async () => (await page.locator('[aria-busy="true"]').count()) === 0);
        }}
        await until(async () => (await page.locator(".assistant").count()) === given.blocks.length);
        await until(async () => (await page.locator('[aria-busy="true"]').count()) === 0);
        for (const fold of await page.locator("summary").all()) await fold.click();
        await page.mouse.move(600, 300);
        {LOOK}
        return {{ ...found, requests, pages: context.pages().length }};
        """,
        blocks=[ATTACKS, *blocks],
    )
    assert seen["attacked"] is None
    assert seen["pages"] == 1
    assert not {"script", "iframe", "object", "embed", "form", "style", "link", "base", "meta", "video"} & set(
        seen["elements"]
    )
    assert (seen["handlers"], seen["styled"], seen["ids"], seen["unsafe"]) == ([], 0, 0, 0)
    assert seen["page"]
    assert {urlsplit(str(href)).scheme for href in seen["hrefs"]} <= {"http", "https", "mailto"}
    assert not any(
        source.startswith(("http", "//", "javascript", "data:image/svg", "data:text")) for source in seen["sources"]
    )
    origin = urlsplit(chat.url).netloc
    outside = [
        url
        for url in seen["requests"]
        if urlsplit(str(url)).scheme in ("http", "https") and urlsplit(str(url)).netloc != origin
    ]
    assert outside == []
    # Whatever the policy stopped, the page would not have been the one to keep out.
    assert [problem for problem in await person.problems() if "Content Security Policy" in problem] == []


@pytest.mark.requirement("E07-T004.AC2")
async def test_links_say_where_they_lead_and_turned_text_is_seen(
    chat: ServedChat, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    text = (
        "[your bank](https://bank.example.evil.test/login) [https://bank.example](https://evil.test) "
        "[https://bank.example/](https://bank.example@evil.test/) <https://plain.test/a> "
        "[\u0430\u0440\u0440\u04cf\u0435.com](https://\u0430\u0440\u0440\u04cf\u0435.com/) "
        "[mail](mailto:ann@evil.test) \u202egnp.exe\u202c\n\n`a\u2066b`"
    )
    fake_gateway.reply(sse(chunk(text)), sse(chunk(finish_reason="stop", usage=usage())), sse("[DONE]"))
    person = await arrive(chat.url)
    seen = await person.does("""
        await say("Say \\u202ehello");
        await page.locator(".markdown code").waitFor();
        await until(async () => (await page.locator('[aria-busy="true"]').count()) === 0);
        return {
            links: await page.locator(".markdown a").allTextContents(),
            shown: await page.locator(".bidi").allTextContents(),
            title: await page.title(),
        };
    """)
    assert seen["links"] == [
        "your bankbank.example.evil.test",
        "https://bank.exampleevil.test",
        "https://bank.example/evil.test",
        "https://plain.test/a",
        "\u0430\u0440\u0440\u04cf\u0435.comxn--80ak6aa92e.com",
        "mailann@evil.test",
    ]
    assert sorted(seen["shown"]) == ["U+202C", *["U+202E"] * 4, "U+2066"]
    assert "\u202e" not in seen["title"]


@pytest.mark.requirement("E07-T001.AC2")
async def test_markdown_that_grows_is_in_the_end_what_it_is_as_a_whole(chat: ServedChat, arrive: Arrive) -> None:
    person = await arrive(chat.url)
    different = await person.does(
        """
        await box.waitFor();
        return page.evaluate(async (documents) => {
            const { StreamingMarkdown, markdown } = await import("/page/markdown.js");
            const different = [];
            const html = (node) => {
                const around = document.createElement("div");
                around.append(...(node.localName === "div" ? node.childNodes : [node]));
                around.normalize();
                return around.innerHTML.replace(/>\\n+</g, "><").trim();
            };
            for (const text of documents) {
                const whole = html(markdown(text));
                for (const size of text.length < 1000 ? [1, 3, 64] : [11, 200]) {
                    const root = document.createElement("div");
                    const growing = new StreamingMarkdown(root);
                    for (let end = size; end < text.length; end += size) growing.update(text.slice(0, end));
                    growing.update(text);
                    const grown = html(root.cloneNode(true)); // `html` empties what it is given
                    growing.finish(text);
                    const finished = html(root);
                    // What a reference names is known at the end only.
                    if (finished !== whole || (!text.includes("]: ") && grown !== whole))
                        different.push([text, size, whole, grown, finished]);
                }
            }
            return different;
        }, given.documents);
        """,
        documents=[*DOCUMENTS, "\n\n".join(DOCUMENTS), ATTACKS],
    )
    assert different == []
    # Only the open block is made again.
    made = await person.does("""
        await box.waitFor();
        return page.evaluate(async () => {
            const { StreamingMarkdown } = await import("/page/markdown.js");
            const root = document.createElement("div");
            const growing = new StreamingMarkdown(root);
            let text = "";
            const kept = [];
            for (const block of ["One.\\n\\n", "- a\\n- b\\n\\n", "Two.\\n\\n", "```js\\n", "a = 1;\\n", "b = 2;\\n"]) {
                text += block;
                growing.update(text);
                kept.push(root.children[0]);
            }
            const code = root.querySelector("code");
            growing.update(text + "c = 3;\\n");
            return [new Set(kept).size, root.querySelector("code") === code, code.textContent];
        });
    """)
    assert made == [2, True, "a = 1;\nb = 2;\nc = 3;\n"]
