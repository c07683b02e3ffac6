"""`OpenRouterClient`: chat with any model behind OpenRouter or another OpenAI-compatible gateway."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai._call.defaults import CallDefaults
from raptscallions_ai._dialects.dialect import NO_FACTS, ModelFacts
from raptscallions_ai._dialects.failures import URL_SETTING
from raptscallions_ai._dialects.request import checked_headers
from raptscallions_ai._transport.keys import ApiKey
from raptscallions_ai._version import __version__
from raptscallions_ai.client.batching import Batching
from raptscallions_ai.client.engine import EngineClient
from raptscallions_ai.gateway_api.catalogue import Catalogue
from raptscallions_ai.gateway_api.mixin import Discovery
from raptscallions_ai.options.client_options import ClientOptions, unknown_argument
from raptscallions_ai.options.network import NetworkOptions
from raptscallions_ai.options.routing import checked_aliases, default_aliases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from openai import AsyncOpenAI

    from raptscallions_ai._call.route import LookUp
    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai._transport.keys import KeyFunction
    from raptscallions_ai.answer.result import Usage
    from raptscallions_ai.gateway_api.batches import OpenRouterBatches
    from raptscallions_ai.options.call_options import OnInterrupt
    from raptscallions_ai.options.timeouts import Timeouts
    from raptscallions_ai.settings import AiSettings

__all__ = ["AsyncOpenRouterClient", "OpenRouterClient"]

_SETTINGS = ("app_title", "app_url", "require_usage", "allow_insecure")


class OpenRouterClient(Discovery, EngineClient, Batching):
    """A client of one gateway; safe to share between tasks and to build outside a loop.

    Arguments that are not given come from the environment (`AiSettings`). If key, URL and model are all given, or
    settings are, the environment is not read at all. Close it with `async with` or `aclose`.

    Args:
        api_key: The gateway's key; or a function, async or not, that returns the key for each request, such as a token
            that expires. Else `AI_API_KEY` or `OPENROUTER_API_KEY`.
        base_url: The gateway's base URL; else `AI_GATEWAY_URL`.
        default_model: The default model; else `AI_DEFAULT_MODEL`.
        timeout: Seconds until the first content and between each next, or `Timeouts`.
        max_retries: Further attempts before the first content, 0 to 5.
        on_interrupt: What to do when an answer breaks off: `fail` raises the error, `restart` asks again and yields a
            `restarted` chunk, `continue` lets the model go on if it can; else `AI_ON_INTERRUPT`.
        fallback_models: Models to ask in order when the first one fails or is silent; else `AI_FALLBACK_MODELS`.
        fallback_clients: Clients to ask after those: of another gateway, or with another key. One of the same gateway
            is asked for the call's model, one of another gateway for its own default model; then for its own
            `fallback_models`. They are not closed with this client.
        fallback_cooldown: Seconds for which a model that failed three calls in a row is left alone; then one request
            sees whether it is back. Else `AI_FALLBACK_COOLDOWN_MS`, five seconds.
        model_aliases: Short names of models and the ids they stand for, instead of `AI_MODEL_ALIASES`. If neither is
            given they are `MODEL_ALIASES` at OpenRouter, and none at another gateway.
        headers: Headers to send with every request, such as those that your company's proxy requires.
        settings: Settings to use instead of the environment's; the arguments above win over them.
        openai_client: An `openai.AsyncOpenAI` of your own, used with its own URL and key and never closed here.
        **options: `ClientOptions`: `app_title`, `app_url`, `require_usage`, `allow_insecure` and `default_options`; and
            `NetworkOptions`: `verify`, `cert` and `proxy`.

    Raises:
        ConfigurationError: Something is missing or invalid; the message names all of it.
        TypeError: An argument is unknown. `fallback_models` or `fallback_clients` is not a sequence of these, or
            `model_aliases` is not a mapping; or there are `headers` beside an `openai_client`.
        ValueError: `timeout` or `fallback_cooldown` is not positive, `on_interrupt` is unknown, a header cannot be
            sent, or an alias contains a slash.
    """

    def __init__(
        self,
        api_key: str | KeyFunction | None = None,
        base_url: str | None = None,
        default_model: str | None = None,
        timeout: float | Timeouts | None = None,
        max_retries: int | None = None,
        *,
        on_interrupt: OnInterrupt | None = None,
        fallback_models: Sequence[str] | None = None,
        fallback_cooldown: float | None = None,
        fallback_clients: Sequence[EngineClient] = (),
        model_aliases: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        settings: AiSettings | None = None,
        openai_client: AsyncOpenAI | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        url_name = URL_SETTING if base_url is None else "base_url"
        if openai_client is not None:
            if headers:
                raise TypeError("an openai_client of your own has its own headers: give them to it as default_headers")
            from raptscallions_ai._transport.sdk import address_of

            api_key, base_url, url_name = "held-by-the-given-client", address_of(openai_client), "openai_client"
        network = _network(options)
        key = ApiKey(api_key) if callable(api_key) else None
        given = {
            "api_key": api_key if key is None else key.name,
            "gateway_url": base_url,
            "default_model": default_model,
            "max_retries": max_retries,
            **{name: options.get(name) for name in _SETTINGS},
        }
        del api_key, base_url  # a traceback with local variables must not show them if the next line raises
        settings = _resolve(settings, given, trusted=openai_client is not None)
        self._catalogue = Catalogue()
        super().__init__(
            _gateway(settings, openai_client, url_name, network, checked_headers(headers or {}, "headers"), key),
            CallDefaults.of(
                settings,
                timeout=timeout,
                on_interrupt=on_interrupt,
                fallback_models=fallback_models,
                fallback_cooldown=fallback_cooldown,
            ),
            aliases=_aliases(settings, model_aliases),
            fallback_clients=fallback_clients,
            options=options.get("default_options"),
        )

    def _facts(self, model: str) -> ModelFacts:
        length = self._catalogue.context_length(model)
        return NO_FACTS if length is None else ModelFacts(context_length=length)

    def batch_model(self, model: str | None = None) -> str:
        """Return the name by which a model is asked in batches: at OpenRouter, its variant `:batch`."""
        name = self.resolve_model(model)
        return f"{name}:batch" if self._gateway.is_openrouter and ":" not in name else name

    def _batch_shape(self) -> OpenRouterBatches:
        from raptscallions_ai.gateway_api.batches import OpenRouterBatches

        return OpenRouterBatches(self._api())

    def _look_up(self, timeouts: Timeouts, max_retries: int, headers: Mapping[str, str] | None) -> LookUp | None:
        return partial(_look_up, self._gateway, timeouts, max_retries, headers)


AsyncOpenRouterClient = OpenRouterClient
"""The same client under a name that fits those of the other engines."""


async def _look_up(
    gateway: Gateway, timeouts: Timeouts, max_retries: int, headers: Mapping[str, str] | None, generation_id: str
) -> Usage | None:
    from raptscallions_ai._call.document import JsonApi
    from raptscallions_ai.gateway_api.generation import booked_usage

    return await booked_usage(JsonApi(gateway, timeouts, max_retries=max_retries, headers=headers), generation_id)


def _network(options: ClientOptions) -> NetworkOptions:
    """Return those of the further arguments that are for the connections.

    Raises:
        TypeError: There is no such argument.
    """
    own = ClientOptions.__annotations__.keys()
    if unknown := options.keys() - own:
        raise unknown_argument(min(unknown), {*own, *inspect.signature(OpenRouterClient).parameters} - {"options"})
    return cast(
        "NetworkOptions", {name: value for name, value in options.items() if name in NetworkOptions.__annotations__}
    )


def _aliases(settings: AiSettings, given: Mapping[str, str] | None) -> Mapping[str, str]:
    aliases = settings.model_aliases if given is None else given
    return default_aliases(settings.gateway_url) if aliases is None else checked_aliases(aliases)


def _gateway(
    settings: AiSettings,
    openai_client: AsyncOpenAI | None,
    url_name: str,
    network: NetworkOptions,
    own_headers: Mapping[str, str],
    own_key: ApiKey | None,
) -> Gateway:
    from raptscallions_ai._dialects.openai.dialect import OpenAIDialect
    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai._transport.http.network import Network
    from raptscallions_ai._transport.sdk import SdkConnections, key_of

    if network and openai_client is not None:
        raise ValueError(f"{', '.join(sorted(network))}: the given openai_client has connections of its own")
    headers = {
        "User-Agent": f"raptscallions-ai/{__version__}",
        # Compression saves nothing on small events and would hold them back.
        "Accept-Encoding": "identity",
        "HTTP-Referer": settings.app_url,
        "X-OpenRouter-Title": settings.app_title,
    }
    key = settings.api_key.get_secret_value()
    connections = SdkConnections(
        base_url=settings.gateway_url,
        api_key=own_key or key,
        headers={**{name: value for name, value in headers.items() if value}, **own_headers},
        injected=openai_client,
        network=Network.of(network),
    )
    secret = key if openai_client is None else key_of(openai_client)
    return Gateway(settings.gateway_url, secret, connections, OpenAIDialect(), url_name, key=own_key)


def _resolve(settings: AiSettings | None, arguments: dict[str, Any], *, trusted: bool) -> AiSettings:
    """Return the settings of a client: what was given, and from the environment only what is missing.

    Empties `arguments`, so that no frame of a failure's traceback shows the key.
    """
    from raptscallions_ai.settings import AiSettings, get_settings, warn_of_misspelt_variables

    given = {name: value for name, value in arguments.items() if value is not None}
    arguments.clear()
    try:
        if trusted:
            given["allow_insecure"] = True  # where an injected client connects to is its owner's decision
        if settings is not None:
            if not isinstance(cast("object", settings), AiSettings):
                raise TypeError(f"settings must be AiSettings, not {type(settings).__name__}")
            return AiSettings.explicit(**{**settings.model_dump(), **given}) if given else settings
        if {"api_key", "gateway_url", "default_model"} <= given.keys():
            return AiSettings.explicit(**given)
        warn_of_misspelt_variables()
        return AiSettings(**given) if given else get_settings()
    finally:
        given.clear()
