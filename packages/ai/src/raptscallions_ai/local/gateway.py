"""`LocalGateway`: a real OpenAI-compatible gateway on this machine, without an account or a key."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from raptscallions_ai.local.errors import failure
from raptscallions_ai.local.process import ServerProcess
from raptscallions_ai.local.weights import ensure_weights, require_extra

__all__ = ["LocalGateway"]

_DEFAULT_MODEL = "smollm2-135m-instruct"
_START_DEADLINE_S = 60.0


class LocalGateway:
    """llama.cpp's server with SmolLM2-135M-Instruct on loopback, as an async context manager.

    The model is a toy of 135 million parameters. Its tokens are really generated and really streamed; do not
    trust its facts, its arithmetic or its use of tools.

    ::

        async with LocalGateway() as gateway:
            client = OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model)

    The first use downloads 93 MB into the user's cache folder (``AI_LOCAL_CACHE_DIR`` names another). The server
    is a child process on a free port of 127.0.0.1 behind a random key. It ends with `aclose`, or by itself when
    this process is gone, however that happened. `await LocalGateway().start()` with `await gateway.aclose()` do
    the same as ``async with``; a closed gateway can be started again.

    Args:
        model_path: A GGUF file of your own, served under its file name, instead of the default model.
        context_tokens: How many tokens a conversation and its answer can have together.
        threads: Threads that compute; one fewer than the machine's cores, because with all of them any other busy
            process stops the model too.
        chat_template: Jinja text that replaces the model's own chat template.
        ping_interval_s: Seconds of silence after which the server sends a comment; the server's own default is 30.
        progress: Of the download, on stderr: True for a bar, False for silence, None for a bar on a terminal and
            otherwise one line.

    Raises:
        ValueError: A number is not positive.
    """

    def __init__(
        self,
        *,
        model_path: Path | None = None,
        context_tokens: int = 4096,
        threads: int | None = None,
        chat_template: str | None = None,
        ping_interval_s: int | None = None,
        progress: bool | None = None,
    ) -> None:
        for name, value in (
            ("context_tokens", context_tokens),
            ("threads", threads),
            ("ping_interval_s", ping_interval_s),
        ):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be positive, not {value}")
        self.model: str = model_path.stem if model_path else _DEFAULT_MODEL
        self._model_path = model_path
        self._progress = progress
        self._options = {
            "context_tokens": context_tokens,
            "threads": threads or max(1, (os.cpu_count() or 2) - 1),
            "chat_template": chat_template,
            "ping_interval_s": ping_interval_s,
        }
        self._server: ServerProcess | None = None
        self._base_url = self._api_key = ""
        self._turn = asyncio.Lock()

    @property
    def base_url(self) -> str:
        """The address of the API, such as ``http://127.0.0.1:41234/v1``; needs a started gateway."""
        return self._of_started(self._base_url)

    @property
    def api_key(self) -> str:
        """The key that the server accepts, new with each start; needs a started gateway."""
        return self._of_started(self._api_key)

    @property
    def process_id(self) -> int | None:
        """The process id of the server, from the moment it is being started; None when there is none."""
        return self._server.pid if self._server else None

    async def start(self) -> Self:
        """Fetch the weights if needed, start the server, and return this gateway when it answers requests.

        Raises:
            LocalGatewayError: The extra is missing, the weights cannot be had, or the server does not start.
        """
        async with self._turn:
            if self._server is None:
                require_extra()
                await self._serve(await self._weights())
        return self

    async def aclose(self) -> None:
        """End the server; does nothing when there is none."""
        async with self._turn:
            server, self._server = self._server, None
            self._base_url = self._api_key = ""
            if server:
                await server.stop()

    async def _weights(self) -> Path:
        if self._model_path is None:
            return await ensure_weights(progress=self._progress)
        if not self._model_path.is_file():
            raise failure("model", f"There is no model file {self._model_path}.")
        return self._model_path

    async def _serve(self, weights: Path) -> None:
        api_key = secrets.token_urlsafe(32)
        config = {**self._options, "model_path": str(weights), "model": self.model, "api_key": api_key}
        self._server = ServerProcess()
        try:
            self._base_url = await self._server.ready(config, deadline_s=_START_DEADLINE_S)
        except BaseException:
            self._server = None
            raise
        self._api_key = api_key

    def _of_started(self, value: str) -> str:
        if not value:
            raise failure("not_started", "The local gateway is not running; use it as `async with LocalGateway()`.")
        return value

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"LocalGateway(model={self.model!r}, base_url={self._base_url or None!r})"
