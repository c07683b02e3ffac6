"""`OllamaClient`: models that an Ollama server runs, for code that is not asynchronous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raptscallions_ai.client.ollama import AsyncOllamaClient
from raptscallions_ai.sync.client import SyncEngineClient
from raptscallions_ai.sync.loop_thread import shared_loop_thread
from raptscallions_ai.sync.stream import SyncIterator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from raptscallions_ai.gateway_api.embeddings import EmbeddingResult, EmbedOptions
    from raptscallions_ai.gateway_api.models import ModelInfo
    from raptscallions_ai.gateway_api.ollama import LoadedModel
    from raptscallions_ai.gateway_api.ollama_pull import PullProgress
    from raptscallions_ai.options.call_options import OnInterrupt
    from raptscallions_ai.options.network import NetworkOptions
    from raptscallions_ai.options.timeouts import Timeouts
    from raptscallions_ai.sync.client import SyncChatClient

__all__ = ["OllamaClient"]


class OllamaClient(SyncEngineClient[AsyncOllamaClient]):
    """A client of an Ollama server; `AsyncOllamaClient` has the same arguments and methods, and describes them."""

    def __init__(
        self,
        model: str | None = None,
        *,
        host: str | None = None,
        api_key: str | None = None,
        num_ctx: int | None = None,
        keep_alive: str | float | None = None,
        truncate: bool = False,
        timeout: float | Timeouts | None = None,
        max_retries: int | None = None,
        on_interrupt: OnInterrupt | None = None,
        fallback_models: Sequence[str] | None = None,
        fallback_clients: Sequence[SyncChatClient[Any]] = (),
        **network: Unpack[NetworkOptions],
    ) -> None:
        given: dict[str, Any] = {"api_key": api_key}
        del api_key  # a traceback with local variables must not show it if the next line raises
        super().__init__(
            AsyncOllamaClient(
                model,
                host=host,
                api_key=given.pop("api_key"),
                num_ctx=num_ctx,
                keep_alive=keep_alive,
                truncate=truncate,
                timeout=timeout,
                max_retries=max_retries,
                on_interrupt=on_interrupt,
                fallback_models=fallback_models,
                fallback_clients=self._async_clients(fallback_clients),
                **network,
            )
        )

    def is_available(self) -> bool:
        """Return whether an Ollama server answers within a few seconds."""
        return self._run(self._client.is_available())

    def version(self) -> str:
        """Return the server's version; see `AsyncOllamaClient.version`."""
        return self._run(self._client.version())

    def has_model(self, model: str) -> bool:
        """Return whether the server has a model; without a tag `latest` is meant."""
        return self._run(self._client.has_model(model))

    def show(self, model: str | None = None) -> ModelInfo:
        """Return what is known about a model; see `AsyncOllamaClient.show`."""
        return self._run(self._client.show(model))

    def pull(self, model: str | None = None) -> SyncIterator[PullProgress]:
        """Return the download of a model; iterate it for the progress; see `AsyncOllamaClient.pull`."""
        return SyncIterator(self._client.pull(model), shared_loop_thread())

    def pull_model(self, model: str | None = None) -> bool:
        """Download a model, or its newer parts, and return True once it is there."""
        return self._run(self._client.pull_model(model))

    def ensure_model(self, model: str | None = None) -> bool:
        """Download a model if the server does not have it, and return True once it is there."""
        return self._run(self._client.ensure_model(model))

    def delete_model(self, model: str) -> None:
        """Delete a model from the server's disk; see `AsyncOllamaClient.delete_model`."""
        self._run(self._client.delete_model(model))

    def loaded(self) -> list[LoadedModel]:
        """Return the models that are in memory; see `AsyncOllamaClient.loaded`."""
        return self._run(self._client.loaded())

    def load(self, model: str | None = None, *, keep_alive: str | float | None = None) -> None:
        """Load a model ahead of the first call; see `AsyncOllamaClient.load`."""
        self._run(self._client.load(model, keep_alive=keep_alive))

    def unload(self, model: str | None = None) -> None:
        """Take a model out of memory; see `AsyncOllamaClient.unload`."""
        self._run(self._client.unload(model))

    def embed(
        self, texts: str | Sequence[str], *, model: str | None = None, **options: Unpack[EmbedOptions]
    ) -> EmbeddingResult:
        """Return texts as vectors, one for each, in their order; see `AsyncOllamaClient.embed`."""
        work = self._client.embed(texts, model=model, **options)
        del texts, options  # a traceback with local variables must not show them
        return self._run(work)
