"""The child process that serves the model: started, waited for, and ended without remains."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from raptscallions_ai.local.errors import LocalGatewayError, failure

__all__ = ["ServerProcess"]

_POLL_S = 0.01
_GRACE_S = 1.0
_LOG_LINES = 6


class ServerProcess:
    """One llama.cpp server in a child process that ends when its owner does.

    Its configuration, which holds the key, goes through the child's stdin; argv and environment can be read
    by others. Answer and log are files, not pipes: there is nothing to drain, so that no thread is needed and
    a cancelled start has only a process to end.
    """

    def __init__(self) -> None:
        self._files = ExitStack()
        try:
            self._answer = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
            self._log = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
            self._process = _spawn(self._answer, self._log)
        except OSError as error:
            self._files.close()
            raise failure("server", f"The local model's process could not be started: {error}") from error

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    async def ready(self, config: dict[str, Any], *, deadline_s: float) -> str:
        """Configure the child and return the server's address once it answers requests.

        Args:
            config: What `raptscallions_ai.local.serve` reads.
            deadline_s: Seconds until the start has failed.

        Raises:
            LocalGatewayError: The child ended, reported an error or was too slow; it has been ended then, as it
                has after a cancellation.
        """
        try:
            async with asyncio.timeout(deadline_s):
                self._send(config)
                return await self._address()
        except TimeoutError:
            self._kill()
            raise self._failure(f"it did not answer within {deadline_s:g} s") from None
        except BaseException:
            self._kill()
            raise
        finally:
            self._files.close()

    async def stop(self) -> None:
        """End the child: ask by closing its stdin, then terminate, then kill. It is gone afterwards."""
        self._close_stdin()
        try:
            for end in (None, self._process.terminate):
                if end:
                    end()
                if await self._gone_within(_GRACE_S):
                    return
        finally:
            self._kill()

    def _send(self, config: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(config).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return  # it has ended already, and `_address` finds out how

    async def _address(self) -> str:
        while True:
            ended = self._process.poll() is not None
            if line := self._answered():
                break
            if ended:
                raise self._failure(f"it ended with {_exit_name(self._process.returncode)}")
            await asyncio.sleep(_POLL_S)
        answer = json.loads(line)
        if "error" in answer:
            await self._gone_within(_GRACE_S)
            raise self._failure(str(answer["error"]))
        return str(answer["base_url"])

    def _answered(self) -> bytes:
        # The child shares this file's position: it is moved only after the one line has been written.
        if os.fstat(self._answer.fileno()).st_size == 0:
            return b""
        self._answer.seek(0)
        line = self._answer.read()
        return line if line.endswith(b"\n") else b""

    async def _gone_within(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self._process.poll() is None:
            if loop.time() > end:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    def _kill(self) -> None:
        self._close_stdin()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _failure(self, why: str) -> LocalGatewayError:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()[-_LOG_LINES:]
        last_words = "\nThe server's last words:\n  " + "\n  ".join(lines) if lines else ""
        return failure("server", f"The local model's server did not start: {why}.{last_words}")

    def _close_stdin(self) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            return  # a configuration that an ended child never read


def _spawn(answer: IO[bytes], log: IO[bytes]) -> subprocess.Popen[bytes]:
    # By path and not with -m: the child needs nothing else of this package, and is ready sooner for it.
    # Its own session, because Ctrl-C in the owner's terminal is the owner's to handle.
    command = [sys.executable, "-P", str(Path(__file__).resolve().with_name("serve.py"))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=answer, stderr=log, start_new_session=True)


def _exit_name(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
