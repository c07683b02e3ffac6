// The page: what stands where, which conversation is open, and what all of it tells each other.

import { get, onSignedOut, openSession, request, signOut } from "./api.js";
import { Composer } from "./composer.js";
import { Conversation, toEndButton } from "./conversation.js";
import { focusOn, h, icon, iconButton, plain, withoutBidi } from "./dom.js";
import { openDialog, openMenu } from "./dialogs.js";
import { explain } from "./errors.js";
import { loadLanguage, money, number, t } from "./i18n.js";
import { ModelPicker } from "./models.js";
import { Sidebar } from "./sidebar.js";
import { askToSignIn } from "./sign-in.js";
import { openStreams } from "./streams.js";
import { openPreferences } from "./preferences.js";

const NARROW = matchMedia("(max-width: 820px)");

class Page {
  constructor(root) {
    this.root = root;
    this.conversation = null;
  }

  async start() {
    const session = openSession().catch((error) => error);
    await loadLanguage();
    this.session = await this.#session(await session);
    this.#build();
    onSignedOut(() => location.reload());
    await openStreams(
      (event) => this.#heard(event),
      (online) => this.#online(online),
    );
    addEventListener("hashchange", () => this.#route());
    addEventListener("keydown", (event) => this.#key(event));
    await Promise.all([this.#route(), this.#try(() => this.sidebar.load()), this.models.load()]);
  }

  /** Returns who asks, once that is known. */
  async #session(told) {
    for (let session = told; ; session = await openSession().catch((error) => error)) {
      if (!(session instanceof Error)) return session;
      if (session.status === 401 || session.status === 403) return askToSignIn(this.root);
      this.root.replaceChildren(h("main.sign-in", {}, h("p", { role: "alert" }, explain(session))));
      await new Promise((done) => setTimeout(done, 2000));
    }
  }

  #build() {
    this.sidebar = new Sidebar(this);
    this.models = new ModelPicker((id) => this.#chooseModel(id));
    this.composer = new Composer({
      send: (body, attempt) => this.#send(body, attempt),
      stop: () => this.conversation.stop(),
      announce: (text) => this.announce(text),
    });
    this.status = h("div.visually-hidden", { role: "status", "aria-live": "polite" });
    this.notice = h("div.notice", { role: "alert", hidden: true });
    this.offline = h("div.offline", { role: "status", hidden: true }, icon("offline"), h("span", {}, t("page.offline")));
    this.title = h("h1", { tabIndex: -1, dir: "auto" });
    this.total = h("span.total");
    this.actions = iconButton("more", t("page.actions"), () => this.sidebar.menu(this.actions, this.conversation.about), {
      "aria-haspopup": "menu",
      hidden: true,
    });
    this.scroller = h("div.scroller", { tabIndex: -1 });
    this.toEndButton = toEndButton(() => this.toEnd());
    this.welcome = h("div.welcome", {}, h("div.mark", {}, icon("chat")), h("p", {}, t("page.welcome")));
    this.main = h(
      "main",
      { id: "main" },
      h(
        "header",
        {},
        iconButton("menu", t("page.menu"), () => this.#toggleSidebar(), { className: "menu-button", "aria-expanded": "true", "aria-controls": "sidebar" }),
        this.title,
        h("span.spring"),
        this.total,
        this.models.root,
        this.actions,
      ),
      this.offline,
      this.scroller,
      this.notice,
      h("div.bottom", {}, this.toEndButton, this.composer.root),
    );
    this.side = h(
      "div.sidebar",
      { id: "sidebar" },
      h("a.new-chat", { href: "#/", title: "Ctrl+Shift+O" }, icon("plus"), h("span", {}, t("page.new"))),
      this.sidebar.root,
      this.#foot(),
    );
    const skip = h("a.skip", { href: "#composer", onclick: (event) => (event.preventDefault(), this.composer.box.focus()) }, t("page.skip"));
    this.root.replaceChildren(skip, this.side, h("div.scrim", { onclick: () => this.#toggleSidebar(false) }), this.main, this.status);
    this.composer.acceptDrops(this.main);
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.sticks = true;
    this.grown = new ResizeObserver(() => this.sticks && this.toEnd());
    this.#toggleSidebar(!NARROW.matches);
    NARROW.addEventListener("change", () => this.#toggleSidebar(!NARROW.matches));
  }

  #foot() {
    const manages = this.session.roles.some((role) => role === "admin" || role === "manager");
    const who = iconButton("gear", t("page.preferences"), () => {
      openMenu(who, [
        { label: t("page.preferences"), icon: icon("sun"), act: openPreferences },
        { label: t("page.keys"), icon: icon("tool"), act: showKeys },
        { label: t("page.sign_out"), icon: icon("door"), act: () => this.#signOut() },
      ]);
    }, { "aria-haspopup": "menu", "aria-expanded": "false" });
    const admin = h("a.icon-button", { href: "#/admin", title: t("admin.title"), "aria-label": t("admin.title") }, icon("chart"));
    return h("div.foot", {}, h("span.who", { title: withoutBidi(this.session.user_id) }, plain(this.session.user_id)), manages ? admin : null, who);
  }

  async #signOut() {
    await signOut().catch(() => {});
    location.reload();
  }

  // What the address says: #/ for a new conversation, #/c/{id} for one, #/admin/{part} for the administration.

  async #route() {
    const [, place, id, message] = location.hash.split("/");
    if (NARROW.matches) this.#toggleSidebar(false);
    this.admin?.remove();
    this.admin = null;
    this.main.classList.toggle("administering", place === "admin");
    if (place === "admin") return this.#try(() => this.#administer(id));
    if (place === "c" && id === this.conversation?.id && this.conversation.id) return this.#reveal(message);
    this.#open(place === "c" ? id : null, message);
  }

  async #administer(part) {
    const { Administration } = await import("./admin.js");
    this.admin = new Administration(this, part).root;
    this.main.append(this.admin);
    document.title = t("admin.title");
    focusOn(this.admin.querySelector("h1"));
  }

  async #open(id, message) {
    this.conversation?.close();
    const conversation = (this.conversation = new Conversation(this, id));
    this.scroller.replaceChildren(id === null ? this.welcome : conversation.root);
    this.grown.disconnect();
    this.grown.observe(conversation.root);
    this.sticks = true;
    this.complain(null);
    this.composer.open(id);
    this.changed(conversation);
    this.sidebar.setCurrent(id);
    this.models.show(null);
    if (!NARROW.matches || id === null) this.composer.box.focus();
    if (id === null) return;
    try {
      await conversation.open();
      this.toEnd();
      await this.#reveal(message);
    } catch (error) {
      if (this.conversation !== conversation) return;
      this.complain(explain(error));
      if (error.status === 404) this.scroller.replaceChildren(this.welcome);
    }
  }

  /** Leads to a message that was found. */
  async #reveal(message) {
    if (!message) return;
    await this.conversation.reach(message);
    const found = this.scroller.querySelector(`[data-id="${CSS.escape(message)}"]`);
    if (!found) return;
    this.sticks = false;
    found.scrollIntoView({ block: "center" });
    found.classList.add("found");
    found.tabIndex = -1;
    found.focus({ preventScroll: true });
    setTimeout(() => found.classList.remove("found"), 2500);
  }

  async #send(body, attempt) {
    const { conversation } = this;
    this.complain(null);
    const isNew = conversation.id === null;
    try {
      await conversation.send(body, attempt);
    } catch (error) {
      if (error.code === "stale_parent" || error.code === "run_active") conversation.sync();
      throw Object.assign(new Error(explain(error)), { refused: error.status >= 400 && error.status < 500 });
    } finally {
      if (isNew && conversation.id !== null && this.conversation === conversation) {
        history.replaceState(null, "", `#/c/${conversation.id}`);
        this.composer.name = conversation.id;
        this.scroller.replaceChildren(conversation.root);
        this.sidebar.setCurrent(conversation.id);
      }
    }
    this.#try(async () => {
      conversation.about = await get(`conversations/${conversation.id}`);
      this.sidebar.put(conversation.about);
      this.changed(conversation);
    });
  }

