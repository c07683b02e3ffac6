// What went wrong, in plain words of the person's language, and what to do.

import { t } from "./i18n.js";

const KNOWN = new Set(
  ("offline unauthenticated forbidden not_found run_active stale_parent conversation_completed message_too_large " +
    "attachment_too_large unsupported_media_type ai_not_configured budget_exceeded rate_limited queue_full " +
    "too_many_runs draining overloaded queue_timeout store_unavailable internal_error").split(" "),
);

/** The sentence for an error of the API. */
export function explain(error) {
  const wait = error.retryAfter ? Math.ceil(error.retryAfter) : null;
  if (KNOWN.has(error.code)) {
    const told = t(`error.${error.code}`);
    return wait ? `${told} ${t("error.wait", { count: wait })}` : told;
  }
  return error.message || t("error.unknown");
}
