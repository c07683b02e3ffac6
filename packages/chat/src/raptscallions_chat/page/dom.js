// Elements without a framework. Nothing here makes HTML of text.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  chat: "M5 19V9a3 3 0 0 1 3-3h8a3 3 0 0 1 3 3v4a3 3 0 0 1-3 3H8z",
  plus: "M12 5v14M5 12h14",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M20 20l-4-4",
  menu: "M4 7h16M4 12h16M4 17h10",
  more: "M4.6 12h.8M11.6 12h.8M18.6 12h.8",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  copy: "M9 9h10v10H9zM5 15V5h10",
  check: "M5 13l4 4L19 7",
  pencil: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  download: "M12 4v11M7 10l5 5 5-5M5 20h14",
  retry: "M4 12a8 8 0 1 1 2.5 5.8M4 20v-5h5",
  forward: "M5 5l8 7-8 7zM17 5v14",
  clip: "M19 11l-7.5 7.5a4.5 4.5 0 0 1-6.4-6.4L13 4.3a3 3 0 0 1 4.2 4.2l-7.7 7.7a1.5 1.5 0 0 1-2.1-2.1L14.5 7",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  down: "M5 9l7 7 7-7",
  close: "M6 6l12 12M18 6L6 18",
  tool: "M14 6a4 4 0 0 0 5 5l-9 9-4-4 9-9M14 6l3-2",
  thought: "M9 18h6M10 21h4M12 3a6 6 0 0 0-3.5 10.9c.9.7 1.5 1.1 1.5 2.1h4c0-1 .6-1.4 1.5-2.1A6 6 0 0 0 12 3",
  gear: "M4 7h9M19 7h1M4 17h1M11 17h9M16 4.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5M8 14.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5",
  chart: "M4 20h16M7 16v-5M12 16V6M17 16v-8",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  warning: "M12 4l9 16H3zM12 10v4M12 17h.01",
  offline: "M3 3l18 18M8.5 15.5a5 5 0 0 1 5-1.2M5 12a10 10 0 0 1 4-2.4M19 12a10 10 0 0 0-5-2.8M12 19h.01",
  door: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
};

/** An element: `h("button.primary", {type: "button", onclick}, "Send")`. Texts become text nodes. */
export function h(name, properties, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties ?? {})) set(element, key, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function set(element, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
  else if (key in element && !key.includes("-")) element[key] = value;
  else element.setAttribute(key, value === true ? "" : value);
}

/** A shape of the given kind with these attributes. */
export function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** One of the icons, which says nothing to a screen reader. */
export function icon(name) {
  const path = svg("path", { d: ICONS[name] });
  return svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, path);
}

/** A button that shows an icon; its label is for screen readers and for the pointer that rests on it. */
export function iconButton(name, label, onclick, more = {}) {
  const { className, ...rest } = more;
  const classes = className ? `.${className}` : "";
  return h(`button.icon-button${classes}`, { type: "button", title: label, "aria-label": label, onclick, ...rest }, icon(name));
}

let fields = 0;

/** An input with its label, and a hint if there is one. */
export function field(label, input, hint) {
  input.id ||= `field-${(fields += 1)}`;
  if (hint) input.setAttribute("aria-describedby", `${input.id}-hint`);
  const told = hint ? h("span.hint", { id: `${input.id}-hint` }, hint) : null;
  return h("div.field", {}, h("label", { htmlFor: input.id }, label), input, told);
}

const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Text of strangers: characters that turn the direction of what follows are shown instead of obeyed. */
export function plain(text) {
  const fragment = document.createDocumentFragment();
  let done = 0;
  for (const found of text.matchAll(BIDI)) {
    if (found.index > done) fragment.append(text.slice(done, found.index));
    fragment.append(bidiMark(found[0]));
    done = found.index + 1;
  }
  if (done < text.length) fragment.append(text.slice(done));
  return fragment;
}

/** Shows the same characters in everything below a node. */
export function showBidi(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) if (walker.currentNode.data.search(BIDI) >= 0) found.push(walker.currentNode);
  for (const node of found) node.replaceWith(plain(node.data));
}

function bidiMark(character) {
  const code = `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  return h("span.bidi", { title: code }, code);
}

/** Text with those characters left out, for titles and labels, which cannot hold elements. */
export const withoutBidi = (text) => text.replace(BIDI, "");

/** Moves the focus to the first of these that can have it. */
export function focusOn(...elements) {
  elements.find((element) => element?.isConnected && !element.disabled)?.focus();
}
