// One message on the screen: what was said, what became of it, what it cost, and what can be done with it.

import { Answer } from "./answer.js";
import { attachmentView } from "./attachments.js";
import { h, icon, iconButton, plain, withoutBidi } from "./dom.js";
import { money, number, t } from "./i18n.js";
import { copy } from "./markdown.js";
import { Parts } from "./parts.js";

/** Says which of the messages that follow the same one this is, and leads to the others. */
function branches(message, actions) {
  const all = message.siblings ?? [];
  if (all.length < 2) return null;
  const here = all.indexOf(message.id);
  const step = (by, name, label) =>
    iconButton(name, t(label), () => actions.branch(message, all[here + by]), { disabled: !all[here + by] });
  return h(
    "span.branches",
    { role: "group", "aria-label": t("branch.label") },
    step(-1, "left", "branch.previous"),
    h("span", {}, t("branch.place", { place: number(here + 1), count: number(all.length) })),
    step(1, "right", "branch.next"),
  );
}

/** A user's message. `actions` has branch(message, id), edit(message, text). */
export class UserView {
  constructor(message, actions) {
    this.actions = actions;
    this.root = h("article.message.user", { "aria-label": t("message.yours") });
    this.show(message);
  }

  show(message) {
    this.message = message;
    this.root.dataset.id = message.id;
    const files = (message.parts ?? []).filter((part) => part.type !== "text");
    const tools = h(
      "div.message-tools",
      {},
      branches(message, this.actions),
      iconButton("copy", t("message.copy"), ({ currentTarget }) => copy(currentTarget, message.text)),
      iconButton("pencil", t("message.edit"), () => this.#edit()),
    );
    this.root.replaceChildren(
      ...(files.length ? [h("div.attachments", {}, ...files.map(attachmentView))] : []),
      ...(message.text ? [h("div.bubble", { dir: "auto" }, plain(message.text))] : []),
      tools,
    );
  }

  #edit() {
    const { message } = this;
    const box = h("textarea", { value: message.text, "aria-label": t("message.edit"), rows: 3, dir: "auto" });
    const close = () => {
      this.show(message);
      this.root.querySelector(".message-tools button:last-child")?.focus();
    };
    const save = () => {
      const text = box.value.trim();
      if (text && text !== message.text) this.actions.edit(message, text);
      else close();
    };
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
      else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) save();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    const buttons = [
      h("button", { type: "button", onclick: close }, t("action.cancel")),
      h("button.primary", { type: "button", onclick: save }, t("message.send_edit")),
    ];
    this.root.replaceChildren(h("div.edit", {}, box, h("p.hint", {}, t("message.edit_hint")), h("div.buttons", {}, ...buttons)));
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }
}

/** An answer. `actions` has branch, proceed(message), regenerate(message), decide(message, call, approve). */
export class AnswerView {
  constructor(message, actions) {
    this.actions = actions;
    this.parts = new Parts((call, approve) => actions.decide(this.message, call, approve));
    this.wait = h("div.wait", { role: "presentation" }, h("span"), h("span"), h("span"));
    this.note = h("div.note");
    this.tools = h("div.message-tools");
    this.root = h("article.message.assistant", {}, this.parts.root, this.wait, this.note, this.tools);
    this.due = null;
    this.cost = 0;
    this.show(message);
  }

  /** Shows what is stored. */
  show(message) {
    this.message = message;
    this.root.dataset.id = message.id;
    this.root.setAttribute("aria-label", t("message.answer"));
    this.answer = new Answer(message);
    this.render();
  }

  /** Takes an event of its run in; the screen follows a few times a second. */
  add(event) {
    this.answer.add(event);
    if (!this.answer.isGrowing) this.render();
    else if (this.due === null) {
      // Never more than a tenth of the time for making elements, however long a block is.
      this.due = setTimeout(() => this.render(), Math.min(1000, Math.max(50, this.cost * 9)));
    }
  }

  render() {
    clearTimeout(this.due);
    this.due = null;
    const begun = performance.now();
    const { answer } = this;
    this.parts.show(answer.parts, answer.isGrowing);
    this.cost = performance.now() - begun;
    const state = `${answer.status}/${answer.usage?.final}/${answer.usage?.cost}/${this.message.model}/${this.message.siblings}`;
    this.wait.hidden = !answer.isGrowing || answer.parts.length > 0;
    if (state === this.state) return;
    this.state = state;
    this.root.setAttribute("aria-busy", String(answer.isGrowing));
    this.root.dataset.status = answer.status;
    this.#showNote();
    this.#showTools();
  }

  #showNote() {
    const { answer, message, actions } = this;
    const told = told_of(answer);
    const buttons = [];
    if (["stopped", "interrupted", "failed"].includes(answer.status)) {
      const proceed = h("button", { type: "button", onclick: () => actions.proceed(message) }, icon("forward"), t("message.continue"));
      const anew = h("button", { type: "button", onclick: () => actions.regenerate(message) }, icon("retry"), t("message.retry"));
      buttons.push(...(answer.text ? [proceed, anew] : [anew]));
    }
    this.note.hidden = told === null;
    this.note.className = `note ${answer.status}`;
    this.note.replaceChildren();
    if (told !== null) this.note.append(icon(answer.status === "stopped" ? "stop" : "warning"), h("p", {}, told), h("div.buttons", {}, ...buttons));
  }

  #showTools() {
    const { answer, message, actions } = this;
    this.tools.hidden = answer.isGrowing;
    if (answer.isGrowing) return;
    this.tools.replaceChildren(
      ...[
        branches(message, actions),
        iconButton("copy", t("message.copy"), ({ currentTarget }) => copy(currentTarget, this.answer.text)),
        iconButton("retry", t("message.regenerate"), () => actions.regenerate(message)),
        usageView(answer.usage, message.model),
      ].filter(Boolean),
    );
  }
}

function told_of(answer) {
  if (answer.status === "stopped") return t(answer.reason && answer.reason !== "user" ? `stopped.${answer.reason}` : "stopped.user");
  if (answer.status === "interrupted") return t("message.interrupted");
  if (answer.status === "failed") {
    const told = answer.error?.message;
    return told ? t("message.failed_because", { reason: withoutBidi(told) }) : t("message.failed");
  }
  if (answer.status === "blocked") return t("message.blocked");
  if (answer.finishReason === "length") return t("message.too_long");
  return null;
}

/** Tokens and cost; "settling" until the gateway has told the last of it. */
function usageView(usage, model) {
  if (!usage) return null;
  const cost = usage.cost === null ? null : money(usage.cost);
  // Of what is not known yet, nothing is shown but that it is not.
  const known = usage.final || usage.total_tokens > 0;
  const shown = known ? [t("usage.tokens", { count: usage.total_tokens, shown: number(usage.total_tokens) })] : [];
  if (cost) shown.push(usage.cost_source === "priced" ? t("usage.about", { cost }) : cost);
  const details = t("usage.details", {
    prompt: number(usage.prompt_tokens),
    completion: number(usage.completion_tokens),
    cached: number(usage.cached_tokens),
    reasoning: number(usage.reasoning_tokens),
  });
  const settling = usage.final ? null : h("span.settling", { title: t("usage.settling_why") }, t("usage.settling"));
  return h("span.usage", { title: details }, model ? h("span", {}, plain(model)) : null, h("span", {}, shown.join(" · ")), settling);
}
