// A chat of the AI SDK without a page: what useChat does, told as JSON when all steps are through.
// Arguments: where the SDK is, the endpoint's URL, and the steps as JSON.
const [sdk, api, steps] = process.argv.slice(2);
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
const chat = new Chat({
  transport: new DefaultChatTransport({ api }),
  onFinish: ({ isAbort, isDisconnect, isError, finishReason }) =>
    finished.push({ isAbort, isDisconnect, isError, finishReason }),
  onData: (part) => data.push(part),
});
const textSoFar = () => chat.lastMessage?.parts.filter((part) => part.type === 'text').map((part) => part.text).join('');

for (const step of JSON.parse(steps)) {
  if (step.say !== undefined) await chat.sendMessage({ text: step.say });
  if (step.output !== undefined) {
    await chat.addToolOutput(step.output);
    await chat.sendMessage();
  }
  if (step.stop_at !== undefined) {
    const sent = chat.sendMessage({ text: 'Go on until I stop you.' });
    while (!textSoFar()?.includes(step.stop_at)) await new Promise((resolve) => setTimeout(resolve, 5));
    await chat.stop();
    await sent;
  }
}
console.log(JSON.stringify({ status: chat.status, error: chat.error?.message, messages: chat.messages, finished, data }));
process.exit(0); // without waiting for connections that fetch keeps
