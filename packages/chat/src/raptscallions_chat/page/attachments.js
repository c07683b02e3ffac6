// Files of a message: chosen, dropped or pasted, stored at once, and shown with what was said.

import { bytes, request } from "./api.js";
import { h, icon, iconButton, plain, withoutBidi } from "./dom.js";
import { number, t } from "./i18n.js";
import { explain } from "./errors.js";

/** A file in a message that was sent. */
export function attachmentView(part) {
  const name = part.name ?? part.file?.filename ?? part.type;
  if (part.type === "image_url") {
    const url = part.image_url?.url ?? "";
    if (url.startsWith("data:image/")) return h("img.thumbnail", { src: url, alt: "" });
  }
  if (part.type !== "attachment") return h("span.attachment", {}, icon("file"), h("span", {}, plain(String(name))));
  const button = h(
    "button.attachment",
    { type: "button", title: t("attachment.save"), onclick: () => save(part) },
    icon("file"),
    h("span", {}, plain(String(part.name ?? t("attachment.file")))),
  );
  if (String(part.media_type).startsWith("image/")) showPicture(part, button);
  return button;
}

async function showPicture(part, button) {
  const blob = await bytes(`attachments/${encodeURIComponent(part.id)}`).catch(() => null);
  if (blob === null) return;
  const alt = t("attachment.picture", { name: withoutBidi(String(part.name)) });
  const image = h("img.thumbnail", { src: URL.createObjectURL(blob), alt });
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
  button.classList.add("with-picture");
  button.replaceChildren(image);
}

async function save(part) {
  const blob = await bytes(`attachments/${encodeURIComponent(part.id)}`);
  saveBlob(blob, part.name ?? "file");
}

/** Lets the browser save something under a name. */
export function saveBlob(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: withoutBidi(name) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The files that wait to be sent. */
export class Attachments {
  constructor(changed) {
    this.root = h("ul.waiting-files", { "aria-label": t("attachment.list"), hidden: true });
    this.files = [];
    this.changed = changed;
  }

  get isReady() {
    return this.files.every((file) => file.stored);
  }

  get parts() {
    return this.files.map(({ stored }) => ({ type: "attachment", id: stored.id, name: stored.name, media_type: stored.media_type }));
  }

  add(files) {
    for (const file of files) this.#store({ file, name: file.name || t("attachment.pasted") });
  }

  /** Takes up those of a draft. */
  restore(stored) {
    this.files = stored.map((each) => ({ name: each.name, stored: each }));
    this.#render();
  }

  clear() {
    this.files = [];
    this.#show();
  }

  async #store(item) {
    this.files.push(item);
    this.#show();
    try {
      const body = new FormData();
      body.append("file", item.file, item.name);
      item.stored = await request("POST", "attachments", { body });
    } catch (error) {
      item.problem = explain(error);
    }
    this.#show();
  }

  #show() {
    this.#render();
    this.changed();
  }

  #render() {
    this.root.hidden = !this.files.length;
    this.root.replaceChildren(...this.files.map((item) => this.#item(item)));
  }

  #item(item) {
    const remove = iconButton("close", t("attachment.remove", { name: withoutBidi(item.name) }), () => {
      this.files = this.files.filter((each) => each !== item);
      this.#show();
    });
    const size = item.file ? t("attachment.size", { size: number(Math.ceil(item.file.size / 1024)) }) : "";
    const state = item.problem ?? (item.stored ? size : t("attachment.sending"));
    return h(`li${item.problem ? ".problem" : ""}`, {}, icon("file"), h("span.name", {}, plain(item.name)), h("span.state", {}, state), remove);
  }
}
