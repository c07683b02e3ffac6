// OpenAI's SDK asks a proxy: one answer whole, one streamed; both are written as JSON, a failure as its status.
// Arguments: where the packages are, the proxy's URL, and the token.
const [packages, proxyUrl, apiKey] = process.argv.slice(2);
const { default: OpenAI } = await import(`${packages}/openai/index.mjs`);

const client = new OpenAI({ apiKey, baseURL: `${proxyUrl}/v1`, maxRetries: 0 });
const asked = { model: 'fake/model-1', messages: [{ role: 'user', content: 'Hi' }] };
try {
  const whole = await client.chat.completions.create(asked);
  let text = '';
  let usage;
  for await (const chunk of await client.chat.completions.create({
    ...asked, stream: true, stream_options: { include_usage: true },
  })) {
    text += chunk.choices[0]?.delta.content ?? '';
    usage = chunk.usage ?? usage;
  }
  console.log(JSON.stringify({ whole: whole.choices[0].message.content, text, usage }));
} catch (error) {
  console.log(JSON.stringify({ failed: error.constructor.name, status: error.status, message: error.message }));
}
process.exit(0);
