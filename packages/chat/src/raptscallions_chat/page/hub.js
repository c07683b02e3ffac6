// All event streams of a browser, in one place: a SharedWorker that every tab talks to, so that many tabs need no more
// connections than one. Where there is no SharedWorker, each page runs this by itself.

import { events } from "./sse.js";

const ENDS = new Set(["completed", "stopped", "failed", "interrupted", "gone"]);
// A browser opens six connections to a host: one is for what happens to the user, one stays free for requests.
const MOST_RUNS = 4;
const base = new URL("../", import.meta.url);
const ports = new Set();
const runs = new Map();
let user = null;

/**
 * Serves one tab. It sends {follow: run, after}, {front: run} once the person looks at it, {leave: run}, {wake: true} and
 * {bye: true}; it gets {run, id, event}, {user: event} and {online}.
 */
export function serve(port) {
  const tab = { port, runs: new Set() };
  ports.add(tab);
  port.onmessage = ({ data }) => {
    if (data.follow) follow(tab, data.follow, data.after);
    else if (data.front) front(data.front);
    else if (data.leave) leave(tab, data.leave);
    else if (data.wake) wake();
    else if (data.bye) {
      for (const id of tab.runs) leave(tab, id);
      ports.delete(tab);
      if (!ports.size) user?.stop();
    }
  };
  user ??= new Stream("events", (item) => {
    for (const each of ports) each.port.postMessage({ user: item.event });
  });
  user.start();
  port.postMessage({ online: user.online });
  // It was ready before this tab came.
  if (user.heard) port.postMessage({ user: { type: "ready" } });
}

function follow(tab, id, after) {
  let run = runs.get(id);
  if (!run) {
    run = { tabs: new Set(), items: [], stream: null };
    runs.set(id, run);
    run.stream = new Stream(`runs/${id}/events`, (item) => {
      run.items.push(item);
      for (const each of run.tabs) each.port.postMessage({ run: id, ...item });
      if (ENDS.has(item.event.type)) end(id);
    });
  }
  run.tabs.add(tab);
  tab.runs.add(id);
  // What other tabs have seen already.
  const seen = run.items.findIndex((item) => item.id === after) + 1;
  for (const item of run.items.slice(seen)) tab.port.postMessage({ run: id, ...item });
  front(id);
}

/** Lets the runs that were looked at last have the connections; the others go on where they were once one is free. */
function front(id) {
  const run = runs.get(id);
  if (run) {
    runs.delete(id);
    runs.set(id, run);
  }
  const latest = [...runs.values()].reverse();
  for (const each of latest.slice(MOST_RUNS)) each.stream.stop();
  for (const each of latest.slice(0, MOST_RUNS)) each.stream.start();
}

function end(id) {
  runs.get(id)?.stream.stop();
  runs.delete(id);
  front(null);
}

function leave(tab, id) {
  tab.runs.delete(id);
  const run = runs.get(id);
  if (!run) return;
  run.tabs.delete(tab);
  if (!run.tabs.size) end(id);
}

/** After sleep a connection may be gone without having ended. */
function wake() {
  user?.start();
  for (const stream of [user, ...[...runs.values()].map((run) => run.stream)]) stream?.wake();
}

/** One stream that is opened again, from the event after the last one, until it is stopped or over. */
class Stream {
  constructor(path, take) {
    this.path = path;
    this.take = take;
    this.last = null;
    this.online = true;
    this.abort = null;
    this.heard = 0;
  }

  start() {
    if (this.abort === null) this.#run();
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
    this.retry?.();
  }

  wake() {
    this.retry?.();
    if (this.abort !== null && Date.now() - this.heard > 20_000) this.connection?.abort();
  }

  async #run() {
    const abort = (this.abort = new AbortController());
    let pause = 250;
    while (!abort.signal.aborted) {
      const begun = Date.now();
      const over = await this.#read(abort.signal).catch(() => false);
      if (over || abort.signal.aborted) break;
      if (this.heard > begun) pause = 250;
      await this.#wait(pause * (0.75 + Math.random() / 2));
      pause = Math.min(pause * 2, 5_000);
    }
    if (this.abort === abort) this.abort = null;
  }

  #wait(time) {
    return new Promise((done) => {
      this.retry = done;
      setTimeout(done, time);
    });
  }

  /** Reads until the connection ends; true if there will be nothing more. */
  async #read(stopped) {
    const connection = (this.connection = new AbortController());
    stopped.addEventListener("abort", () => connection.abort(), { once: true });
    const headers = { Accept: "text/event-stream" };
    if (this.last !== null) headers["Last-Event-ID"] = this.last;
    let response;
    try {
      response = await fetch(new URL(this.path, base), {
        headers,
        credentials: "same-origin",
        cache: "no-store",
        signal: connection.signal,
      });
    } catch {
      if (!stopped.aborted) this.#tell(false);
      return false;
    }
    this.#tell(true);
    this.heard = Date.now();
    if (response.status === 204 || response.status === 404 || response.status === 401) {
      this.take({ id: this.last, event: { type: "gone", status: response.status } });
      return true;
    }
    if (response.status === 422) this.last = null; // a cursor of a run that was stored anew
    if (!response.ok) return false;
    for await (const item of events(response, connection)) {
      if (stopped.aborted) return true;
      this.heard = Date.now();
      if (item.id !== null) this.last = item.id;
      this.take(item);
    }
    return false;
  }

  /** Tells all tabs whether the service can be reached. */
  #tell(online) {
    if (this.online === online) return;
    this.online = online;
    for (const each of ports) each.port.postMessage({ online });
  }
}

if (typeof SharedWorkerGlobalScope !== "undefined" && self instanceof SharedWorkerGlobalScope)
  self.onconnect = ({ ports: [port] }) => serve(port);
