// Looks and language: kept in this browser.

import { openDialog } from "./dialogs.js";
import { field, h } from "./dom.js";
import { chooseLanguage, language, languages, t } from "./i18n.js";

const select = (label, options, value, onchange) => {
  const shown = options.map(([id, name]) => h("option", { value: id, selected: id === value }, name));
  return field(label, h("select", { onchange: ({ target }) => onchange(target.value) }, ...shown));
};

/** Lets the person choose how the page looks, and its language. */
export function openPreferences() {
  const looks = ["system", "light", "dark"].map((look) => [look, t(`look.${look}`)]);
  const choose = (look) => {
    localStorage.setItem("chat.look", look);
    globalThis.applyLook();
  };
  const names = languages().map((tag) => [tag, new Intl.DisplayNames(tag, { type: "language" }).of(tag)]);
  const close = h("button.primary", { type: "button", onclick: () => dialog.close() }, t("action.close"));
  const { dialog } = openDialog(
    t("page.preferences"),
    select(t("look.label"), looks, localStorage.getItem("chat.look") ?? "system", choose),
    select(t("language.label"), names, language, chooseLanguage),
    h("div.buttons", {}, close),
  );
}
