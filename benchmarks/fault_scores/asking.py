"""A client in a process of its own: `asking.py ADAPTER` reads what to ask as lines of JSON and tells what comes of it.

It runs in the client's environment, so it needs nothing but the standard library. An adapter is a file with

- `ERRORS`, the errors that the client documents as its own,
- `connect(trial)`, which makes a client as its documents say, with the trial's deadlines and retries,
- `async ask(client, trial, reader)`, which asks and gives what it reads to the reader, in a loop that it leaves with
  `break` when the reader has had enough.

In come `ask` with a trial, and after each piece `more` or `leave`; `cancel` at any time. Out come `ready`, then the
pieces `text` and `tool_call`, and at last one of `complete`, `error` and `left`; each with the trial's number.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import sys
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

_LONGEST = 300  # characters of an error's message


class Reader:
    """The caller of a client: takes one piece after another, until it has had enough."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.answers: asyncio.Queue[str] = asyncio.Queue()
        self.finish_reason: Any = None
        self.text = ""
        self._calls: list[dict[str, Any]] = []

    async def take(self, text: Any) -> bool:
        """Take a piece of text; whether there is to be more."""
        self.text += str(text)
        tell("text", self.number, text=str(text))
        return await self._answered() == "more"

    async def take_chunk(self, chunk: Any) -> bool:
        """Take a chunk in the shape of OpenAI's, as leniently as a careful caller; whether there is to be more."""
        for choice in chunk.choices or ():
            if str(choice.index or 0) != "0":
                continue
            self.finish_reason = choice.finish_reason or self.finish_reason
            if choice.delta is None:
                continue
            for call in choice.delta.tool_calls or ():
                self.take_call_delta(call)
            if choice.delta.content and not await self.take(choice.delta.content):
                return False
        return True

    async def take_completion(self, completion: Any) -> None:
        """Take an answer in one body, in the shape of OpenAI's; where there is none, reading it fails."""
        choice = completion.choices[0]
        self.finish_reason = choice.finish_reason
        for call in choice.message.tool_calls or ():
            self.take_call(call.id, call.function.name, call.function.arguments)
        if choice.message.content:
            await self.take(choice.message.content)

    def take_call_delta(self, delta: Any) -> None:
        """Put a tool call together: by index, where there is none by id, where there is neither to the last."""
        index, id, function = getattr(delta, "index", None), delta.id, delta.function
        known = [
            call
            for call in self._calls
            if (id is None or call["id"] == id) and (index is None or call["index"] == index)
        ]
        if known:
            known[-1]["arguments"] += _json_text(function.arguments)
        else:
            self.take_call(id, function.name, function.arguments, index)

    def take_call(self, id: str | None, name: str, arguments: Any, index: Any = None) -> None:
        """Take a whole tool call, or the beginning of one."""
        self._calls.append({"id": id or "", "name": name, "arguments": _json_text(arguments), "index": index})

    async def take_rest(self) -> None:
        """Hand over the tool calls, once the answer is over."""
        for call in self._calls:
            tell("tool_call", self.number, id=call["id"], name=call["name"], arguments=call["arguments"])
            await self._answered()

    async def _answered(self) -> str:
        answer = await self.answers.get()
        self.answers.task_done()
        return answer


def _json_text(arguments: Any) -> str:
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return json.dumps(arguments, separators=(",", ":"))


async def answer(adapter: dict[str, Any], client: Any, trial: Any, reader: Reader) -> None:
    """Ask once, and tell how it ended."""
    try:
        await adapter["ask"](client, trial, reader)
        # OpenRouter documents this finish reason; who is shown it has been told of the failure.
        if reader.finish_reason == "error":
            tell("error", reader.number, own=True, name="finish_reason", says="error")
            return
        await reader.take_rest()
    except asyncio.CancelledError:
        tell("left", reader.number)
    except BaseException as error:
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        own = isinstance(error, adapter["ERRORS"])
        tell("error", reader.number, own=own, name=name, says=str(error)[:_LONGEST])
    else:
        tell("complete", reader.number)


async def serve(adapter: dict[str, Any]) -> None:
    """Do what the lines say until there are no more."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tell("ready", 0)
    reader, asking, client = Reader(0), None, None
    while line := await lines.readline():
        message = json.loads(line)
        if message["say"] == "ask":
            trial = SimpleNamespace(**message["trial"])
            reader = Reader(message["number"])
            # A client lives longer than a call; what it holds after one must not be let go with it.
            client = adapter["connect"](trial)
            asking = asyncio.create_task(answer(adapter, client, trial, reader))
        elif message["say"] == "cancel" and asking is not None:
            # It is the client that is to be cancelled while it waits, not the caller with a piece in hand.
            await reader.answers.join()
            asking.cancel()
        else:
            reader.answers.put_nowait(message["say"])


def tell(kind: str, number: int, **facts: Any) -> None:
    """Write one line."""
    OUT.write(json.dumps({"kind": kind, "number": number, **facts}) + "\n")
    OUT.flush()


if __name__ == "__main__":
    # Some clients print; what they print must not come between the lines.
    OUT = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(serve(runpy.run_path(sys.argv[1])))
    os._exit(0)  # how a client shuts down is not judged, and some take seconds to
