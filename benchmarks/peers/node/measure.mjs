// One measurement on Node: `node measure.mjs JSON` prints its figures as JSON, as ../../measure.py does for Python.

import { performance } from "node:perf_hooks";
import { get } from "node:http";

const COST = 0.00015;
const TIMESTAMP = 17; // characters, as in ../../wire.py
const ONCE = "bench/burst-1-0-6";

const task = JSON.parse(process.argv[2]);

const cpu = () => { const { user, system } = process.cpuUsage(); return user + system; };

const CONNECT = {
  async openai(url) {
    const { default: OpenAI } = await import("openai");
    const client = new OpenAI({ apiKey: "benchmark-key", baseURL: url });
    return {
      async stream(model, messages, onText) {
        const stream = await client.chat.completions.create({
          model, messages, stream: true, stream_options: { include_usage: true },
        });
        let cost = null;
        for await (const chunk of stream) {
          const text = chunk.choices[0]?.delta?.content;
          if (text) onText(text);
          if (chunk.usage) cost = chunk.usage.cost;
        }
        return cost;
      },
      async complete(model, messages) {
        return (await client.chat.completions.create({ model, messages })).choices[0].message.content;
      },
    };
  },
  async ai(url) {
    const { streamText, generateText } = await import("ai");
    const { createOpenRouter } = await import("@openrouter/ai-sdk-provider");
    const openrouter = createOpenRouter({ apiKey: "benchmark-key", baseURL: url });
    const asked = (name) => openrouter(name, { usage: { include: true } });
    return {
      async stream(model, messages, onText) {
        const result = streamText({ model: asked(model), messages });
        for await (const text of result.textStream) onText(text);
        return (await result.providerMetadata)?.openrouter?.usage?.cost ?? null;
      },
      async complete(model, messages) {
        return (await generateText({ model: asked(model), messages })).text;
      },
    };
  },
};

function stats() {
  return new Promise((resolve, reject) => {
    get(task.stats, (response) => {
      let body = "";
      response.on("data", (data) => (body += data));
      response.on("end", () => resolve(JSON.parse(body)));
    }).on("error", reject);
  });
}

async function span() {
  const server = await stats();
  const began = { wall: performance.now(), cpu: cpu() };
  const seconds = () => (performance.now() - began.wall) / 1000;
  return {
    seconds,
    async end(count) {
      const spent = cpu() - began.cpu, wall = seconds(), after = await stats();
      return {
        cpu_us: spent / count, per_s: count / wall,
        server_share: (after.cpu_s - server.cpu_s) / wall, server_late_ms: after.late_ms,
      };
    },
  };
}

function conversation(length) {
  const roles = ["user", "assistant"], words = "word ".repeat(40);
  const history = Array.from({ length: length - (length % 2) }, (_, i) => ({ role: roles[i % 2], content: words }));
  return [...history, { role: "user", content: "Hi" }];
}

async function read(peer, model, messages) {
  let count = 0;
  const cost = await peer.stream(model, messages, () => count++);
  const expected = Number(model.split("-")[1]);
  if (count !== expected || (cost !== null && cost !== COST)) {
    throw new Error(`${count} of ${expected} chunks came, and a cost of ${cost}`);
  }
  return expected;
}

const WORKLOADS = {
  async drain(peer) {
    const messages = conversation(task.messages);
    await read(peer, ONCE, messages);
    await read(peer, "bench/burst-200-0-6", messages);
    const measured = await span();
    let chunks = 0;
    while (!chunks || measured.seconds() < task.seconds) chunks += await read(peer, task.model, messages);
    return measured.end(chunks);
  },
  async first(peer) {
    const messages = conversation(task.messages), waits = [];
    for (let i = 0; i < 5; i++) await read(peer, task.model, messages);
    const measured = await span();
    while (waits.length < 10 || measured.seconds() < task.seconds) {
      const began = performance.now();
      let arrived;
      await peer.stream(task.model, messages, () => (arrived ??= performance.now()));
      waits.push(arrived - began);
    }
    waits.sort((a, b) => a - b);
    return { ...(await measured.end(waits.length)), first_ms: waits[waits.length >> 1] };
  },
  async crowd(peer) {
    const messages = conversation(0), delays = [];
    const [, chunks, rate] = task.model.split("-").map(Number);
    await read(peer, ONCE, messages);
    const note = (text) => delays.push(Number(process.hrtime.bigint()) / 1e6 - Number(text.slice(0, TIMESTAMP)) * 1e3);
    const measured = await span();
    await Promise.all(Array.from({ length: task.streams }, () => peer.stream(task.model, messages, note)));
    const late = measured.seconds() - chunks / rate;
    if (delays.length !== task.streams * chunks) throw new Error(`${delays.length} chunks came`);
    delays.sort((a, b) => a - b);
    const at = (share) => delays[Math.floor(delays.length * share)];
    return { ...(await measured.end(delays.length)), p50_ms: at(0.5), p99_ms: at(0.99), late_s: late };
  },
  async complete(peer) {
    const messages = conversation(0);
    const ask = async () => {
      if (!(await peer.complete(task.model, messages)).startsWith("word word")) throw new Error("not whole");
    };
    const everybody = (work) => Promise.all(Array.from({ length: task.streams }, work));
    await everybody(ask);
    const measured = await span();
    let count = 0;
    await everybody(async () => {
      do { await ask(); count++; } while (measured.seconds() < task.seconds);
    });
    return measured.end(count);
  },
};

setTimeout(() => process.exit(1), task.timeout * 1000).unref();
let figures;
if (task.workload === "import") {
  const began = cpu();
  for (const name of task.imports.split(",")) await import(name.trim());
  figures = { import_ms: (cpu() - began) / 1000 };
} else {
  figures = await WORKLOADS[task.workload](await CONNECT[task.adapter](task.url));
}
process.stdout.write(JSON.stringify(figures) + "\n", () => process.exit(0));
