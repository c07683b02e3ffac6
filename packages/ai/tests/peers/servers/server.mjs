// The same answers as the ASGI application of test_servers.py, from Node's own HTTP server.
import { createServer } from "node:http";
import { setImmediate as turn } from "node:timers/promises";

const answer = Buffer.from(process.env.ANSWER, "base64").toString().match(/[^]*?\n\n/g);

const server = createServer(async (request, response) => {
  let size = 0;
  for await (const part of request) size += part.length;
  if (request.url.startsWith("/busy")) {
    response.writeHead(503, { "content-type": "application/json", "retry-after": "0" });
    response.end('{"error": {"message": "busy", "code": 503}}');
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream", "x-body-size": String(size) });
  const cut = request.url.startsWith("/cut");
  for (const event of cut ? answer.slice(0, 2) : answer) {
    response.write(event);
    await turn();
  }
  if (cut) response.destroy();
  else response.end();
});
server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
