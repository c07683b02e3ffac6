// The service's API: who asks is in a cookie, and what changes something carries the token that other sites cannot know.

export const base = new URL("../", import.meta.url);

let csrfToken = null;
let signedOut = () => {};

/** An error that the service told, or `offline` if it could not be reached. */
export class ApiError extends Error {
  constructor(status, { code, message, details = {}, retry_after = null }) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
    this.retryAfter = retry_after;
  }
}

/** Calls a function whenever the service does not know any more who asks. */
export function onSignedOut(call) {
  signedOut = call;
}

async function send(method, path, { body, headers = {}, key } = {}) {
  const sent = { Accept: "application/json", ...headers };
  if (body !== undefined && !(body instanceof FormData)) {
    sent["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  if (csrfToken !== null) sent["X-CSRF-Token"] = csrfToken;
  if (key) sent["Idempotency-Key"] = key;
  try {
    return await fetch(new URL(path, base), { method, body, headers: sent, credentials: "same-origin" });
  } catch {
    throw new ApiError(0, { code: "offline", message: "" });
  }
}

async function failure(response) {
  const told = await response.json().catch(() => null);
  return new ApiError(response.status, told?.error ?? { code: "unknown", message: response.statusText });
}

/** Sends a request and returns its JSON; null if there is none. */
export async function request(method, path, options) {
  let response = await send(method, path, options);
  if (response.status === 403 && method !== "GET") {
    // Another tab may have signed in anew, and with it came another token.
    const before = csrfToken;
    await readSession();
    if (csrfToken !== before) response = await send(method, path, options);
  }
  if (response.status === 401) signedOut();
  if (!response.ok) throw await failure(response);
  return response.status === 204 ? null : response.json();
}

export const get = (path) => request("GET", path);
export const post = (path, body, options) => request("POST", path, { body: body ?? {}, ...options });

/** The bytes of an attachment. */
export async function bytes(path) {
  const response = await send("GET", path);
  if (!response.ok) throw await failure(response);
  return response.blob();
}

async function readSession() {
  const response = await send("GET", "session");
  if (!response.ok) throw await failure(response);
  const session = await response.json();
  csrfToken = session.csrf_token;
  return session;
}

/** Returns who asks, and makes sure that a cookie says so; throws an error with status 401 if nobody knows. */
export async function openSession() {
  const session = await readSession();
  return session.csrf_token === null ? signIn() : session;
}

/** Exchanges what authenticates this request, such as a token, for a cookie. */
export async function signIn(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await send("POST", "session", { headers });
  if (!response.ok) throw await failure(response);
  const session = await response.json();
  csrfToken = session.csrf_token;
  return session;
}

export async function signOut() {
  await send("DELETE", "session");
  csrfToken = null;
}
