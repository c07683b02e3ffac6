// The tab's side of the event streams: see hub.js.

const followers = new Map();
const hooks = { user: () => {}, online: () => {} };
let port = null;

/** Opens the way to the streams. `user` gets what happens to the user's conversations, `online` whether it is heard. */
export async function openStreams(user, online) {
  hooks.user = user;
  hooks.online = online;
  port = await connect();
  port.onmessage = ({ data }) => {
    if (data.user) hooks.user(data.user);
    else if (data.run) followers.get(data.run)?.(data.event, data.id);
    else if ("online" in data) hooks.online(data.online);
  };
  addEventListener("offline", () => hooks.online(false));
  addEventListener("online", () => {
    hooks.online(true);
    port.postMessage({ wake: true });
  });
  addEventListener("pagehide", () => port.postMessage({ bye: true }));
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    port.postMessage({ wake: true });
    for (const run of followers.keys()) port.postMessage({ front: run });
  });
}

async function connect() {
  if (typeof SharedWorker !== "undefined") {
    // The one script that the page's policy lets through.
    const script = new URL("hub.js", import.meta.url).href;
    const policy = globalThis.trustedTypes?.createPolicy("worker", { createScriptURL: () => script });
    return new SharedWorker(policy?.createScriptURL("") ?? script, { type: "module", name: "chat-streams" }).port;
  }
  const { serve } = await import("./hub.js");
  const channel = new MessageChannel();
  serve(channel.port1);
  return channel.port2;
}

/** Calls `take(event, id)` with the events of a run, from its beginning or from after an event; returns how to leave. */
export function follow(run, take, after = null) {
  followers.set(run, take);
  port.postMessage({ follow: run, after });
  return () => {
    if (followers.get(run) !== take) return;
    followers.delete(run);
    port.postMessage({ leave: run });
  };
}
