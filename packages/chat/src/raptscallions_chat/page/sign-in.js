// Signing in with an access token, where the service does not know by itself who asks.

import { signIn } from "./api.js";
import { h } from "./dom.js";
import { explain } from "./errors.js";
import { t } from "./i18n.js";

/** Shows the form until somebody is signed in; returns who. */
export function askToSignIn(root) {
  return new Promise((done) => {
    const box = h("input", { type: "password", autocomplete: "current-password", required: true, "aria-label": t("sign_in.token") });
    const problem = h("p.problem", { role: "alert", hidden: true });
    const submit = async (event) => {
      event.preventDefault();
      try {
        done(await signIn(box.value.trim()));
      } catch (error) {
        problem.textContent = error.status === 401 ? t("sign_in.wrong") : explain(error);
        problem.hidden = false;
        box.select();
      }
    };
    root.replaceChildren(
      h(
        "main.sign-in",
        {},
        h("form", { onsubmit: submit }, h("h1", {}, t("sign_in.title")), h("p", {}, t("sign_in.text")), box, problem, h("button.primary", { type: "submit" }, t("sign_in.submit"))),
      ),
    );
    box.focus();
  });
}
