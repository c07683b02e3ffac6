// Server-sent events, read with `fetch`: unlike EventSource it says which status ended the stream.

const SILENCE = 40_000; // the service says something at least each 15 seconds

/** Yields the events of a response; throws if the connection is silent for so long that it must be gone. */
export async function* events(response, abort) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const silence = setTimeout(() => abort.abort(), SILENCE);
    let piece;
    try {
      piece = await reader.read();
    } finally {
      clearTimeout(silence);
    }
    if (piece.done) return;
    const blocks = (rest + piece.value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = parse(block);
      if (event !== null) yield event;
    }
  }
}

function parse(block) {
  let id = null;
  let data = null;
  for (const line of block.split("\n")) {
    if (line.startsWith("id: ")) id = line.slice(4);
    else if (line.startsWith("data: ")) data = (data === null ? "" : `${data}\n`) + line.slice(6);
  }
  return data === null ? null : { id, event: JSON.parse(data) };
}
