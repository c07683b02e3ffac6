// The list of conversations, the search in what was said, and what can be done with one of them.

import { get, request } from "./api.js";
import { saveBlob } from "./attachments.js";
import { ask, confirm, openMenu } from "./dialogs.js";
import { h, icon, iconButton, plain, withoutBidi } from "./dom.js";
import { explain } from "./errors.js";
import { date, t } from "./i18n.js";

const PAGE = 40;
const MARKS = /\ue000([^\ue001]*)\ue001/g;

/** `page` has open(id), deleted(id), retitled(id, title), complain(text), announce(text). */
export class Sidebar {
  constructor(page) {
    this.page = page;
    this.items = new Map(); // conversations by id, the latest first
    this.running = new Set();
    this.next = null;
    this.current = null;
    this.search = h("input", { type: "search", placeholder: t("list.search"), "aria-label": t("list.search"), autocomplete: "off" });
    this.search.addEventListener("input", () => this.#searchSoon());
    this.search.addEventListener("keydown", (event) => event.key === "Escape" && this.#leaveSearch());
    this.list = h("div.list");
    this.root = h(
      "nav.sidebar-list",
      { "aria-label": t("list.label") },
      h("label.search", {}, icon("search"), this.search),
      this.list,
    );
  }

  async load() {
    const { items, next } = await get(`conversations?limit=${PAGE}`);
    this.items = new Map(items.reverse().map((item) => [item.id, item]));
    this.next = next;
    this.show();
  }

  /** Takes a new conversation up, or a new title, or that it was the last one that something was said in. */
  put(conversation) {
    const known = this.items.get(conversation.id);
    this.items.delete(conversation.id);
    this.items = new Map([[conversation.id, { ...known, ...conversation }], ...this.items]);
    this.show();
  }

  rename(id, title) {
    const item = this.items.get(id);
    if (!item) return;
    item.title = title;
    this.show();
  }

  remove(id) {
    this.items.delete(id);
    this.show();
  }

  setRunning(id, running) {
    if (running) this.running.add(id);
    else this.running.delete(id);
    this.list.querySelector(`[data-id="${CSS.escape(id)}"]`)?.classList.toggle("running", running);
  }

  setCurrent(id) {
    this.current = id;
    for (const link of this.list.querySelectorAll("a[data-id]")) this.#mark(link);
  }

  #mark(link) {
    if (link.dataset.id === this.current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }

  show() {
    if (this.search.value.trim()) return;
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const groups = Map.groupBy(this.items.values(), ({ last_activity_at: moment }) => group(moment));
    const sections = [...groups].map(([name, items]) =>
      h("section", { "aria-label": t(`list.${name}`) }, h("h2", {}, t(`list.${name}`)), h("ul", {}, ...items.map((item) => this.#row(item)))),
    );
    if (!sections.length) sections.push(h("p.empty", {}, t("list.empty")));
    if (this.next !== null) sections.push(h("button.more", { type: "button", onclick: () => this.#readMore() }, t("list.more")));
    this.list.replaceChildren(...sections);
    if (focused) this.list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  #row(item) {
    const title = item.title || t("list.untitled");
    const link = h(`a${this.running.has(item.id) ? ".running" : ""}`, { href: `#/c/${item.id}`, title: withoutBidi(title) }, h("span", { dir: "auto" }, plain(title)));
    link.dataset.id = item.id;
    link.dataset.key = `open ${item.id}`;
    this.#mark(link);
    const more = iconButton("more", t("list.actions", { title: withoutBidi(title) }), () => this.menu(more, item), {
      "aria-haspopup": "menu",
      "aria-expanded": "false",
    });
    more.dataset.key = `more ${item.id}`;
    return h("li", {}, link, more);
  }

  /** Opens what can be done with a conversation. */
  menu(anchor, item) {
    openMenu(anchor, [
      { label: t("list.rename"), icon: icon("pencil"), act: () => this.#rename(item) },
      { label: t("list.export"), icon: icon("download"), act: () => this.#export(item) },
      { label: t("list.delete"), icon: icon("trash"), danger: true, act: () => this.#delete(item) },
    ]);
  }

  async #rename(item) {
    const title = await ask(t("list.rename_title"), t("list.rename_label"), item.title ?? "");
    if (!title || title === item.title) return;
    await this.#try(async () => {
      const changed = await request("PATCH", `conversations/${item.id}`, { body: { title } });
      this.rename(item.id, changed.title);
      this.page.retitled(item.id, changed.title);
    });
  }

  async #export(item) {
    await this.#try(async () => {
      const document = await get(`conversations/${item.id}/export`);
      const name = (item.title || t("list.untitled")).replace(/[^\p{L}\p{N} ._-]/gu, "").trim() || "conversation";
      saveBlob(new Blob([JSON.stringify(document, null, 2)], { type: "application/json" }), `${name}.json`);
      this.page.announce(t("announce.exported"));
    });
  }

  async #delete(item) {
    const title = item.title || t("list.untitled");
    if (!(await confirm(t("list.delete_title"), t("list.delete_text", { title }), t("list.delete")))) return;
    await this.#try(async () => {
      await request("DELETE", `conversations/${item.id}`);
      this.remove(item.id);
      this.page.deleted(item.id);
      this.page.announce(t("announce.deleted"));
      this.search.focus();
    });
  }

  async #readMore() {
    await this.#try(async () => {
      const { items, next } = await get(`conversations?limit=${PAGE}&cursor=${encodeURIComponent(this.next)}`);
      for (const item of items.reverse()) if (!this.items.has(item.id)) this.items.set(item.id, item);
      this.next = next;
      this.show();
    });
  }

  #searchSoon() {
    clearTimeout(this.due);
    this.due = setTimeout(() => this.#search(), 200);
  }

  async #search() {
    const words = this.search.value.trim();
    if (!words) return this.show();
    await this.#try(async () => {
      const { items } = await get(`search?q=${encodeURIComponent(words)}&limit=30`);
      if (words !== this.search.value.trim()) return;
      const hits = items.map((hit) => h("li", {}, this.#hit(hit)));
      this.list.replaceChildren(
        hits.length ? h("ul.hits", {}, ...hits) : h("p.empty", {}, t("list.nothing_found")),
      );
      this.page.announce(t("list.found", { count: hits.length }));
    });
  }

  #hit({ conversation_id: id, message_id: message, title, snippet, created_at: moment }) {
    const text = h("span.snippet", { dir: "auto" });
    let done = 0;
    for (const found of snippet.matchAll(MARKS)) {
      text.append(plain(snippet.slice(done, found.index)), h("mark", {}, plain(found[1])));
      done = found.index + found[0].length;
    }
    text.append(plain(snippet.slice(done)));
    const link = h("a.hit", { href: `#/c/${id}/${message}` }, h("span.title", { dir: "auto" }, plain(title || t("list.untitled"))), text, h("time", {}, date(moment)));
    link.dataset.id = id;
    this.#mark(link);
    return link;
  }

  #leaveSearch() {
    this.search.value = "";
    this.show();
  }

  async #try(work) {
    try {
      await work();
    } catch (error) {
      this.page.complain(explain(error));
    }
  }
}

function group(moment) {
  const days = (new Date().setHours(0, 0, 0, 0) - new Date(moment).setHours(0, 0, 0, 0)) / 86_400_000;
  return days < 0.5 ? "today" : days < 1.5 ? "yesterday" : days < 7.5 ? "week" : "older";
}
