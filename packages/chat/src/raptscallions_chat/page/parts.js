// The parts of an answer on the screen: text, reasoning, calls of tools, pictures, sources.

import { h, icon, plain, withoutBidi } from "./dom.js";
import { StreamingMarkdown } from "./markdown.js";
import { t } from "./i18n.js";

/** Shows parts, and changes only what has changed. `decide(call, approve)` is called for a call that waits. */
export class Parts {
  constructor(decide) {
    this.root = h("div.parts");
    this.decide = decide;
    this.views = [];
    this.sources = null;
  }

  show(parts, growing) {
    const shown = parts.filter((part) => part.type in VIEWS);
    shown.forEach((part, index) => {
      if (this.views[index]?.type !== part.type) {
        for (const view of this.views.splice(index)) view.root.remove();
        const view = new VIEWS[part.type](this);
        view.type = part.type;
        this.views.push(view);
        this.root.insertBefore(view.root, this.sources);
      }
      this.views[index].show(part, growing && index === shown.length - 1);
    });
    for (const view of this.views.splice(shown.length)) view.root.remove();
    this.#showSources(parts.filter((part) => part.type === "annotation"));
  }

  #showSources(annotations) {
    const links = new Map();
    for (const { annotation } of annotations) {
      const { url, title } = annotation?.url_citation ?? annotation ?? {};
      if (typeof url === "string" && URL.canParse(url) && /^https?:/i.test(url)) links.set(url, title);
    }
    this.sources?.remove();
    this.sources = null;
    if (!links.size) return;
    const items = [...links].map(([url, title]) => {
      const { href, host } = new URL(url);
      const name = typeof title === "string" && title ? plain(title) : host;
      const link = h("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, name, h("span.host", {}, host));
      return h("li", {}, link);
    });
    this.sources = h("aside.sources", { "aria-label": t("message.sources") }, h("h3", {}, t("message.sources")), h("ol", {}, ...items));
    this.root.append(this.sources);
  }
}

class TextView {
  constructor() {
    this.root = h("div.markdown", { dir: "auto" });
    this.markdown = new StreamingMarkdown(this.root);
  }

  show({ text }, growing) {
    if (growing) this.markdown.update(text);
    else if (this.finished !== text) {
      this.markdown.finish(text);
      this.finished = text;
      highlightLater(this.root);
    }
  }
}

async function highlightLater(root) {
  const blocks = [...root.querySelectorAll("code.code:not(.highlighted)")];
  if (!blocks.length) return;
  const { highlight } = await import("./highlight.js");
  await Promise.all(blocks.map(highlight));
}

class ReasoningView {
  constructor() {
    this.label = h("span");
    this.text = h("div.reasoning-text", { dir: "auto" });
    this.root = h("details.fold.reasoning", {}, h("summary", {}, icon("thought"), this.label), this.text);
    this.shown = "";
  }

  show({ text }, growing) {
    this.label.textContent = t(growing ? "message.thinking" : "message.thought");
    this.root.classList.toggle("growing", growing);
    if (text === this.shown) return;
    if (text.startsWith(this.shown)) this.text.append(plain(text.slice(this.shown.length)));
    else this.text.replaceChildren(plain(text));
    this.shown = text;
  }
}

function readable(json) {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

class ToolCallView {
  constructor(parts) {
    this.decide = parts.decide;
    this.name = h("span.tool-name");
    this.state = h("span.tool-state");
    this.body = h("div.tool-body");
    this.root = h("details.fold.tool", {}, h("summary", {}, icon("tool"), this.name, this.state), this.body);
    this.shown = "";
  }

  show(call, growing) {
    const state =
      "error" in call ? "failed" : "result" in call ? "done" : call.waiting ? "waiting" : growing ? "running" : "open";
    const now = JSON.stringify([call, state]);
    if (now === this.shown) return;
    this.shown = now;
    this.root.dataset.state = state;
    this.name.replaceChildren(plain(call.name || t("tool.unnamed")));
    this.state.textContent = t(`tool.${state}`);
    this.body.replaceChildren(...this.#body(call, state));
    if (state === "waiting") this.root.open = true;
  }

  #body(call, state) {
    const pre = (label, text) => [h("h4", {}, label), h("pre", { tabIndex: 0, "aria-label": label }, plain(text))];
    const body = pre(t("tool.arguments"), readable(call.arguments || "{}"));
    if ("result" in call) body.push(...pre(t("tool.result"), readable(String(call.result))));
    if ("error" in call) body.push(...pre(t("tool.error"), String(call.error)));
    if (state === "waiting") {
      const answer = (approve) => () => this.decide(call, approve);
      body.push(
        h("p", {}, t("tool.asks", { name: withoutBidi(call.name) })),
        h(
          "div.buttons",
          {},
          h("button.primary", { type: "button", onclick: answer(true) }, t("tool.allow")),
          h("button", { type: "button", onclick: answer(false) }, t("tool.deny")),
        ),
      );
    }
    return body;
  }
}

class ImageView {
  constructor() {
    this.root = h("figure.picture");
  }

  show({ image }) {
    const url = image?.image_url?.url ?? image?.image_url;
    if (url === this.url) return;
    this.url = url;
    const known = typeof url === "string" && /^data:image\/(png|jpeg|gif|webp);base64,/i.test(url);
    this.root.replaceChildren(
      known ? h("img", { src: url, alt: t("message.made_picture") }) : h("p", {}, t("message.picture_elsewhere")),
    );
  }
}

const VIEWS = { text: TextView, reasoning: ReasoningView, tool_call: ToolCallView, image: ImageView };
