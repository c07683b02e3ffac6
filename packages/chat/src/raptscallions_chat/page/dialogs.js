// Questions and menus. `dialog` elements keep the focus inside and give it back.

import { focusOn, h } from "./dom.js";
import { t } from "./i18n.js";

/** Opens a dialog with a title; returns it and a promise of the value that it is closed with. */
export function openDialog(title, ...content) {
  const dialog = h("dialog", { "aria-label": title }, h("h2", {}, title), ...content);
  document.body.append(dialog);
  const closed = new Promise((done) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      done(dialog.returnValue);
    });
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close(""));
  dialog.showModal();
  return { dialog, closed };
}

const buttons = (yes, kind) =>
  h(
    "div.buttons",
    {},
    h("button", { type: "button", onclick: ({ target }) => target.closest("dialog").close("") }, t("action.cancel")),
    h(`button.${kind}`, { type: "submit" }, yes),
  );

function form(submit, ...content) {
  return h(
    "form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        submit(event.target.closest("dialog"));
      },
    },
    ...content,
  );
}

/** Asks for a yes; `yes` is the button's label. */
export async function confirm(title, text, yes) {
  const { closed } = openDialog(title, form((dialog) => dialog.close("yes"), h("p", {}, text), buttons(yes, "danger")));
  return (await closed) === "yes";
}

/** Asks for a text; null if there is none. */
export async function ask(title, label, value = "", yes = t("action.save"), type = "text") {
  const box = h("input", { type, value, "aria-label": label, autocomplete: "off", maxLength: type === "password" ? 4000 : 200 });
  const { closed } = openDialog(title, form((dialog) => dialog.close("yes"), box, buttons(yes, "primary")));
  box.select();
  return (await closed) === "yes" ? box.value.trim() : null;
}

/** Opens a menu below a button: items are {label, icon, act, danger}. */
export function openMenu(anchor, items) {
  const menu = h("div.menu", { role: "menu", "aria-label": anchor.getAttribute("aria-label") });
  const close = (back = true) => {
    removeEventListener("pointerdown", outside, true);
    removeEventListener("resize", close);
    menu.remove();
    anchor.setAttribute("aria-expanded", "false");
    // A list may have been drawn anew meanwhile, with another button in this one's place.
    const { key } = anchor.dataset;
    if (back) focusOn(anchor, key && document.querySelector(`[data-key="${CSS.escape(key)}"]`));
  };
  const outside = (event) => !menu.contains(event.target) && close(false);
  menu.append(
    ...items.map(({ label, icon, act, danger, checked }) =>
      h(
        `button${danger ? ".danger" : ""}`,
        {
          type: "button",
          role: checked === undefined ? "menuitem" : "menuitemradio",
          "aria-checked": checked === undefined ? null : String(checked),
          onclick: () => {
            close();
            act();
          },
        },
        icon,
        h("span", {}, label),
      ),
    ),
  );
  menu.addEventListener("keydown", (event) => {
    const all = [...menu.children];
    const here = all.indexOf(document.activeElement);
    const steps = { ArrowDown: here + 1, ArrowUp: here - 1 + all.length, Home: 0, End: all.length - 1 };
    if (event.key === "Escape" || event.key === "Tab") close();
    else if (event.key in steps) all[steps[event.key] % all.length].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const { bottom, left, right, top } = anchor.getBoundingClientRect();
  document.body.append(menu);
  const { width, height } = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8, Math.max(right - width, left)))}px`;
  menu.style.top = `${bottom + height + 8 > innerHeight ? Math.max(8, top - height - 4) : bottom + 4}px`;
  anchor.setAttribute("aria-expanded", "true");
  addEventListener("pointerdown", outside, true);
  addEventListener("resize", close);
  menu.firstElementChild?.focus();
}
