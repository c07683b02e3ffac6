// Colours of code; loaded with the first block of code, and each language with its first block.

import { tokenizeWith } from "./vendor/tokenize.js";
import { showBidi, h } from "./dom.js";

const FILES = "bash c css diff docker go html java js json lua py rs sql toml ts xml yaml".split(" ");
const OTHER_NAMES = {
  console: "bash", sh: "bash", shell: "bash", zsh: "bash", cpp: "c", "c++": "c", h: "c", csharp: "c", cs: "c",
  dockerfile: "docker", golang: "go", htm: "html", svg: "xml", javascript: "js", jsx: "js", mjs: "js", kotlin: "java",
  python: "py", python3: "py", rust: "rs", postgresql: "sql", sqlite: "sql", tsx: "ts", typescript: "ts", yml: "yaml",
  patch: "diff", jsonc: "json", json5: "json",
}; // prettier-ignore
const LONGEST = 20_000;
const rules = new Map();

async function load(name) {
  if (!rules.has(name)) {
    rules.set(name, null);
    const module = await import(`./vendor/languages/${name}.js`);
    // Rules name others that they contain.
    const others = JSON.stringify(module.default, (key, value) => (value instanceof RegExp ? undefined : value));
    for (const [, other] of others.matchAll(/"(?:sub)":"(\w+)"/g)) await load(other).catch(() => {});
    rules.set(name, module.default);
  }
  return rules.get(name);
}

/** Colours one block of code, if its language is known. */
export async function highlight(code) {
  code.classList.add("highlighted");
  const named = code.className.match(/language-(\S+)/)?.[1].toLowerCase() ?? "";
  const name = OTHER_NAMES[named] ?? named;
  const text = code.textContent;
  if (!FILES.includes(name) || text.length > LONGEST) return;
  const rule = await load(name);
  if (!rule || !code.isConnected) return;
  const fragment = document.createDocumentFragment();
  const take = (piece, kind) => {
    if (piece) fragment.append(kind ? h(`span.code-${kind}`, {}, piece) : piece);
  };
  tokenizeWith(text, rule, take, { languages: Object.fromEntries(rules) });
  showBidi(fragment);
  code.replaceChildren(fragment);
}
