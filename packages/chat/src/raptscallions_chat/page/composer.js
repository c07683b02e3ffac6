// Where a person writes: the text, its files, and a draft that survives whatever becomes of the page.

import { Attachments } from "./attachments.js";
import { h, icon, iconButton } from "./dom.js";
import { t } from "./i18n.js";

const STORED = "chat.draft.";

/** `send(body, attempt)` resolves once the message is stored; `stop()` ends the answer that is being written. */
export class Composer {
  constructor({ send, stop, announce }) {
    this.send = send;
    this.announce = announce;
    this.name = "new";
    this.opened = 0; // how often a draft was taken up
    this.sending = false;
    this.box = h("textarea", {
      rows: 1,
      dir: "auto",
      placeholder: t("composer.placeholder"),
      "aria-label": t("composer.label"),
      "aria-describedby": "composer-hint",
      enterKeyHint: "send",
    });
    this.files = new Attachments(() => this.#changed());
    const picker = h("input", { type: "file", multiple: true, hidden: true, tabIndex: -1, "aria-label": t("attachment.choose") });
    picker.addEventListener("change", () => {
      this.files.add(picker.files);
      picker.value = "";
    });
    this.sendButton = iconButton("send", t("composer.send"), () => this.submit(), { className: "send" });
    this.stopButton = iconButton("stop", t("composer.stop"), () => this.#stop(stop), { className: "stop", hidden: true });
    this.problem = h("p.problem", { role: "alert", hidden: true });
    this.root = h(
      "form.composer",
      { onsubmit: (event) => event.preventDefault() },
      this.problem,
      h(
        "div.box",
        {},
        this.files.root,
        this.box,
        h("div.tools", {}, iconButton("clip", t("attachment.choose"), () => picker.click()), picker, h("span.spring"), this.stopButton, this.sendButton),
      ),
      h("p.hint", { id: "composer-hint" }, t("composer.hint")),
    );
    this.box.addEventListener("input", () => this.#changed());
    this.box.addEventListener("keydown", (event) => this.#key(event));
    this.box.addEventListener("paste", (event) => {
      if (!event.clipboardData.files.length) return;
      event.preventDefault();
      this.files.add(event.clipboardData.files);
    });
  }

  /** Takes up the draft of a conversation. */
  open(name) {
    this.name = name ?? "new";
    this.opened += 1;
    const { text = "", files = [], attempt = null } = JSON.parse(localStorage.getItem(STORED + this.name) ?? "{}");
    this.box.value = text;
    this.files.restore(files);
    this.attempt = attempt;
    this.tell(null);
    this.#grow();
  }

  /** Lets files fall anywhere on an element. */
  acceptDrops(element) {
    let depth = 0;
    const over = (by) => (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      depth = by === 0 ? depth : depth + by;
      element.classList.toggle("dropping", depth > 0);
    };
    element.addEventListener("dragenter", over(1));
    element.addEventListener("dragover", over(0));
    element.addEventListener("dragleave", over(-1));
    element.addEventListener("drop", (event) => {
      over(-1)(event);
      depth = 0;
      element.classList.remove("dropping");
      if (event.dataTransfer?.files.length) this.files.add(event.dataTransfer.files);
    });
  }

  /** Drops the draft of a conversation that is gone. */
  forget(name) {
    localStorage.removeItem(STORED + name);
  }

  set running(running) {
    this.stopButton.hidden = !running;
    this.stopButton.disabled = false;
    this.isRunning = running;
    this.#buttons();
  }

  async submit() {
    const text = this.box.value.trim();
    if (this.sending || (!text && !this.files.files.length)) return;
    if (!this.files.isReady) return this.tell(t("attachment.not_ready"));
    const { parts } = this.files;
    const body = parts.length ? { parts: [...parts, ...(text ? [{ type: "text", text }] : [])] } : { message: text };
    this.attempt ??= { key: crypto.randomUUID(), body: null };
    this.#keep();
    this.sending = true;
    this.tell(null);
    this.#buttons();
    const draft = this.name;
    const { opened } = this;
    const attempt = Object.assign(this.attempt, { keep: () => this.#keep() });
    const problem = await this.send(body, attempt).then(() => null, (error) => error);
    this.sending = false;
    if (draft !== this.name || problem === null) localStorage.removeItem(STORED + draft);
    // Meanwhile the person may write in another conversation.
    if (opened !== this.opened) return this.#buttons();
    if (problem === null) {
      this.attempt = null;
      this.box.value = "";
      this.files.clear();
      this.#grow();
    } else {
      // What was refused may be sent in another way; what was lost is sent again as it was.
      if (problem.refused) this.attempt = null;
      this.#keep();
      this.tell(problem.message);
    }
    this.#buttons();
    this.box.focus();
  }

  /** Says what is wrong above the text; null takes it away. */
  tell(problem) {
    this.problem.hidden = problem === null;
    this.problem.textContent = problem ?? "";
  }

  async #stop(stop) {
    this.stopButton.disabled = true;
    this.announce(t("announce.stopping"));
    await stop();
    this.stopButton.disabled = false;
    this.box.focus();
  }

  #key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !matchMedia("(pointer: coarse)").matches) {
      event.preventDefault();
      this.submit();
    }
  }

  #changed() {
    this.attempt = null; // it is another message now
    this.#keep();
    this.#grow();
    this.#buttons();
  }

  #keep() {
    const files = this.files.files.map((file) => file.stored).filter(Boolean);
    const text = this.box.value;
    if (text || files.length) localStorage.setItem(STORED + this.name, JSON.stringify({ text, files, attempt: this.attempt }));
    else localStorage.removeItem(STORED + this.name);
  }

  #grow() {
    this.box.style.height = "auto";
    this.box.style.height = `${Math.min(this.box.scrollHeight, innerHeight * 0.4)}px`;
    this.#buttons();
  }

  #buttons() {
    const empty = !this.box.value.trim() && !this.files.files.length;
    this.sendButton.disabled = empty || this.sending || !this.files.isReady;
    this.sendButton.hidden = Boolean(this.isRunning) && empty;
    const label = t(this.isRunning ? "composer.queue" : "composer.send");
    this.sendButton.title = label;
    this.sendButton.setAttribute("aria-label", label);
  }
}
