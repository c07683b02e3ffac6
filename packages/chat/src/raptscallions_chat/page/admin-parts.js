// The parts of the administration that are lists: credentials, members, budgets, audit.

import { get } from "./api.js";
import { ask, confirm } from "./dialogs.js";
import { field, h, iconButton, plain, withoutBidi } from "./dom.js";
import { date, money, t } from "./i18n.js";

const MINE = "tenants/mine";

function list(label, heads, rows) {
  if (!rows.length) return h("p.empty", {}, t("admin.empty"));
  return h(
    "div.admin-table",
    { tabIndex: 0, role: "region", "aria-label": label },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, ...rows.map((cells) => h("tr", {}, ...cells.map((cell) => h("td", {}, cell))))),
    ),
  );
}

const text = (value) => plain(String(value ?? ""));

/** A form of labelled fields: {name, label, ...properties of the input}; options make it a choice. */
function adding(fields, submit) {
  const inputs = fields.map(({ label, options, hint, ...properties }) => {
    const input = options
      ? h("select", properties, ...options.map(([value, shown]) => h("option", { value }, shown)))
      : h("input", { autocomplete: "off", ...properties });
    return field(label, input, hint);
  });
  const onsubmit = (event) => {
    event.preventDefault();
    const given = [...new FormData(event.target)].map(([name, value]) => [name, value.trim()]);
    submit(Object.fromEntries(given.filter(([, value]) => value)));
  };
  return h("form.adding", { onsubmit }, ...inputs, h("button.primary", { type: "submit" }, t("admin.add")));
}

export async function credentialsPart(administration) {
  const { items } = await get(`${MINE}/credentials`);
  const rows = items.map((item) => {
    const path = `${MINE}/credentials/${item.id}`;
    const name = withoutBidi(item.name || item.provider);
    const replace = async () => {
      const key = await ask(t("credential.replace"), t("credential.key"), "", t("action.save"), "password");
      if (key) administration.change("PATCH", path, { api_key: key });
    };
    const remove = async () => {
      const sure = await confirm(t("credential.delete_title"), t("credential.delete_text", { name }), t("list.delete"));
      if (sure) administration.change("DELETE", path);
    };
    const end = () => administration.change("POST", `${path}/deactivate`);
    return [
      text(item.provider),
      text(item.name),
      h("code", {}, `…${item.hint}`),
      text(item.default_model),
      t(item.active ? "credential.active" : "credential.inactive"),
      h(
        "span.row-tools",
        {},
        iconButton("pencil", `${t("credential.replace")}: ${name}`, replace),
        item.active ? iconButton("stop", `${t("credential.deactivate")}: ${name}`, end) : null,
        iconButton("trash", `${t("list.delete")}: ${name}`, remove),
      ),
    ];
  });
  const form = adding(
    [
      { name: "provider", label: t("credential.provider"), value: "openrouter", required: true, pattern: "[a-z0-9][a-z0-9_\\-]*" },
      { name: "name", label: t("credential.name"), maxLength: 200 },
      { name: "api_key", label: t("credential.key"), type: "password", required: true, autocomplete: "new-password", hint: t("credential.key_hint") },
      { name: "base_url", label: t("credential.url"), type: "url" },
      { name: "default_model", label: t("credential.model") },
    ],
    (given) => administration.change("POST", `${MINE}/credentials`, given),
  );
  const heads = ["provider", "name", "hint", "model", "state"].map((name) => t(`credential.${name}`));
  return [list(t("admin.credentials"), [...heads, t("admin.actions")], rows), form];
}

export async function membersPart(administration) {
  const { items } = await get(`${MINE}/members`);
  const roles = ["member", "manager", "admin"].map((role) => [role, t(`member.${role}`)]);
  const put = (user, role) => administration.change("PUT", `${MINE}/members/${encodeURIComponent(user)}`, { role });
  const rows = items.map(({ user_id: user, role, created_at: since }) => {
    const name = withoutBidi(user);
    const choice = h(
      "select",
      { "aria-label": `${t("member.role")}: ${name}`, disabled: !administration.isAdmin, onchange: ({ target }) => put(user, target.value) },
      ...roles.map(([value, shown]) => h("option", { value, selected: value === role }, shown)),
    );
    const remove = async () => {
      const sure = await confirm(t("member.remove_title"), t("member.remove_text", { name }), t("admin.remove"));
      if (sure) administration.change("DELETE", `${MINE}/members/${encodeURIComponent(user)}`);
    };
    const tools = administration.isAdmin ? iconButton("trash", `${t("admin.remove")}: ${name}`, remove) : "";
    return [text(user), choice, date(since), tools];
  });
  const form = adding(
    [
      { name: "user", label: t("member.user"), required: true, maxLength: 200 },
      { name: "role", label: t("member.role"), options: roles },
    ],
    ({ user, role }) => put(user, role),
  );
  const heads = [t("member.user"), t("member.role"), t("member.since"), t("admin.actions")];
  return [list(t("admin.members"), heads, rows), administration.isAdmin ? form : h("p.hint", {}, t("admin.only_admins"))];
}

export async function budgetsPart(administration) {
  const { items } = await get(`${MINE}/budgets`);
  const rows = items.map((item) => {
    const who = item.user_id === null ? t("budget.everybody") : withoutBidi(item.user_id);
    const part = h("progress", { max: Number(item.limit_usd) || 1, value: Number(item.spent_usd), "aria-label": `${t("budget.spent")}: ${who}` });
    const remove = async () => {
      const sure = await confirm(t("budget.delete_title"), t("budget.delete_text"), t("list.delete"));
      if (sure) administration.change("DELETE", `${MINE}/budgets/${item.id}`);
    };
    return [
      who,
      t(`budget.${item.window}`),
      money(item.limit_usd),
      h("span.spent", {}, part, money(item.spent_usd)),
      administration.isAdmin ? iconButton("trash", `${t("list.delete")}: ${who}`, remove) : "",
    ];
  });
  const amount = { type: "number", min: 0, step: "any", inputMode: "decimal" };
  const form = adding(
    [
      { name: "user_id", label: t("budget.user"), maxLength: 200 },
      { name: "window", label: t("budget.window"), options: ["day", "month", "total"].map((window) => [window, t(`budget.${window}`)]) },
      { name: "limit_usd", label: t("budget.limit"), required: true, ...amount },
      { name: "alert_usd", label: t("budget.alert"), ...amount },
    ],
    (given) => administration.change("PUT", `${MINE}/budgets`, given),
  );
  const heads = [t("budget.who"), t("budget.window"), t("budget.limit"), t("budget.spent"), t("admin.actions")];
  return [list(t("admin.budgets"), heads, rows), administration.isAdmin ? form : h("p.hint", {}, t("admin.only_admins"))];
}

export async function auditPart(administration) {
  const row = (item) => [
    date(item.created_at),
    text(item.actor),
    text(item.action),
    text(item.target),
    text(Object.entries(item.details).map(([name, value]) => `${name}: ${[value].flat().join(", ")}`).join("; ")),
  ];
  const heads = ["when", "who", "what", "target", "details"].map((name) => t(`audit.${name}`));
  const entries = [];
  const place = h("div");
  let before = null;
  const more = h("button", { type: "button", onclick: () => administration.try(read) }, t("audit.more"));
  async function read() {
    const page = await get(`${MINE}/audit?limit=50${before ? `&before=${before}` : ""}`);
    entries.push(...page.items.reverse());
    before = page.next;
    more.hidden = before === null;
    place.replaceChildren(list(t("admin.audit"), heads, entries.map(row)));
  }
  await read();
  return [place, more];
}
