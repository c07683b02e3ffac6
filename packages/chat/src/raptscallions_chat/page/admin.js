// Administration of one's tenant: what it uses, its credentials, members, budgets and audit. Loaded when it is opened.

import { get, post, request } from "./api.js";
import { auditPart, budgetsPart, credentialsPart, membersPart } from "./admin-parts.js";
import { field, focusOn, h, icon, svg, withoutBidi, plain } from "./dom.js";
import { explain } from "./errors.js";
import { money, number, t } from "./i18n.js";

const PARTS = { usage: usagePart, credentials: credentialsPart, members: membersPart, budgets: budgetsPart, audit: auditPart };
const OF_MANAGERS = ["usage", "members", "budgets", "audit"];

/** Everything that the parts need of each other and of the page. */
export class Administration {
  constructor(page, part) {
    this.page = page;
    this.isAdmin = page.session.roles.includes("admin");
    const names = this.isAdmin ? Object.keys(PARTS) : OF_MANAGERS;
    this.part = names.includes(part) ? part : "usage";
    this.body = h("div.admin-body");
    const tabs = names.map((name) =>
      h("a", { href: `#/admin/${name}`, "aria-current": name === this.part ? "page" : null }, t(`admin.${name}`)),
    );
    this.problem = h("p.problem", { role: "alert", hidden: true });
    this.root = h(
      "section.administration",
      { "aria-labelledby": "admin-title" },
      h(
        "header",
        {},
        h("a.back", { href: "#/", "aria-label": t("admin.back"), title: t("admin.back") }, icon("left")),
        h("h1", { id: "admin-title", tabIndex: -1 }, t("admin.title")),
      ),
      h("nav", { "aria-label": t("admin.title") }, ...tabs),
      this.problem,
      this.body,
    );
    this.show();
  }

  /** Reads the part again and shows it. */
  async show() {
    await this.try(async () => this.body.replaceChildren(...(await PARTS[this.part](this)).flat().filter(Boolean)));
  }

  /** Carries something out, tells what went wrong, and shows what has become of it. */
  async change(method, path, body) {
    const done = await this.try(async () => {
      if (method === "POST") await post(path, body, { key: crypto.randomUUID() });
      else await request(method, path, { body });
      this.page.announce(t("admin.changed"));
    });
    if (done) await this.show();
    focusOn(this.body.querySelector("form input"), this.root.querySelector("h1"));
    return done;
  }

  async try(work) {
    this.problem.hidden = true;
    try {
      await work();
      return true;
    } catch (error) {
      this.problem.textContent = explain(error);
      this.problem.hidden = false;
      return false;
    }
  }
}

// Usage: a chart for the eye, and the same as a table.

const day = (moment) => moment.toISOString().slice(0, 10);
const chosen = { by: "day", from: null, to: null };

async function usagePart(administration) {
  chosen.to ??= day(new Date());
  chosen.from ??= day(new Date(Date.now() - 29 * 86_400_000));
  const query = new URLSearchParams({ by: chosen.by, from: chosen.from, to: chosen.to, of: "tenant" });
  const report = await get(`usage?${query}`);
  const items = chosen.by === "day" ? everyDay(report.items) : report.items;
  const set = (name) => ({ target }) => {
    if (!target.value) return;
    chosen[name] = target.value;
    administration.show();
  };
  const groups = ["day", "model", "user"].map((by) =>
    h("option", { value: by, selected: by === chosen.by }, t(`usage_chart.${by}`)),
  );
  return [
    h(
      "div.filters",
      {},
      field(t("usage_chart.group"), h("select", { onchange: set("by") }, ...groups)),
      field(t("usage_chart.from"), h("input", { type: "date", value: chosen.from, onchange: set("from") })),
      field(t("usage_chart.to"), h("input", { type: "date", value: chosen.to, onchange: set("to") })),
    ),
    sums(report.total),
    chart(items),
    report.items.length ? table(report) : h("p.empty", {}, t("usage_chart.none")),
  ];
}

/** The days of the time, those without use among them, so that the chart tells the truth about gaps. */
function everyDay(items) {
  const known = new Map(items.map((item) => [item.key, item]));
  const days = [];
  for (let moment = Date.parse(chosen.from); moment <= Date.parse(chosen.to) && days.length < 400; moment += 86_400_000) {
    const key = day(new Date(moment));
    days.push(known.get(key) ?? { key, runs: 0, usage: { total_tokens: 0, cost: null } });
  }
  return days;
}

const sums = ({ runs, usage }) =>
  h(
    "dl.sums",
    {},
    ...[
      [t("usage_chart.cost"), usage.cost === null ? t("usage_chart.unknown") : money(usage.cost)],
      [t("usage_chart.tokens"), number(usage.total_tokens)],
      [t("usage_chart.runs"), number(runs)],
    ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );

const name = (key) => key ?? t("usage_chart.unknown");

function chart(items) {
  const costs = items.map(({ usage }) => Number(usage.cost ?? 0));
  const values = costs.some((cost) => cost > 0) ? costs : items.map(({ usage }) => usage.total_tokens);
  const most = Math.max(...values, 0);
  if (most === 0) return null;
  if (chosen.by !== "day") {
    const rows = items.map((item, index) => {
      const bar = h("span.bar");
      bar.style.width = `${(100 * values[index]) / most}%`;
      return h("li", {}, h("span.name", { title: withoutBidi(name(item.key)) }, plain(name(item.key))), h("span.track", {}, bar));
    });
    return h("ul.bars", { "aria-hidden": "true" }, ...rows);
  }
  const width = 100 / items.length;
  const bars = items.map((item, index) => {
    const height = (100 * values[index]) / most;
    const shape = { x: index * width + width * 0.15, y: 100 - height, width: width * 0.7, height, rx: 0.4 };
    return svg("rect", shape, svg("title", {}, `${item.key}: ${money(costs[index])}`));
  });
  const drawing = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" }, ...bars);
  return h("div.days", {}, drawing, h("div.axis", { "aria-hidden": "true" }, h("span", {}, chosen.from), h("span", {}, chosen.to)));
}

function table({ items, total }) {
  const row = (title, { runs, usage }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, title),
      h("td", {}, number(runs)),
      h("td", {}, number(usage.total_tokens)),
      h("td", {}, usage.cost === null ? t("usage_chart.unknown") : money(usage.cost)),
    );
  const heads = [t(`usage_chart.${chosen.by}`), t("usage_chart.runs"), t("usage_chart.tokens"), t("usage_chart.cost")];
  return h(
    "div.admin-table",
    { tabIndex: 0, role: "region", "aria-label": t("admin.usage") },
    h(
      "table.numbers",
      {},
      h("caption", {}, t("usage_chart.caption", chosen)),
      h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, ...items.map((item) => row(plain(name(item.key)), item))),
      h("tfoot", {}, row(t("usage_chart.total"), total)),
    ),
  );
}
