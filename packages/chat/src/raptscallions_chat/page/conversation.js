// The conversation that is open: its messages, the runs that write in it, and what a person does to it.

import { get, post, request } from "./api.js";
import { explain } from "./errors.js";
import { h, iconButton } from "./dom.js";
import { AnswerView, UserView } from "./message.js";
import { follow } from "./streams.js";
import { t } from "./i18n.js";

const PAGE = 50;
const SETTLING = [1, 2, 4, 8, 15, 30]; // seconds between looks at a cost that is not final yet
const ENDS = ["completed", "stopped", "failed", "interrupted", "gone"];

/** `page` has scroller, announce(text), complain(text), changed(conversation), retitled(id, title), totals(). */
export class Conversation {
  constructor(page, id) {
    this.page = page;
    this.id = id;
    this.about = null;
    this.path = []; // views, oldest first
    this.older = null;
    this.live = new Map(); // runs that are not over, oldest first; one is followed, the others wait for it
    this.closed = false;
    this.changes = 0; // how often the path was changed here
    this.log = h("div.log", { role: "log", "aria-live": "off", "aria-label": t("conversation.log") });
    this.top = h("div.older", { hidden: true });
    this.root = h("div.conversation", {}, this.top, this.log);
    this.actions = {
      branch: (message, id) => this.#try(() => this.#branch(id)),
      edit: (message, text) => this.#try(() => this.#edit(message, text)),
      proceed: (message) => this.#try(() => this.#proceed(message)),
      regenerate: (message) => this.#try(() => this.#regenerate(message)),
      decide: (message, call, approve) => this.#try(() => this.#decide(message, call, approve)),
    };
    this.watcher = new IntersectionObserver(([seen]) => seen.isIntersecting && this.#readOlder(), {
      root: page.scroller,
      rootMargin: "800px 0px 0px",
    });
    this.watcher.observe(this.top);
  }

  /** The last message of the path; null if there is none. */
  get last() {
    return this.path.at(-1)?.message ?? null;
  }

  get isRunning() {
    return this.live.size > 0;
  }

  get usages() {
    return this.path.map((view) => view.answer?.usage).filter(Boolean);
  }

  /** Reads the conversation and its last messages. */
  async open() {
    const { changes } = this;
    const [about, page] = await Promise.all([
      get(`conversations/${this.id}`),
      get(`conversations/${this.id}/messages?limit=${PAGE}`),
    ]);
    // What was asked for before the person did something is older than what is here.
    if (this.closed || changes !== this.changes) return;
    this.about = about;
    this.#merge(page);
    this.page.changed(this);
  }

  close() {
    this.closed = true;
    this.watcher.disconnect();
    for (const run of this.live.values()) run.leave?.();
    this.live.clear();
    this.root.remove();
  }

  /** Reads again what may have changed meanwhile, here or on another device. */
  async sync() {
    if (this.id === null || this.closed) return;
    await this.#try(() => this.open());
  }

  /**
   * Sends a message; throws what the API tells if it was not stored. An attempt has a key and keep(); one that is made
   * again, because nobody knows what became of it, is the same to the letter, so that the message is stored once.
   */
  async send(body, attempt) {
    const { key } = attempt;
    if (this.id === null) {
      // The same name for both, so that a second try finds the conversation of the first.
      this.about = await post("conversations", this.page.model() ? { model: this.page.model() } : {}, { key: `${key}.c` });
      this.id = this.about.id;
    }
    const place = this.last ? { parent_id: this.last.id } : {};
    const busy = this.isRunning ? { on_busy: "enqueue" } : {};
    attempt.body ??= { ...body, ...place, ...busy };
    attempt.keep();
    const sent = await post(`conversations/${this.id}/messages`, attempt.body, { key });
    if (this.closed) return;
    this.#append(sent);
  }

  async stop() {
    await this.#try(() => Promise.all([...this.live.keys()].map((run) => post(`runs/${run}/stop`))));
  }

  #append(sent) {
    this.changes += 1;
    const both = [this.#view(sent.message), this.#view(sent.answer)];
    this.#place([...this.path.filter((view) => !both.includes(view)), ...both]);
    if (!this.live.has(sent.run.id)) this.#follow(sent.run.id, both[1]);
    this.page.toEnd();
    this.page.changed(this);
  }

  async #edit(message, text) {
    const files = (message.parts ?? []).filter((part) => part.type !== "text");
    const body = files.length ? { parts: [...files, { type: "text", text }] } : { message: text };
    const key = crypto.randomUUID();
    const path = `conversations/${this.id}/messages`;
    const sent = await post(path, { ...body, parent_id: message.parent_id, branch: true }, { key });
    this.#cut(message.id);
    this.#append({ ...sent, message: beside(message, sent.message) });
  }

  async #regenerate(message) {
    const sent = await post(`messages/${message.id}/regenerate`, {}, { key: crypto.randomUUID() });
    this.changes += 1;
    this.#cut(message.id);
    this.#place([...this.path, this.#view(beside(message, sent.answer))]);
    this.#follow(sent.run.id, this.path.at(-1));
    this.page.toEnd();
    this.page.changed(this);
  }

  async #proceed(message) {
    const sent = await post(`runs/${message.run_id}/continue`, {}, { key: crypto.randomUUID() });
    const view = this.#find(message.id);
    view.message = { ...view.message, run_id: sent.run.id };
    view.add({ type: "run_started" });
    this.#follow(sent.run.id, view);
  }

  async #decide(message, call, approve) {
    const path = `runs/${message.run_id}/approvals/${encodeURIComponent(call.id)}`;
    const told = await post(path, { approve }, { key: crypto.randomUUID() });
    const view = this.#find(message.id);
    const part = view.answer.parts.find((each) => each.id === call.id);
    if (part) part.waiting = false;
    view.render();
    if (!told.continued) return;
    view.message = { ...view.message, run_id: told.continued.run.id };
    view.add({ type: "run_started" });
    this.#follow(told.continued.run.id, view);
  }

  async #branch(id) {
    const page = await get(`conversations/${this.id}/messages?limit=${PAGE}&through=${id}`);
    this.changes += 1;
    this.#merge(page);
    this.#find(id)?.root.querySelector(".branches button:not(:disabled)")?.focus();
    this.page.changed(this);
    // From now on this is the path, on other devices too; not while an answer is being written on the other one.
    if (!this.isRunning) this.about = await request("PATCH", `conversations/${this.id}`, { body: { head_id: this.last.id } });
  }

  #find(id) {
    return this.path.find((view) => view.message.id === id);
  }

  #cut(id) {
    const place = this.path.findIndex((view) => view.message.id === id);
    if (place >= 0) this.#place(this.path.slice(0, place));
  }

  #view(message) {
    const known = this.#find(message.id);
    if (known) {
      // What is being followed is newer than what is stored.
      if (!this.live.has(message.run_id)) known.show(message);
      return known;
    }
    return message.role === "assistant" ? new AnswerView(message, this.actions) : new UserView(message, this.actions);
  }

  /** Takes up the last page of a path. */
  #merge({ items, next }) {
    const views = items.map((message) => this.#view(message));
    const place = this.path.findIndex((view) => view.message.id === items[0]?.id);
    if (place < 0) this.older = next;
    this.#place(place < 0 ? views : [...this.path.slice(0, place), ...views]);
    this.top.hidden = this.older === null;
    for (const view of this.path) {
      const { status, run_id: run } = view.message;
      if (status === "streaming" && run && !this.live.has(run)) this.#follow(run, view);
      else this.#complete(view);
    }
  }

  #place(views) {
    const kept = new Set(views);
    for (const view of this.path) {
      if (kept.has(view)) continue;
      view.root.remove();
      const run = view.message.run_id;
      this.live.get(run)?.leave?.();
      this.live.delete(run);
    }
    views.forEach((view, index) => {
      const here = this.log.children[index];
      if (here !== view.root) this.log.insertBefore(view.root, here ?? null);
    });
    this.path = views;
  }

  /** Reads up to a message, on whatever branch it is. */
  async reach(id) {
    await this.#try(async () => {
      for (let pages = 0; this.older !== null && !this.#find(id) && pages < 20; pages += 1) await this.#readOlder();
      if (!this.#find(id)) this.#merge(await get(`conversations/${this.id}/messages?limit=${PAGE}&through=${id}`));
    });
  }

  async #readOlder() {
    if (this.older === null || this.reading) return;
    this.reading = true;
    await this.#try(async () => {
      const { items, next } = await get(`conversations/${this.id}/messages?limit=${PAGE}&before=${this.older}`);
      if (this.closed) return;
      this.older = next;
      this.page.keepPlace(() => this.#place([...items.map((message) => this.#view(message)), ...this.path]));
      this.top.hidden = next === null;
      this.page.totals();
    });
    this.reading = false;
    // It may still be in sight, which the observer does not tell again.
    this.watcher.unobserve(this.top);
    this.watcher.observe(this.top);
  }

  #follow(run, view) {
    this.live.set(run, { view, leave: null });
    this.#followFirst();
    this.page.changed(this);
  }

  /** Answers of a conversation are written one after the other, and so they are followed. */
  #followFirst() {
    const [first] = this.live;
    if (!first || first[1].leave) return;
    const [run, waiting] = first;
    waiting.leave = follow(run, (event) => {
      if (event.type === "title") this.page.retitled(this.id, event.title);
      waiting.view.add(event);
      if (ENDS.includes(event.type)) this.#ended(run, waiting.view, event);
    });
  }

  async #ended(run, view, event) {
    this.live.get(run)?.leave?.();
    this.live.delete(run);
    this.#followFirst();
    this.page.changed(this);
    if (event.type !== "gone") this.page.announce(t(`announce.${event.type}`));
    await this.#try(async () => {
      const { items } = await get(`conversations/${this.id}/messages?limit=1&leaf=${view.message.id}`);
      if (!items.length || this.closed || !this.path.includes(view)) return;
      const stored = items[0];
      if (event.type === "gone" || stored.text !== view.answer.text) view.show(stored);
      view.message = stored;
      view.answer.usage = stored.usage ?? view.answer.usage;
      view.render();
    });
    this.page.totals();
    this.#settle(run, view);
  }

  async #settle(run, view) {
    for (const pause of SETTLING) {
      if (this.closed || !view.answer.usage || view.answer.usage.final) return;
      await new Promise((done) => setTimeout(done, pause * 1000));
      const told = await get(`runs/${run}`).catch(() => null);
      if (told === null || this.live.has(view.message.run_id)) continue;
      view.answer.usage = told.usage;
      view.render();
      this.page.totals();
    }
  }

  /** Finds out what a message does not say itself: why it ended, and which calls wait for the user. */
  async #complete(view) {
    const { answer, message } = view;
    if (!answer || view.completed === message.run_id || !message.run_id) return;
    view.completed = message.run_id;
    const waiting = answer.parts.some((part) => part.type === "tool_call" && !("result" in part) && !("error" in part));
    if (waiting) {
      const { items } = await get(`runs/${message.run_id}/approvals`).catch(() => ({ items: [] }));
      const open = new Set(items.filter((item) => item.decision === null).map((item) => item.call_id));
      for (const part of answer.parts) if (open.has(part.id)) part.waiting = true;
    }
    if (view === this.path.at(-1) && ["failed", "stopped", "interrupted"].includes(answer.status)) {
      const run = await get(`runs/${message.run_id}`).catch(() => null);
      answer.error = run?.error ?? null;
      answer.reason = run?.stop_reason ?? null;
      view.state = null;
    }
    view.render();
    this.#settle(message.run_id, view);
  }

  async #try(work) {
    try {
      return await work();
    } catch (error) {
      if (!this.closed) this.page.complain(explain(error), error);
    }
  }
}

/** A new message that stands beside another one; the reply to sending it need not say what else does. */
const beside = (old, made) => ({ ...made, siblings: [...new Set([...(old.siblings ?? [old.id]), ...made.siblings])] });

/** The button that leads back to the newest message. */
export const toEndButton = (onclick) => iconButton("down", t("conversation.to_end"), onclick, { className: "to-end", hidden: true });
