// A chat of the AI SDK without a page: what useChat does, told as JSON when all steps are through.
// Arguments: where the SDK is, the service's URL, the chat's id, and the steps as JSON.
const [sdk, url, id, steps] = process.argv.slice(2);
const { AbstractChat, DefaultChatTransport } = await import(sdk);

class State {
  status = 'ready';
  error = undefined;
  messages = [];
  pushMessage = (message) => { this.messages = [...this.messages, message]; };
  popMessage = () => { this.messages = this.messages.slice(0, -1); };
  replaceMessage = (index, message) => { this.messages = this.messages.with(index, structuredClone(message)); };
  snapshot = (value) => structuredClone(value);
}

class Chat extends AbstractChat {
  constructor(init) { super({ ...init, state: new State() }); }
}

const finished = [];
const data = [];
const api = url + '/ui/chat';
const chat = new Chat({
  id,
  transport: new DefaultChatTransport({ api }),
  onFinish: ({ isAbort, isDisconnect, isError }) => finished.push({ isAbort, isDisconnect, isError }),
  onData: (part) => data.push(part),
});
const text = () => chat.lastMessage?.parts.filter((part) => part.type === 'text').map((part) => part.text).join('') ?? '';
const until = async (words) => {
  while (!text().includes(words)) await new Promise((resolve) => setTimeout(resolve, 5));
};

for (const step of JSON.parse(steps)) {
  if (step.say !== undefined && step.until === undefined) await chat.sendMessage({ text: step.say });
  if (step.leave !== undefined) { // the page is closed in the middle of an answer
    chat.sendMessage({ text: step.leave.say });
    await until(step.leave.at);
    console.log(JSON.stringify({ seen: text() }));
    process.exit(0);
  }
  if (step.load) chat.messages = (await (await fetch(`${api}/${id}/messages`)).json()).messages;
  if (step.resume) await chat.resumeStream();
  if (step.stop) {
    const sent = chat.sendMessage({ text: 'Go on until I stop you.' });
    await until(step.stop);
    await fetch(`${api}/${id}/stop`, { method: 'POST' });
    await sent;
  }
  if (step.regenerate) await chat.regenerate();
  if (step.edit !== undefined) await chat.sendMessage({ text: step.edit, messageId: chat.messages[0].id });
}
console.log(JSON.stringify({ status: chat.status, error: chat.error?.message, messages: chat.messages, finished, data }));
process.exit(0); // without waiting for connections that fetch keeps
