// Markdown of a model, as elements. What a model writes is hostile: `marked` makes HTML in which nothing of it is HTML,
// `DOMPurify` lets through a short list of elements, and the page's policy allows no script and no other origin.

import { Marked } from "./vendor/marked.js";
import "./vendor/purify.js";
import { h, icon, iconButton, plain, showBidi } from "./dom.js";
import { t } from "./i18n.js";

const purify = globalThis.DOMPurify;

const ALLOWED = {
  ALLOWED_TAGS:
    "a b blockquote br code del em h3 h4 h5 h6 hr img li ol p pre span strong table tbody td th thead tr ul".split(" "),
  ALLOWED_ATTR: ["align", "alt", "class", "href", "rel", "src", "start", "target"],
  ADD_URI_SAFE_ATTR: ["align", "rel", "start", "target"], // no addresses
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|data:image\/(?:png|jpeg|gif|webp);base64,)/i,
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (text) => text.replace(/[&<>"']/g, (character) => ENTITIES[character]);

/** The address if it is one that may be followed; null for scripts, files and whatever else there is. */
function address(href) {
  try {
    const url = new URL(href);
    return ["https:", "http:", "mailto:"].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

function link(href, inner, text) {
  const url = address(href);
  if (url === null) return inner;
  const host = url.protocol === "mailto:" ? url.pathname : url.host;
  const shown = text.trim().replace(/^(https?:\/\/|mailto:)/i, "");
  // Where it leads is said, unless the text itself says so and nothing else.
  const isPlain = shown === host || shown.startsWith(`${host}/`) || shown.startsWith(`${host}?`);
  const where = isPlain ? "" : `<span class="host">${escape(host)}</span>`;
  return `<a href="${escape(url.href)}" target="_blank" rel="noopener noreferrer nofollow">${inner}${where}</a>`;
}

const renderer = {
  html({ text, block }) {
    if (/^<br\s*\/?>$/i.test(text.trim())) return "<br>";
    return block ? `<p>${escape(text)}</p>` : escape(text);
  },
  heading({ tokens, depth }) {
    const level = Math.min(6, depth + 2);
    return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
  },
  code({ text, lang }) {
    const language = (lang ?? "").match(/^[\w+#-]*/)[0];
    return `<pre><code class="language-${escape(language)}">${escape(text)}\n</code></pre>`;
  },
  link({ href, tokens, text }) {
    return link(href, this.parser.parseInline(tokens), text);
  },
  image({ href, text }) {
    if (ALLOWED.ALLOWED_URI_REGEXP.test(href) && href.startsWith("data:"))
      return `<img src="${escape(href)}" alt="${escape(text)}">`;
    // A picture elsewhere is not fetched: its address could tell somebody what was said.
    return link(href, escape(t("message.picture", { name: text })), "");
  },
  checkbox({ checked }) {
    return `<span class="check">${checked ? "☑" : "☐"}</span> `;
  },
};

// Formulas stay as they were written, so that no underscore in them becomes emphasis.
const FORMULA = /^(?:\$\$[^$]+?\$\$|\\\([^]+?\\\)|\\\[[^]+?\\\]|\$(?![\s\d])[^$\n]*?[^$\s\\]\$(?!\d))/;
const formula = {
  name: "formula",
  level: "inline",
  start: (source) => source.match(/\$|\\[([]/)?.index,
  tokenizer(source) {
    const found = FORMULA.exec(source);
    return found ? { type: "formula", raw: found[0] } : undefined;
  },
  renderer: ({ raw }) => `<span class="formula">${escape(raw)}</span>`,
};

const marked = new Marked({ gfm: true, renderer, extensions: [formula] });

const unified = (source) => source.replace(/\r\n?/g, "\n");

function elements(tokens) {
  const fragment = purify.sanitize(marked.parser(tokens), ALLOWED);
  showBidi(fragment);
  for (const pre of fragment.querySelectorAll("pre")) pre.replaceWith(codeBlock(pre.firstElementChild));
  for (const table of fragment.querySelectorAll("table")) {
    const around = h("div.table", { tabIndex: 0, role: "region", "aria-label": t("message.table") });
    table.replaceWith(around);
    around.append(table);
  }
  return fragment;
}

/** A whole text as elements. */
export function markdown(source) {
  return elements(marked.lexer(unified(source)));
}

function codeBlock(code) {
  const language = code.className.slice("language-".length);
  code.classList.add("code");
  const button = iconButton("copy", t("message.copy_code"), () => copy(button, code.textContent.replace(/\n$/, "")));
  const head = h("div.code-head", {}, h("span", {}, language || t("message.code")), button);
  return h("div.code-block", {}, head, h("pre", { tabIndex: 0, "aria-label": t("message.code") }, code));
}

/** Copies a text, and says so in the place of the button's label. */
export async function copy(button, text) {
  await navigator.clipboard.writeText(text);
  const label = button.getAttribute("aria-label");
  const shown = button.firstElementChild;
  button.replaceChildren(icon("check"));
  button.setAttribute("aria-label", t("message.copied"));
  setTimeout(() => {
    button.replaceChildren(shown);
    button.setAttribute("aria-label", label);
  }, 1500);
}

const FENCE = /^ {0,3}(`{3,}(?=[^`\n]*\n)|~{3,})([^\n]*)\n/;
const REFERENCE = /^ {0,3}\[[^\]\n]+\]:\s*\S/m;

/**
 * Shows a text that grows: blocks that are over are made once, and only the open one is parsed again.
 *
 * A block is over when a later line has begun another one; lines that are not whole yet decide nothing, because
 * "2" may still become the second item of a list.
 */
export class StreamingMarkdown {
  constructor(root) {
    this.root = root;
    this.source = "";
    this.#restart();
  }

  #restart() {
    this.over = 0; // how much of the source is in blocks that are over
    this.open = []; // the nodes of the block that is open
    this.fence = null;
    this.lines = 0; // how much of the source was looked at for blocks that are over
    this.root.replaceChildren();
  }

  /** Shows the text so far, of which the earlier ones are usually the beginning. */
  update(text) {
    const source = unified(text);
    if (source === this.source) return;
    if (!source.startsWith(this.source)) this.#restart();
    this.source = source;
    if (this.fence !== null) {
      if (this.#growCode()) return;
      this.fence = null;
      this.lines = 0;
    }
    this.#close();
    this.#showOpen();
  }

  /** Shows the whole text, in which nothing grows any more. */
  finish(text) {
    this.update(text);
    // What a reference names may stand after it, in a block that came later.
    if (this.fence === null && !REFERENCE.test(this.source)) return;
    this.#restart();
    this.root.append(markdown(this.source));
  }

  #close() {
    const end = this.source.lastIndexOf("\n") + 1;
    if (end <= this.lines || end <= this.over) return;
    this.lines = end;
    const tokens = marked.lexer(this.source.slice(this.over, end));
    let last = tokens.length - 1;
    while (last > 0 && tokens[last].type === "space") last -= 1;
    if (last < 1) return;
    const over = tokens.slice(0, last);
    over.links = tokens.links;
    this.#remove();
    this.root.append(elements(over));
    this.over += over.reduce((size, token) => size + token.raw.length, 0);
  }

  #showOpen() {
    const tail = this.source.slice(this.over).replace(/^\n+/, "");
    const fence = FENCE.exec(tail);
    this.#remove();
    if (fence !== null) {
      const start = this.source.length - tail.length + fence[0].length;
      const end = new RegExp(`^ {0,3}${fence[1][0]}{${fence[1].length},}[ \\t]*$`, "m");
      if (!end.test(this.source.slice(start))) {
        const language = fence[2].trim().match(/^[\w+#-]*/)[0];
        const code = h("code", { className: `language-${language}` });
        this.fence = { code, end, shown: start, line: start };
        this.open = [codeBlock(code)];
        this.root.append(...this.open);
        this.#growCode();
        return;
      }
    }
    const fragment = elements(marked.lexer(tail));
    this.open = [...fragment.childNodes];
    this.root.append(fragment);
  }

  /** Appends what has come to an open block of code; false if the block is over. */
  #growCode() {
    const { code, end, line, shown } = this.fence;
    if (end.test(this.source.slice(line))) return false;
    code.append(plain(this.source.slice(shown)));
    this.fence.shown = this.source.length;
    this.fence.line = Math.max(line, this.source.lastIndexOf("\n") + 1);
    return true;
  }

  #remove() {
    for (const node of this.open) node.remove();
    this.open = [];
  }
}
