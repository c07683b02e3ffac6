// The models that can be asked, with what they cost and how much they can read at once.

import { get } from "./api.js";
import { h, icon, plain, withoutBidi } from "./dom.js";
import { compact, money, t } from "./i18n.js";

const STORED = "chat.model";

/** A button with the model's name, and a list that can be searched. `chosen(id)` is called with a choice. */
export class ModelPicker {
  constructor(chosen) {
    this.chosen = chosen;
    this.models = [];
    this.preset = null;
    this.model = null;
    this.label = h("span");
    this.button = h(
      "button.model-button",
      { type: "button", "aria-haspopup": "dialog", "aria-expanded": "false", onclick: () => (this.panel ? this.#close() : this.#open()) },
      this.label,
      icon("down"),
    );
    this.root = h("div.model-picker", {}, this.button);
    this.show(null);
  }

  /** The model to ask, as the person has chosen it; null leaves it to the service. */
  get wanted() {
    return this.model ?? localStorage.getItem(STORED);
  }

  async load() {
    const told = await get("models").catch(() => null);
    if (told === null) return;
    this.models = told.items;
    this.preset = told.default;
    const stored = localStorage.getItem(STORED);
    if (stored && this.models.length && !this.models.some((model) => model.id === stored)) localStorage.removeItem(STORED);
    this.show(this.model);
  }

  /** Shows the model of a conversation; null for that of the next one. */
  show(model) {
    this.model = model;
    const id = this.wanted ?? this.preset;
    const name = this.models.find((each) => each.id === id)?.name ?? id ?? t("model.default");
    this.label.replaceChildren(plain(name));
    this.button.setAttribute("aria-label", t("model.button", { name: withoutBidi(name) }));
    this.root.hidden = this.models.length === 0 && id === null;
  }

  #open() {
    const search = h("input", { type: "search", placeholder: t("model.search"), "aria-label": t("model.search"), autocomplete: "off" });
    const list = h("div.model-list", { role: "listbox", "aria-label": t("model.label") });
    const fill = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = this.models.filter(({ id, name }) => words.every((word) => `${id} ${name}`.toLowerCase().includes(word)));
      list.replaceChildren(...found.slice(0, 100).map((model) => this.#option(model)));
      if (!found.length) list.replaceChildren(h("p.empty", {}, t("model.none")));
    };
    search.addEventListener("input", fill);
    this.panel = h("div.model-panel", { role: "dialog", "aria-label": t("model.label") }, ...(this.models.length > 6 ? [search] : []), list);
    this.panel.addEventListener("keydown", (event) => this.#key(event, list, search));
    fill();
    this.root.append(this.panel);
    this.button.setAttribute("aria-expanded", "true");
    this.outside = (event) => !this.root.contains(event.target) && this.#close(false);
    addEventListener("pointerdown", this.outside, true);
    (search.isConnected ? search : list.querySelector("[aria-selected=true]") ?? list.firstElementChild)?.focus();
  }

  #option(model) {
    const facts = [];
    if (model.context_length) facts.push(t("model.context", { count: compact(model.context_length) }));
    if (model.prompt_price !== null && model.completion_price !== null)
      facts.push(
        Number(model.prompt_price) + Number(model.completion_price) === 0
          ? t("model.free")
          : t("model.price", { prompt: money(model.prompt_price), completion: money(model.completion_price) }),
      );
    const selected = model.id === (this.wanted ?? this.preset);
    return h(
      "button.model",
      { type: "button", role: "option", "aria-selected": String(selected), onclick: () => this.#choose(model.id) },
      h("span.name", {}, plain(model.name)),
      h("span.id", {}, plain(model.id)),
      h("span.facts", {}, facts.join(" · ")),
    );
  }

  #key(event, list, search) {
    const all = [...list.querySelectorAll("button")];
    const here = all.indexOf(document.activeElement);
    if (event.key === "Escape") this.#close();
    else if (event.key === "ArrowDown") all[Math.min(here + 1, all.length - 1)]?.focus();
    else if (event.key === "ArrowUp") (here > 0 ? all[here - 1] : search.isConnected ? search : all[0])?.focus();
    else if (event.key === "Enter" && document.activeElement === search) all[0]?.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #choose(id) {
    localStorage.setItem(STORED, id);
    this.#close();
    this.show(id);
    this.chosen(id);
  }

  #close(back = true) {
    removeEventListener("pointerdown", this.outside, true);
    this.panel?.remove();
    this.panel = null;
    this.button.setAttribute("aria-expanded", "false");
    if (back) this.button.focus();
  }
}
