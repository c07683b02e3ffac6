// An agent of pi's with one tool, over its own streamProxy; what it has in the end is written as JSON.
// Arguments: where the packages are, the proxy's URL, and the token.
const [packages, proxyUrl, authToken] = process.argv.slice(2);
const { Agent, streamProxy } = await import(`${packages}/@mariozechner/pi-agent-core/dist/index.js`);

const weather = {
  name: 'weather',
  label: 'Weather',
  description: 'Tell the weather.',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  execute: async (_id, { city }) => ({ content: [{ type: 'text', text: `Sunny in ${city}` }], details: {} }),
};
const model = {
  id: 'fake/model-1', name: 'Fake', api: 'openai-completions', provider: 'openrouter', baseUrl: '', reasoning: false,
  input: ['text'], cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 }, contextWindow: 1000, maxTokens: 100,
};
const agent = new Agent({
  initialState: { systemPrompt: 'Be brief.', model, tools: [weather] },
  streamFn: (model, context, options) => streamProxy(model, context, { ...options, maxTokens: 50, authToken, proxyUrl }),
});
await agent.prompt('Weather in Paris?');
console.log(JSON.stringify(agent.state.messages));
process.exit(0); // without waiting for connections that fetch keeps