  async #chooseModel(id) {
    const { conversation } = this;
    if (conversation.id === null) return;
    await this.#try(async () => {
      conversation.about = await request("PATCH", `conversations/${conversation.id}`, { body: { model: id } });
      this.announce(t("announce.model"));
    });
  }

  // What conversations tell the page.

  /** The model that a new conversation is to have; null for the service's. */
  model() {
    return this.models.wanted;
  }

  changed(conversation) {
    if (conversation !== this.conversation) return;
    const title = conversation.about?.title;
    this.title.replaceChildren(plain(title || (conversation.id ? t("list.untitled") : t("page.new"))));
    document.title = title ? `${withoutBidi(title)} | ${t("page.name")}` : t("page.name");
    this.actions.hidden = conversation.about === null;
    if (conversation.about?.model) this.models.show(conversation.about.model);
    this.composer.running = conversation.isRunning;
    if (conversation.id) this.sidebar.setRunning(conversation.id, conversation.isRunning);
    this.totals();
  }

  retitled(id, title) {
    this.sidebar.rename(id, title);
    if (this.conversation?.id !== id || !this.conversation.about) return;
    this.conversation.about.title = title;
    this.changed(this.conversation);
  }

  deleted(id) {
    this.composer.forget(id);
    if (this.conversation?.id === id) location.hash = "#/";
  }

  /** Tokens and cost of what is on the screen. */
  totals() {
    const { usages, older } = this.conversation;
    const tokens = usages.reduce((sum, usage) => sum + usage.total_tokens, 0);
    const cost = usages.reduce((sum, usage) => sum + Number(usage.cost ?? 0), 0);
    const shown = [t("usage.tokens", { count: tokens, shown: number(tokens) })];
    if (usages.some((usage) => usage.cost !== null)) shown.push(money(cost));
    if (usages.some((usage) => !usage.final)) shown.push(t("usage.settling"));
    this.total.textContent = tokens ? shown.join(" · ") : "";
    this.total.title = t(older === null ? "usage.of_conversation" : "usage.of_part");
  }

  announce(text) {
    this.status.textContent = text;
  }

  complain(text) {
    this.notice.hidden = text === null;
    this.notice.replaceChildren();
    if (text !== null) this.notice.append(icon("warning"), h("p", {}, text), iconButton("close", t("action.close"), () => this.complain(null)));
  }

  // Scrolling: the newest text stays in sight unless the person looks at something else.

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.sticks = scrollHeight - scrollTop - clientHeight < 48;
    this.toEndButton.hidden = this.sticks;
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.sticks = true;
    this.toEndButton.hidden = true;
  }

  /** Inserts something above without moving what is in sight. */
  keepPlace(insert) {
    const { scrollHeight, scrollTop } = this.scroller;
    insert();
    this.scroller.scrollTop = scrollTop + this.scroller.scrollHeight - scrollHeight;
  }

  // What happens elsewhere.

  #heard(event) {
    const { conversation_id: id, type } = event;
    const here = this.conversation?.id === id;
    if (type === "ready") this.#refresh();
    else if (type === "gone" && event.status === 401) location.reload();
    else if (type === "title" || type === "conversation_changed") this.retitled(id, event.title);
    else if (type === "conversation_deleted") {
      this.sidebar.remove(id);
      if (here) this.deleted(id);
    } else if (type === "run_started" || type === "run_ended") {
      this.sidebar.setRunning(id, type === "run_started");
      if (!this.sidebar.items.has(id)) this.#try(async () => this.sidebar.put(await get(`conversations/${id}`)));
      if (here && type === "run_started" && !this.conversation.live.has(event.run_id)) this.conversation.sync();
    }
  }

  /** What happened while nobody listened is read: before the first time, and after each time without a connection. */
  async #refresh() {
    const again = this.listened;
    this.listened = true;
    await this.#try(() => this.sidebar.load());
    if (again) await this.conversation?.sync();
  }

  #online(online) {
    this.offline.hidden = online;
  }

  #toggleSidebar(shown = this.root.classList.contains("without-sidebar")) {
    this.root.classList.toggle("without-sidebar", !shown);
    this.side.inert = !shown;
    this.main.inert = shown && NARROW.matches;
    this.main.querySelector(".menu-button").setAttribute("aria-expanded", String(shown));
  }

  #key(event) {
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (document.querySelector("dialog[open]")) return;
    if (control && event.shiftKey && key === "o") location.hash = "#/";
    else if (control && key === "k") {
      this.#toggleSidebar(true);
      this.sidebar.search.focus();
    } else if (control && key === "b") this.#toggleSidebar();
    else if (key === "escape" && NARROW.matches && !this.side.inert) this.#toggleSidebar(false);
    else if (key === "escape" && this.conversation?.isRunning) this.conversation.stop();
    else if (key === "/" && !event.target.closest("input, textarea")) this.composer.box.focus();
    else if (key === "?" && !event.target.closest("input, textarea")) showKeys();
    else return;
    event.preventDefault();
  }

  async #try(work) {
    try {
      await work();
    } catch (error) {
      this.complain(explain(error));
    }
  }
}

function showKeys() {
  const keys = { "Enter": "send", "Shift+Enter": "line", "Esc": "stop", "Ctrl+Shift+O": "new", "Ctrl+K": "search", "Ctrl+B": "sidebar", "/": "write", "?": "help" };
  const rows = Object.entries(keys).flatMap(([key, name]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, t(`keys.${name}`))]);
  const close = h("button.primary", { type: "button", onclick: () => dialog.close() }, t("action.close"));
  const { dialog } = openDialog(t("page.keys"), h("dl.keys", {}, ...rows), h("div.buttons", {}, close));
}

new Page(document.getElementById("page")).start();
