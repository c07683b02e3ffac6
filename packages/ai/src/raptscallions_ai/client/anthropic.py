"""`AsyncAnthropicClient`: Claude through Anthropic's own API, or through any host that offers the same API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from raptscallions_ai._call.defaults import CallDefaults
from raptscallions_ai._dialects.dialect import ModelFacts
from raptscallions_ai._dialects.fields import count, moment, text
from raptscallions_ai._dialects.json import json_list, json_object, parse_json
from raptscallions_ai._version import __version__
from raptscallions_ai.client.batching import Batching
from raptscallions_ai.client.engine import EngineClient
from raptscallions_ai.client.engine_settings import engine_settings, missing_key, own_values
from raptscallions_ai.errors import InvalidResponseError
from raptscallions_ai.gateway_api.models import ModelInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from raptscallions_ai._dialects.anthropic.dialect import AnthropicDialect
    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai.gateway_api.batches import AnthropicBatches
    from raptscallions_ai.gateway_api.costs import Prices
    from raptscallions_ai.messages.message import Messages
    from raptscallions_ai.options.call_options import CallOptions, OnInterrupt
    from raptscallions_ai.options.network import NetworkOptions
    from raptscallions_ai.options.timeouts import Timeouts

__all__ = ["AsyncAnthropicClient"]

_HOME = "https://api.anthropic.com"
_DEFAULT_MODEL = "claude-sonnet-4-20250514"
_VARIABLES = {"api_key": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"), "gateway_url": ("ANTHROPIC_BASE_URL",)}
_VERSION = "2023-06-01"
_PAGE = 1000
_MOST_PAGES = 20
_LARGEST_COUNT = 64 * 1024
# What of a request is counted; the rest is refused there.
_COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control")


@dataclass(frozen=True, slots=True)
class _CountRequest:
    model: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, object] = field(repr=False)
    quotable: Sequence[object] = field(repr=False)


class AsyncAnthropicClient(EngineClient, Batching):
    """A client of the Anthropic Messages API: at Anthropic, or at any host that speaks it.

    Built from arguments and the environment; safe to share between tasks and to build outside a loop. Close it with
    `async with` or `aclose`. It takes the options and gives the chunks of every client; an option that the API
    for is refused before anything is sent.

    Args:
        api_key: The key; else `ANTHROPIC_API_KEY` or `ANTHROPIC_AUTH_TOKEN`.
        model: The default model.
        base_url: The host, without `/v1`; else `ANTHROPIC_BASE_URL`, else Anthropic. For OpenRouter it is
            `https://openrouter.ai/api`, for llama.cpp `http://127.0.0.1:8080`.
        auth: How the key is sent: as `Authorization: Bearer`, which all hosts take, or as `x-api-key`.
        betas: Features in beta to ask for, such as `["context-management-2025-06-27"]`.
        api_version: The `anthropic-version`; facades know only the default.
        max_tokens: The default limit of an answer's tokens, because the API requires one; else what
            `models` reported, else 8192.
        prices: What models cost, for `usage.cost`, which is then marked as `priced`: a mapping of `prices.Pricing`, or
            a catalogue such as `await OpenRouterClient().models()`. Without it the cost is unknown.
        timeout: Seconds until the first content and between each next, or `Timeouts`; else as the `AI_*` settings say.
        max_retries: Further attempts before the first content, 0 to 5.
        on_interrupt: What to do when an answer breaks off: `fail`, `restart` or `continue`.
        fallback_models: Models to ask in order when the first one fails or is silent.
        fallback_clients: Clients to ask after those, of whatever engine. They are not closed with this client.
        **network: `NetworkOptions`: `verify`, `cert` and `proxy`.

    Raises:
        ConfigurationError: The key is missing, or something is invalid.
        ValueError: `auth` has another value, or `timeout` is not positive.

    Source: Anthropic API reference, "Messages".
    """

    def __init__(
        self,
        api_key: str | None = None,
        model: str | None = None,
        *,
        base_url: str | None = None,
        auth: Literal["bearer", "x-api-key"] = "bearer",
        betas: Sequence[str] = (),
        api_version: str = _VERSION,
        max_tokens: int | None = None,
        prices: Prices | None = None,
        timeout: float | Timeouts | None = None,
        max_retries: int | None = None,
        on_interrupt: OnInterrupt | None = None,
        fallback_models: Sequence[str] | None = None,
        fallback_clients: Sequence[EngineClient] = (),
        **network: Unpack[NetworkOptions],
    ) -> None:
        from raptscallions_ai._dialects.anthropic.dialect import AnthropicDialect

        if auth not in ("bearer", "x-api-key"):
            raise ValueError("auth must be 'bearer' or 'x-api-key'")
        own: dict[str, str | None] = {"api_key": api_key, "gateway_url": base_url}
        del api_key  # a traceback with local variables must not show it if the next line raises
        given: dict[str, Any] = {"gateway_url": _HOME, **own_values("Anthropic's API", own, _VARIABLES)}
        given |= {"default_model": model or _DEFAULT_MODEL, "max_retries": max_retries}
        if "api_key" not in given:
            raise missing_key("Anthropic's API", _VARIABLES["api_key"])
        url_name = "base_url" if base_url else "ANTHROPIC_BASE_URL"
        settings = engine_settings("anthropic", given)
        url = settings.gateway_url.removesuffix("/v1")
        host = urlsplit(url).hostname or ""
        dialect = AnthropicDialect(
            url,
            at_anthropic=host == "anthropic.com" or host.endswith(".anthropic.com"),
            version=api_version,
            betas=betas,
            max_tokens=max_tokens,
        )
        self._facts_of: dict[str, ModelFacts] = {}
        super().__init__(
            _gateway(url, settings.api_key.get_secret_value(), auth, dialect, url_name, network),
            CallDefaults.of(settings, timeout=timeout, on_interrupt=on_interrupt, fallback_models=fallback_models),
            aliases={},
            fallback_clients=fallback_clients,
            prices=prices,
        )

    async def models(self) -> list[ModelInfo]:
        """Return the models that the host offers; later calls use their limits.

        Raises:
            NotSupportedError: The host has no list of models.
            AiError: The list could not be fetched.
        """
        api, models, query = self._api(), list[ModelInfo](), {"limit": _PAGE}
        for _ in range(_MOST_PAGES):
            page = json_object(await api.get("/v1/models", query))
            entries = [json_object(entry) for entry in json_list(page.get("data"))]
            models += [_model(entry) for entry in entries if isinstance(entry.get("id"), str)]
            last = text(page, "last_id")
            if page.get("has_more") is not True or last is None:
                break
            query = {"limit": _PAGE, "after_id": last}
        self._facts_of = {model.id: _facts(model) for model in models}
        return models

    async def count_tokens(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> int:
        """Return how many tokens a request would have, as the host counts them; nothing is generated or billed.

        Args:
            messages: One user message as a `str`, or a conversation.
            model: The model; else the client's default.
            **options: The options of the call, of which tools, system and thinking count.

        Raises:
            NotSupportedError: The host does not count tokens.
            AiError: The tokens could not be counted.
        """
        from raptscallions_ai._dialects.request import build_request

        name = model or self.resolve_model()
        request = build_request(messages, model=name, options=options)
        encoded = self._gateway.dialect.encode(request, self._facts(name))
        whole = json_object(parse_json(encoded.body))
        counted = request.respelt({field: whole[field] for field in _COUNTED if field in whole})
        request_ = _CountRequest(name, counted.body, encoded.headers, encoded.query, request.conversation)
        answer = await self._api().post("/v1/messages/count_tokens", request_, max_bytes=_LARGEST_COUNT)
        tokens = count(json_object(parse_json(answer)), "input_tokens")
        if tokens is None:
            raise InvalidResponseError("it has no token count")
        return tokens

    def _batch_shape(self) -> AnthropicBatches:
        from raptscallions_ai.gateway_api.batches import AnthropicBatches

        return AnthropicBatches(self._api())

    def _facts(self, model: str) -> ModelFacts:
        return self._facts_of.get(model) or ModelFacts()


def _gateway(
    url: str, key: str, auth: str, dialect: AnthropicDialect, url_name: str, network: NetworkOptions
) -> Gateway:
    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai._transport.http.network import Network
    from raptscallions_ai._transport.http_connections import HttpConnections

    headers = {"User-Agent": f"raptscallions-ai/{__version__}", "Accept-Encoding": "identity", **dialect.headers}
    headers |= {"Authorization": f"Bearer {key}"} if auth == "bearer" else {"x-api-key": key}
    connections = HttpConnections(base_url=url, headers=headers, network=Network.of(network))
    return Gateway(url, key, connections, dialect, url_name, "anthropic")


def _model(entry: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo(
        id=entry["id"],
        name=text(entry, "display_name") or entry["id"],
        created=moment(entry, "created_at"),
        context_length=count(entry, "max_input_tokens"),
        max_completion_tokens=count(entry, "max_tokens"),
        input_modalities=_modalities(json_object(entry.get("capabilities"))),
        expires=moment(entry, "retires_at"),
        raw=entry,
    )


def _modalities(able: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a model takes, where that is told."""
    kinds = {kind: _flag(able.get(field)) for kind, field in (("image", "image_input"), ("file", "pdf_input"))}
    return ("text", *(kind for kind, is_taken in kinds.items() if is_taken)) if any(kinds.values()) else ()


def _flag(value: object) -> bool | None:
    """Return whether a capability is there: some are told as a flag, others as an object that has one."""
    flag = value if isinstance(value, bool) else json_object(value).get("supported")
    return flag if isinstance(flag, bool) else None


def _facts(model: ModelInfo) -> ModelFacts:
    able = json_object(model.raw.get("capabilities"))
    thinking = json_list(json_object(able.get("thinking")).get("types"))
    return ModelFacts(
        context_length=model.context_length,
        max_tokens=model.max_completion_tokens,
        adaptive_thinking="adaptive" in thinking if thinking else None,
        structured_outputs=_flag(able.get("structured_outputs")),
    )
