// Drives one Chromium for all tests: a line of JSON on stdin is something to do, a line on stdout what came of it.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [packages, executablePath] = process.argv.slice(2);
const require = createRequire(`${packages}/`);
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core/axe.min.js");

const FLAGS =
  "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
const browser = await chromium.launch({ executablePath, args: FLAGS.split(" ") });
const people = new Map();
const AsyncFunction = (async () => {}).constructor;

async function arrive({ person, url, options }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-US", ...options });
  context.setDefaultTimeout(15_000);
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const problems = [];
  const requests = [];
  context.on("request", (request) => requests.push(request.url()));
  context.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  context.on("weberror", (error) => problems.push(String(error.error().stack)));
  const page = await context.newPage();
  people.set(person, { context, page, problems, requests, url });
  await page.goto(url);
}

const actions = {
  arrive,
  async does({ person, code, given }) {
    const names = { ...people.get(person), ...helpers(people.get(person)), given };
    return new AsyncFunction(...Object.keys(names), code)(...Object.values(names));
  },
  async leave({ person }) {
    await people.get(person)?.context.close();
    people.delete(person);
  },
};

/** What the code of a test finds besides `page`, `context`, `problems`, `requests` and `given`. */
function helpers({ page }) {
  return {
    until: async (holds, what = holds.toString()) => {
      for (let tries = 0; tries < 300; tries += 1) {
        if (await holds()) return;
        await new Promise((done) => setTimeout(done, 50));
      }
      throw new Error(`never: ${what}`);
    },
    box: page.getByRole("textbox", { name: "Message", exact: true }),
    /** The name of what has the focus. */
    focused: () =>
      page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent),
    press: async (...keys) => {
      for (const key of keys) await page.keyboard.press(key);
    },
    read: async (path) => (await import("node:fs/promises")).readFile(await path, "utf-8"),
    say: async (text, where = page) => {
      await where.getByRole("textbox", { name: "Message", exact: true }).fill(text);
      await where.keyboard.press("Enter");
    },
    answered: async (text, where = page) => {
      await where.locator(".message.assistant", { hasText: text }).last().waitFor();
      await where.locator('.message.assistant[aria-busy="false"]', { hasText: text }).last().waitFor();
    },
    axe: async () => {
      if (!(await page.evaluate(() => "axe" in globalThis))) {
        // Past the page's policy, which lets in no script but the page's own.
        const session = await page.context().newCDPSession(page);
        await session.send("Runtime.evaluate", { expression: readFileSync(axe, "utf-8") });
        await session.detach();
      }
      const rules = { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"], resultTypes: ["violations"] };
      const found = await page.evaluate((options) => axe.run(document, options), rules);
      return found.violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
    },
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { action, ...rest } = JSON.parse(line);
  let reply;
  try {
    reply = { value: (await actions[action](rest)) ?? null };
  } catch (error) {
    reply = { error: String(error.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify({ id: rest.id, ...reply })}\n`);
}
await browser.close();
