"""`AsyncOpenAICompatClient`: any host that speaks OpenAI chat completions, by its preset or by its URL alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from raptscallions_ai._call.defaults import CallDefaults
from raptscallions_ai._dialects.openai.preset import Preset
from raptscallions_ai._version import __version__
from raptscallions_ai.client.batching import Batching
from raptscallions_ai.client.engine import EngineClient
from raptscallions_ai.client.engine_settings import NO_KEY, engine_settings, missing_key, own_values
from raptscallions_ai.client.presets import PRESETS, preset_named
from raptscallions_ai.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai.gateway_api.batches import OpenAIBatches
    from raptscallions_ai.gateway_api.costs import Prices
    from raptscallions_ai.gateway_api.models import ModelInfo
    from raptscallions_ai.options.call_options import OnInterrupt
    from raptscallions_ai.options.network import NetworkOptions
    from raptscallions_ai.options.timeouts import Timeouts
    from raptscallions_ai.settings import AiSettings

__all__ = ["AsyncOpenAICompatClient"]

_UNNAMED = "no-model-is-named"
_LOCAL = ("localhost", "127.0.0.1", "::1")
_KEY_OF_OTHERS = ("AI_API_KEY",)
_VARIABLE = re.compile(r"\{(\w+)\}")


class AsyncOpenAICompatClient(EngineClient, Batching):
    """A client of any host that speaks OpenAI chat completions.

    A preset has the URL of a known host and its differences. For another host the URL is enough: requests are sent as
    OpenAI documents them; if the host rejects a parameter name, the equivalent one is sent, and remembered for that
    model.

    Args:
        api_key: The key; else the variable of the preset. A host on this machine needs none.
        base_url: The host's URL, such as `https://api.groq.com/openai/v1`; else that of the preset.
        model: The default model; else that of the preset.
        preset: The name of one of `PRESETS`, or a `Preset` of your own; else the one with this URL, else OpenAI.
        headers: Headers of each request.
        prices: What models cost, for `usage.cost`, which is then marked as `priced`: a mapping of `prices.Pricing`, or
            a catalogue such as `await OpenRouterClient().models()`. Without it the cost is unknown.
        timeout: Seconds until the first content and between each next, or `Timeouts`; else as the `AI_*` settings say.
        max_retries: Further attempts before the first content, 0 to 5.
        on_interrupt: What to do when an answer breaks off: `fail`, `restart` or `continue`.
        fallback_models: Models to ask in order when the first one fails or is silent.
        fallback_clients: Clients to ask after those, of whatever engine. They are not closed with this client.
        **network: `NetworkOptions`: `verify`, `cert` and `proxy`.

    Raises:
        ConfigurationError: The key, the model or a variable of the URL is missing, or something is invalid.
        ValueError: There is no preset of that name, or `timeout` is not positive.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        model: str | None = None,
        *,
        preset: str | Preset | None = None,
        headers: Mapping[str, str] | None = None,
        prices: Prices | None = None,
        timeout: float | Timeouts | None = None,
        max_retries: int | None = None,
        on_interrupt: OnInterrupt | None = None,
        fallback_models: Sequence[str] | None = None,
        fallback_clients: Sequence[EngineClient] = (),
        **network: Unpack[NetworkOptions],
    ) -> None:
        chosen = _chosen(preset, base_url)
        given: dict[str, Any] = {"api_key": api_key, "gateway_url": base_url}
        del api_key  # a traceback with local variables must not show it if the next line raises
        given = _of_host(chosen, given)
        given |= {"default_model": model or chosen.default_model or _UNNAMED, "max_retries": max_retries}
        settings = engine_settings(chosen.name, given)
        super().__init__(
            _gateway(settings, chosen, headers or {}, "base_url" if base_url else "preset", network),
            CallDefaults.of(settings, timeout=timeout, on_interrupt=on_interrupt, fallback_models=fallback_models),
            aliases={},
            fallback_clients=fallback_clients,
            prices=prices,
        )

    def resolve_model(self, model: str | None = None) -> str:
        """Return the id of a call's model: the given one, or the client's default.

        Raises:
            ConfigurationError: None is given, and the client has no default.
        """
        if model is None and self._defaults.model == _UNNAMED:
            raise ConfigurationError("this host has no default model: give model= to the call or to the client")
        return super().resolve_model(model)

    async def models(self) -> list[ModelInfo]:
        """Return the models that the host offers.

        Raises:
            AiError: The list could not be fetched.
        """
        from raptscallions_ai.gateway_api.models import fetch_models

        return await fetch_models(self._api())

    def _batch_shape(self) -> OpenAIBatches:
        from raptscallions_ai.gateway_api.batches import OpenAIBatches

        return OpenAIBatches(self._api())


def _chosen(preset: str | Preset | None, base_url: str | None) -> Preset:
    """Return what is known of a host: the preset that was named, or the one whose address it has."""
    if isinstance(preset, Preset):
        return preset
    if preset is not None:
        return preset_named(preset)
    if base_url is None:
        return PRESETS["openai"]
    host = urlsplit(base_url).netloc
    known = (each for each in PRESETS.values() if "{" not in each.base_url and urlsplit(each.base_url).netloc == host)
    return next(known, None) or Preset(name=host or "this host", base_url=base_url, provider="openai")


def _of_host(preset: Preset, given: dict[str, Any]) -> dict[str, Any]:
    """Return key and URL of a host, from what was given and what is in its variables; empties `given`.

    Raises:
        ConfigurationError: The key, or a variable of the URL, is missing.
    """
    wanted = [] if given["gateway_url"] else _VARIABLE.findall(preset.base_url)
    is_local = (urlsplit(given["gateway_url"] or preset.base_url).hostname or "") in _LOCAL
    keys = preset.key_env or (() if is_local else _KEY_OF_OTHERS)
    found = own_values(preset.name, given, {"api_key": keys, **{name: (name,) for name in wanted}})
    if missing := [name for name in wanted if name not in found]:
        listed = ", ".join(missing)
        problems = dict.fromkeys(missing, "is required but not set")
        raise ConfigurationError(f"{preset.name} needs {listed} in the environment", details={"variables": problems})
    url = found.get("gateway_url") or _VARIABLE.sub(lambda name: found[name[1]].rstrip("/"), preset.base_url)
    key = found.get("api_key") or (NO_KEY if is_local else None)
    if key is None:
        found.clear()
        raise missing_key(preset.name, keys)
    return {"api_key": key, "gateway_url": url}


def _gateway(
    settings: AiSettings, preset: Preset, headers: Mapping[str, str], url_name: str, network: NetworkOptions
) -> Gateway:
    from raptscallions_ai._dialects.openai.dialect import OpenAIDialect
    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai._transport.http.network import Network
    from raptscallions_ai._transport.http_connections import HttpConnections

    url, key = settings.gateway_url, settings.api_key.get_secret_value()
    sent = {"User-Agent": f"raptscallions-ai/{__version__}", "Accept-Encoding": "identity"}
    if key != NO_KEY:
        sent |= {"Authorization": f"Bearer {key}"} if preset.auth == "bearer" else {preset.auth: key}
    else:
        key = ""
    sent |= {**preset.headers, **headers}
    connections = HttpConnections(base_url=url, headers=sent, network=Network.of(network))
    return Gateway(url, key, connections, OpenAIDialect(preset), url_name, preset.provider or preset.name)
