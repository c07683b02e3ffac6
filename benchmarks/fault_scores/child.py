"""`Child`: a client in a process and an environment of its own, as an adapter for `observe`."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from raptscallions_ai import ToolCall
from raptscallions_ai.testing.faults import Trial

__all__ = ["Child", "ForeignError", "OwnError"]

_ASKING = Path(__file__).with_name("asking.py")
_START = 90.0  # seconds; some clients take long to import
_GRACE = 1.0  # seconds in which a client that was left has to be done
_LONGEST_LINE = 64 * 1024 * 1024


class OwnError(Exception):
    """The client raised an error that it documents."""


class ForeignError(Exception):
    """The client raised something else, or died."""


class Child:
    """A client that is asked through lines of JSON; `asking.py` says which.

    Args:
        python: The Python of its environment.
        adapter: The file that tells how it is asked.

    Attributes:
        restarts: How often it had to be started again.
    """

    def __init__(self, python: str, adapter: Path) -> None:
        self._command = (python, str(_ASKING), str(adapter))
        self._process: Process | None = None
        self._number = 0
        self._over = True
        self.restarts = -1

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def ready(self) -> bool:
        """Wait until it can be asked; one that is still busy with what it was asked before, is started again.

        Returns:
            Whether it was started, and has not been asked anything.
        """
        if self._process is not None and not self._over:
            try:
                await asyncio.wait_for(self._finish(), _GRACE)
            except (TimeoutError, ForeignError):
                await self.close()
        if self._process is not None:
            return False
        await self._start()
        return True

    async def ask(self, trial: Trial) -> AsyncGenerator[str | ToolCall]:
        """Ask, and yield what it reads; an `Adapter`.

        Raises:
            OwnError: It raised an error of its own.
            ForeignError: It raised another error, or died.
        """
        self._number += 1
        self._over = False
        self._say("ask", number=self._number, trial=asdict(trial))
        try:
            while True:
                message = await self._next()
                match message["kind"]:
                    case "text":
                        yield message["text"]
                    case "tool_call":
                        yield ToolCall(message["id"], message["name"], message["arguments"])
                    case "error":
                        kind = OwnError if message["own"] else ForeignError
                        raise kind(f"{message['name']}: {message['says']}")
                    case _:
                        return
                self._say("more")
        except GeneratorExit:
            self._say("leave")
            raise
        except asyncio.CancelledError:
            self._say("cancel")
            raise

    async def close(self) -> None:
        """End the process."""
        process, self._process, self._over = self._process, None, True
        if process is not None:
            if process.returncode is None:
                process.kill()
            # What it has still written is read, else its end would not be noticed.
            await process.communicate()

    async def _start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "AI_"))}
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment, limit=_LONGEST_LINE
        )
        self.restarts += 1
        self._number = 0
        try:
            await asyncio.wait_for(self._next(), _START)
        except (TimeoutError, ForeignError) as error:
            await self.close()
            raise RuntimeError(f"the client does not start: {' '.join(self._command)}") from error

    async def _finish(self) -> None:
        """Read until it is done with what it was asked last."""
        while not self._over:
            message = await self._next()
            if message["kind"] in ("text", "tool_call"):
                self._say("leave")

    async def _next(self) -> dict[str, Any]:
        """Return its next line about what it was asked last."""
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            message: dict[str, Any] = json.loads(line)
            if message["number"] == self._number:
                self._over = message["kind"] in ("complete", "error", "left")
                return message
        await self.close()
        raise ForeignError("the process died")

    def _say(self, what: str, **facts: Any) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(json.dumps({"say": what, **facts}).encode() + b"\n")
