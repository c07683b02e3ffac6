"""`AsyncOllamaClient`: models of an Ollama server, on this machine, on another one, or in Ollama's cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from raptscallions_ai._call.defaults import CallDefaults
from raptscallions_ai._dialects.dialect import NO_FACTS, ModelFacts
from raptscallions_ai._version import __version__
from raptscallions_ai.client.engine import EngineClient
from raptscallions_ai.client.engine_settings import NO_KEY, engine_settings, missing_key, own_values
from raptscallions_ai.client.ollama_host import DEFAULT_HOST, base_url_of
from raptscallions_ai.errors import AiError, ModelNotAvailableError
from raptscallions_ai.options.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai.gateway_api.embeddings import EmbeddingResult, EmbedOptions
    from raptscallions_ai.gateway_api.models import ModelInfo
    from raptscallions_ai.gateway_api.ollama import LoadedModel
    from raptscallions_ai.gateway_api.ollama_pull import ModelPull
    from raptscallions_ai.options.call_options import OnInterrupt
    from raptscallions_ai.options.network import NetworkOptions

__all__ = ["AsyncOllamaClient"]

_DEFAULT_MODEL = "qwen2.5:3b"
_CLOUD = "ollama.com"
_VARIABLES = {"host": ("OLLAMA_HOST",), "api_key": ("OLLAMA_API_KEY",)}
_LONGEST_LOOK = 5.0  # seconds until a server counts as not there


class AsyncOllamaClient(EngineClient):
    """A client of an Ollama server, over Ollama's own API.

    It takes the options and gives the chunks of every client. An option that Ollama does not support is refused before
    anything is sent; pass Ollama's own options in `extra_body`, such as `{"options": {"num_gpu": 0}}`. A
    conversation that is longer than the model's context is a `ContextLengthError`: the server is told not to cut it,
    which it would otherwise do silently.

    Args:
        model: The default model.
        host: The server: a URL, or a host with or without a port; else `OLLAMA_HOST`, else this machine, port 11434.
        api_key: The key, for Ollama's cloud or for a server behind a proxy that requires one; else `OLLAMA_API_KEY`,
            which is sent to servers with https only.
        num_ctx: How many tokens of context to load models with; by default the server decides by the free memory.
        keep_alive: How long a model stays loaded after a call, such as `"10m"`, or seconds; 0 unloads it at once, and a
            negative one never.
        truncate: Whether the server may drop the oldest messages, and half of the context while it answers, where the
            conversation does not fit.
        timeout: Seconds until the first content and between each next, or `Timeouts`; else as the `AI_*` settings say.
            A model that is not loaded yet is loaded before the first content.
        max_retries: Further attempts before the first content, 0 to 5.
        on_interrupt: What to do when an answer breaks off: `fail`, `restart` or `continue`.
        fallback_models: Models to ask in order when the first one fails or is silent.
        fallback_clients: Clients to ask after those, of whatever engine. They are not closed with this client.
        **network: `NetworkOptions`: `verify`, `cert` and `proxy`.

    Raises:
        ConfigurationError: The host is invalid, or Ollama's cloud is used without a key.
        ValueError: `timeout` is not positive.

    Source: Ollama API reference.
    """

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
        fallback_clients: Sequence[EngineClient] = (),
        **network: Unpack[NetworkOptions],
    ) -> None:
        own: dict[str, str | None] = {"host": host, "api_key": api_key}
        is_given = bool(api_key)
        del api_key  # a traceback with local variables must not show it if the next line raises
        given: dict[str, Any] = {"host": DEFAULT_HOST, **own_values("Ollama", own, _VARIABLES, keyless=True)}
        given["gateway_url"] = base_url_of(given.pop("host"))
        given["api_key"] = _key(given["gateway_url"], given.pop("api_key", ""), is_given=is_given)
        given |= {"default_model": model or _DEFAULT_MODEL, "max_retries": max_retries}
        if given["api_key"] == NO_KEY:
            given["allow_insecure"] = True  # there is no key that could be read on the way
        settings = engine_settings("ollama", given)
        key = settings.api_key.get_secret_value()
        self._context_lengths: dict[str, int] = {}
        self._keep_alive, self._num_ctx = keep_alive, num_ctx
        super().__init__(
            _gateway(
                settings.gateway_url,
                "" if key == NO_KEY else key,
                {"num_ctx": num_ctx, "keep_alive": keep_alive, "truncate": truncate},
                "host" if host else "OLLAMA_HOST",
                network,
            ),
            CallDefaults.of(settings, timeout=timeout, on_interrupt=on_interrupt, fallback_models=fallback_models),
            aliases={},
            fallback_clients=fallback_clients,
        )

    async def is_available(self) -> bool:
        """Return whether an Ollama server answers within a few seconds."""
        from raptscallions_ai._call.document import JsonApi
        from raptscallions_ai.gateway_api.ollama import fetch_version

        timeouts = Timeouts(connect=_LONGEST_LOOK, first_chunk=_LONGEST_LOOK, total=_LONGEST_LOOK)
        try:
            await fetch_version(JsonApi(self._open_gateway(), timeouts, max_retries=0))
        except AiError:
            return False
        return True

    async def version(self) -> str:
        """Return the server's version, such as `0.20.3`.

        Raises:
            AiError: The server could not be reached.
        """
        from raptscallions_ai.gateway_api.ollama import fetch_version

        return await fetch_version(self._api())

    async def models(self) -> list[ModelInfo]:
        """Return the models that the server has, named with their tags; `show` has the details of one.

        Raises:
            AiError: The list could not be fetched.
        """
        from raptscallions_ai.gateway_api.ollama import fetch_models

        return await fetch_models(self._api())

    async def has_model(self, model: str) -> bool:
        """Return whether the server has a model; without a tag `latest` is meant.

        Raises:
            AiError: The list could not be fetched.
        """
        from raptscallions_ai.gateway_api.ollama import find_model

        try:
            find_model(await self.models(), model)
        except ModelNotAvailableError:
            return False
        return True

    async def show(self, model: str | None = None) -> ModelInfo:
        """Return what is known about a model: its context length and what it can do; `raw` has the rest.

        Args:
            model: Its name; else the client's default.

        Raises:
            ModelNotAvailableError: The server does not have it.
            AiError: The server could not be reached.
        """
        from raptscallions_ai.gateway_api.ollama import fetch_model

        name = self.resolve_model(model)
        shown = await fetch_model(self._api(), name)
        if shown.context_length is not None:
            self._context_lengths[name] = shown.context_length
        return shown

    def pull(self, model: str | None = None) -> ModelPull:
        """Return the download of a model; iterate it for the progress, or await its `result`.

        Args:
            model: Its name; else the client's default.
        """
        from raptscallions_ai.gateway_api.ollama_pull import ModelPull

        defaults = self._defaults
        name = self.resolve_model(model)
        return ModelPull(self._open_gateway(), name, timeouts=defaults.timeouts, max_retries=defaults.max_retries)

    async def pull_model(self, model: str | None = None) -> bool:
        """Download a model, or its newer parts, and return True once it is there.

        Raises:
            ModelNotAvailableError: The registry does not know it.
            AiError: It could not be downloaded.
        """
        await self.pull(model).result()
        return True

    async def ensure_model(self, model: str | None = None) -> bool:
        """Download a model if the server does not have it, and return True once it is there.

        Raises:
            ModelNotAvailableError: Neither the server nor the registry knows it.
            AiError: It could not be downloaded.
        """
        name = self.resolve_model(model)
        return await self.has_model(name) or await self.pull_model(name)

    async def delete_model(self, model: str) -> None:
        """Delete a model from the server's disk.

        Raises:
            ModelNotAvailableError: The server does not have it.
            AiError: It failed.
        """
        from raptscallions_ai.gateway_api.ollama import delete_model

        await delete_model(self._api(max_retries=0), model)

    async def loaded(self) -> list[LoadedModel]:
        """Return the models that are in memory, and with how much context.

        Raises:
            AiError: The list could not be fetched.
        """
        from raptscallions_ai.gateway_api.ollama import fetch_loaded

        return await fetch_loaded(self._api())

    async def load(self, model: str | None = None, *, keep_alive: str | float | None = None) -> None:
        """Load a model ahead of the first call.

        Args:
            model: Its name; else the client's default.
            keep_alive: How long it stays; by default the client's setting, else the server's five minutes.

        Raises:
            ModelNotAvailableError: The server does not have it.
            AiError: It could not be loaded.
        """
        from raptscallions_ai.gateway_api.ollama import keep_loaded

        stays = self._keep_alive if keep_alive is None else keep_alive
        await keep_loaded(self._api(), self.resolve_model(model), stays, self._num_ctx)

    async def unload(self, model: str | None = None) -> None:
        """Take a model out of memory.

        Args:
            model: Its name; else the client's default.

        Raises:
            AiError: It failed.
        """
        from raptscallions_ai.gateway_api.ollama import keep_loaded

        await keep_loaded(self._api(), self.resolve_model(model), 0, None)

    async def embed(
        self, texts: str | Sequence[str], *, model: str | None = None, **options: Unpack[EmbedOptions]
    ) -> EmbeddingResult:
        """Return texts as vectors, one for each, in their order; a text that is too long is an error and is not cut.

        Args:
            texts: One text, or several in one request.
            model: The model to ask, one that embeds; else the client's default.
            **options: `EmbedOptions`: `dimensions`, `timeout`, `max_retries`, `extra_body` and more.

        Raises:
            TypeError: An option is unknown, or a text is not a `str`; raised before anything is sent, as are the next
                two.
            ValueError: There is no text, or an option is out of its range.
            NotSupportedError: Ollama does not support an option.
            AiError: The call failed, or a vector is missing.
        """
        from raptscallions_ai.gateway_api.embeddings import build_embedding_request
        from raptscallions_ai.gateway_api.ollama import fetch_vectors

        request = build_embedding_request(texts, model=self.resolve_model(model), options=options)
        api = self._api(timeout=options.get("timeout"), max_retries=options.get("max_retries"))
        del texts, options  # a traceback with local variables must not show them
        fields: dict[str, object] = {} if self._keep_alive is None else {"keep_alive": self._keep_alive}
        if self._num_ctx is not None:
            fields["options"] = {"num_ctx": self._num_ctx}
        return await fetch_vectors(api, request, fields=fields)

    def _facts(self, model: str) -> ModelFacts:
        length = self._num_ctx or self._context_lengths.get(model)
        return NO_FACTS if length is None else ModelFacts(context_length=length)


def _key(url: str, key: str, *, is_given: bool) -> str:
    """Return the key for a server, or the mark that none is needed.

    Raises:
        ConfigurationError: It is Ollama's cloud, and there is no key.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not key and (host == _CLOUD or host.endswith(f".{_CLOUD}")):
        raise missing_key("Ollama's cloud", _VARIABLES["api_key"])
    # A key of the environment is for servers that are asked with https, which is not every one that is asked.
    return key if key and (is_given or parts.scheme == "https") else NO_KEY


def _gateway(url: str, key: str, defaults: dict[str, Any], url_name: str, network: NetworkOptions) -> Gateway:
    from raptscallions_ai._dialects.ollama.dialect import OllamaDialect
    from raptscallions_ai._dialects.ollama.encode import OllamaDefaults
    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai._transport.http.network import Network
    from raptscallions_ai._transport.http_connections import HttpConnections

    headers = {"User-Agent": f"raptscallions-ai/{__version__}", "Accept-Encoding": "identity"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    dialect = OllamaDialect(OllamaDefaults(**defaults, cloud=urlsplit(url).hostname == _CLOUD))
    connections = HttpConnections(base_url=url, headers=headers, network=Network.of(network))
    return Gateway(url, key, connections, dialect, url_name, "ollama")
