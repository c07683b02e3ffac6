"""`OpenRouterClient`: chat with any model behind OpenRouter or another OpenAI-compatible gateway."""

from __future__ import annotations

import asyncio
import threading
import warnings
from typing import TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import urlsplit
from weakref import WeakSet

from raptscallions_ai._call.breaker import CircuitBreakers
from raptscallions_ai._call.recovery import Recovery, Route, checked_models, checked_on_interrupt
from raptscallions_ai._call.retry import checked_retries
from raptscallions_ai._version import __version__
from raptscallions_ai.answer.stream import ChatStream
from raptscallions_ai.client.base import BaseChatClient
from raptscallions_ai.errors import AiError
from raptscallions_ai.gateway_api.catalogue import Catalogue
from raptscallions_ai.gateway_api.mixin import Discovery
from raptscallions_ai.options.routing import checked_aliases, default_aliases, resolve_model_alias
from raptscallions_ai.options.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from openai import AsyncOpenAI

    from raptscallions_ai._call.call import GatewayCall
    from raptscallions_ai._transport.sdk import Connections
    from raptscallions_ai.answer.result import ChatResult
    from raptscallions_ai.messages.message import Messages
    from raptscallions_ai.options.call_options import CallOptions, OnInterrupt
    from raptscallions_ai.settings import AiSettings

__all__ = ["OpenRouterClient", "close_all_clients"]

_LONGEST_WARM_UP = 10.0  # seconds
_clients: WeakSet[OpenRouterClient] = WeakSet()
_building = threading.Lock()


class OpenRouterClient(BaseChatClient, Discovery):
    """A client of one gateway; safe to share between tasks and to build outside a loop.

    What is not given comes from the environment (`AiSettings`). If key, URL and model are all given, or settings
    are, the environment is not read at all. Close it with `async with` or `aclose`.

    Args:
        api_key: The gateway's key; else `AI_API_KEY` or `OPENROUTER_API_KEY`.
        base_url: The gateway's base URL; else `AI_GATEWAY_URL`.
        default_model: The model of calls that name none; else `AI_DEFAULT_MODEL`.
        timeout: Seconds until the first content and between each next, or `Timeouts`.
        max_retries: Further attempts before the first content, 0 to 5.
        on_interrupt: What to do when an answer breaks off: `fail` raises the error, `restart` asks anew and yields a
            `restarted` chunk, `continue` lets the model go on where it is known to; else `AI_ON_INTERRUPT`.
        fallback_models: Models to ask in order when the first one fails or is silent; else `AI_FALLBACK_MODELS`.
        fallback_clients: Clients to ask after those: of another gateway, or with another key. One of the same gateway
            is asked for the call's model, one of another gateway for its own default model; then for its own
            `fallback_models`. They are not closed with this client.
        model_aliases: Short names of models and the ids they stand for, instead of `AI_MODEL_ALIASES`. If neither is
            given they are `MODEL_ALIASES` at OpenRouter, and none at another gateway.
        settings: Settings to use instead of the environment's; the arguments above win over them.
        openai_client: An `openai.AsyncOpenAI` of your own, used with its own URL and key and never closed here.

    Raises:
        ConfigurationError: Something is missing or invalid; the message names all of it.
        TypeError: `fallback_models` or `fallback_clients` is not a sequence of such, or `model_aliases` no mapping.
        ValueError: `timeout` is not positive, `on_interrupt` is unknown, or an alias has a slash in it.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        default_model: str | None = None,
        timeout: float | Timeouts | None = None,
        max_retries: int | None = None,
        *,
        on_interrupt: OnInterrupt | None = None,
        fallback_models: Sequence[str] | None = None,
        fallback_clients: Sequence[OpenRouterClient] = (),
        model_aliases: Mapping[str, str] | None = None,
        settings: AiSettings | None = None,
        openai_client: AsyncOpenAI | None = None,
    ) -> None:
        self._closed = False
        self._calls: WeakSet[GatewayCall] = WeakSet()
        if openai_client is not None:
            from raptscallions_ai._transport.sdk import address_of

            api_key, base_url = "held-by-the-given-client", address_of(openai_client)
        given = {
            "api_key": api_key,
            "gateway_url": base_url,
            "default_model": default_model,
            "max_retries": max_retries,
        }
        del api_key, base_url  # a traceback with local variables must not show them if the next line raises
        self._settings = _resolve(settings, given, trusted=openai_client is not None)
        self._timeouts = self._settings.timeouts if timeout is None else Timeouts.of(timeout)
        self._on_interrupt: OnInterrupt = checked_on_interrupt(on_interrupt or self._settings.on_interrupt)
        self._aliases = _aliases(self._settings, model_aliases)
        self._fallback_models = self._resolved(
            self._settings.fallback_models if fallback_models is None else fallback_models
        )
        self._fallback_clients = _checked_clients(fallback_clients)
        self._breakers = CircuitBreakers()
        self._catalogue = Catalogue()
        self._connections = _connections(self._settings, openai_client)
        with _building:
            _clients.add(self)

    @property
    def has_provider_routing(self) -> bool:
        """Whether all gateways that a call may reach, fallbacks included, are OpenRouter."""
        clients = (self, *self._fallback_clients)
        hosts = [urlsplit(client._settings.gateway_url).hostname or "" for client in clients]
        return all(host == "openrouter.ai" or host.endswith(".openrouter.ai") for host in hosts)

    def resolve_model(self, model: str | None = None) -> str:
        """Return the id of the model that a call is for: what it names, aliases resolved, or the default."""
        return resolve_model_alias(model or self._settings.default_model, self._aliases)

    @property
    def base_url(self) -> str:
        """The base URL of the gateway."""
        return self._settings.gateway_url

    def stream_chat(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> ChatStream:
        """Return the answer as a stream of chunks, the last of which is `done` with the result and its usage.

        Nothing is sent before the stream is iterated, entered or asked for its result.

        Args:
            messages: One user message as a `str`, or a conversation.
            model: The model to ask, or an alias of one; else the client's default.
            **options: `CallOptions`: `max_tokens`, `temperature`, `top_p`, `tools`, `timeout`, `extra_body` and more.

        Raises:
            TypeError: An option is unknown, or it or a message is of a wrong type; raised at once, as is the next.
            ValueError: An option is out of range, or a message or a header is invalid.
            AiError: The call failed; raised while reading, with what had arrived in `partial`.
        """
        return self._stream(messages, stream=True, model=model, options=options)

    async def chat(
        self, messages: Messages, *, stream: bool = True, model: str | None = None, **options: Unpack[CallOptions]
    ) -> ChatResult:
        """Return the whole answer: the same as `stream_chat` read to its end.

        Args:
            messages: One user message as a `str`, or a conversation.
            stream: Whether the gateway is asked to stream, so that cancelling the call stops the model. False asks
                for one JSON body, for gateways that cannot stream.
            model: The model to ask, or an alias of one; else the client's default.
            **options: `CallOptions`, as for `stream_chat`.

        Raises:
            TypeError: An option is unknown, or it or a message is of a wrong type.
            ValueError: An option is out of range, or a message or a header is invalid.
            AiError: The call failed, with what had arrived in `partial`.
        """
        answer = self._stream(messages, stream=stream, model=model, options=options)
        del messages, options  # a traceback with local variables must not show the conversation
        return await answer.result()

    async def warm_up(self) -> None:
        """Load what a call needs and connect to the gateway, so that the first call waits for neither.

        Nothing is sent but the TLS handshake. That the gateway cannot be reached is no error here: the first call
        will tell. It takes ten seconds at most, or the `connect` deadline if that is less.

        Raises:
            AiError: The client is closed.
        """
        connections = self._connect()
        await asyncio.to_thread(_load_what_a_call_needs)
        await connections.warm_up(within=min(_LONGEST_WARM_UP, self._timeouts.connect or _LONGEST_WARM_UP))

    async def aclose(self) -> None:
        """End all calls of this client; it cannot be used afterwards. Safe to call again.

        Connections are shared by the clients of one gateway, and closed with the last of them.
        """
        self._closed = True
        for call in list(self._calls):
            await call.aclose()
        await self._connections.aclose()

    def _stream(self, messages: Messages, *, stream: bool, model: str | None, options: CallOptions) -> ChatStream:
        from raptscallions_ai._call.call import CallPolicy, GatewayCall
        from raptscallions_ai._dialects.openai.encode import build_request

        settings = self._settings
        usage, on_interrupt = options.get("require_usage"), options.get("on_interrupt")
        model = model or settings.default_model
        request = build_request(messages, model=model, stream=stream, options=options, aliases=self._aliases)
        routes = self._routes(request.model, options)
        recovery = Recovery(
            routes,
            on_interrupt=self._on_interrupt if on_interrupt is None else checked_on_interrupt(on_interrupt),
            prefill=options.get("prefill"),
            after_content_policy=bool(options.get("fallback_on_content_policy")),
        )
        policy = CallPolicy(
            total=routes[0].timeouts.total,
            require_usage=settings.require_usage if usage is None else usage,
            include_waiting=bool(options.get("include_waiting")),
            max_event_bytes=settings.max_event_bytes,
            log_content=settings.log_content,
        )
        call = GatewayCall(request, recovery, policy, secrets=list({route.secret for route in routes}))
        self._calls.add(call)
        return ChatStream(call)

    def _routes(self, model: str, options: CallOptions) -> list[Route]:
        """Return the ways to an answer from this client and its fallbacks, the first choice first."""
        given = options.get("fallback_models")
        models = [model, *(self._fallback_models if given is None else self._resolved(given))]
        routes = [self._route(name, options) for name in dict.fromkeys(models)]
        for client in self._fallback_clients:
            same_gateway = client._settings.gateway_url == self._settings.gateway_url
            first = (model,) if same_gateway else client._resolved([client._settings.default_model])
            models = [*first, *client._fallback_models]
            routes += [client._route(name, options) for name in dict.fromkeys(models)]
        return routes

    def _resolved(self, models: Sequence[str]) -> tuple[str, ...]:
        return tuple(resolve_model_alias(name, self._aliases) for name in checked_models(models))

    def _route(self, model: str, options: CallOptions) -> Route:
        timeout, retries = options.get("timeout"), options.get("max_retries")
        return Route(
            connections=self._connect(),
            gateway=self._settings.gateway_url,
            model=model,
            secret=self._settings.api_key.get_secret_value(),
            timeouts=self._timeouts if timeout is None else Timeouts.of(timeout),
            max_retries=self._settings.max_retries if retries is None else checked_retries(retries),
            breakers=self._breakers,
            context_length=self._catalogue.context_length(model),
        )

    def _connect(self) -> Connections:
        if self._closed:
            raise AiError("This client is closed; build a new one")
        return self._connections

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client is not pickled or copied: it holds connections and the key; pickle its settings")

    def __del__(self) -> None:
        connections: Connections | None = self.__dict__.get("_connections")
        if connections is not None and connections.is_open:
            message = "An OpenRouterClient was not closed; use it in a `with` or `async with` statement, or close it"
            warnings.warn(message, ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        if (settings := self.__dict__.get("_settings")) is None:
            return "OpenRouterClient(not built)"
        return f"OpenRouterClient(base_url={settings.gateway_url!r}, default_model={settings.default_model!r})"


async def close_all_clients() -> None:
    """Close every `OpenRouterClient` of this process, whichever loop uses it, and all connections.

    For the end of a service: calls that still run end with an error that has what had arrived in `partial`.
    `openrouter_client` can be used again afterwards, and so can clients that are built later.
    """
    from raptscallions_ai._transport.pool import close_all_pools

    with _building:
        clients = list(_clients)
    await asyncio.gather(*(client.aclose() for client in clients))
    await close_all_pools()  # those of clients that were dropped without being closed


def _load_what_a_call_needs() -> None:
    from raptscallions_ai._call import call
    from raptscallions_ai._dialects.openai import encode

    del call, encode  # their import was the point


def _aliases(settings: AiSettings, given: Mapping[str, str] | None) -> Mapping[str, str]:
    aliases = settings.model_aliases if given is None else given
    return default_aliases(settings.gateway_url) if aliases is None else checked_aliases(aliases)


def _checked_clients(clients: Sequence[OpenRouterClient]) -> tuple[OpenRouterClient, ...]:
    for client in cast("Sequence[object]", clients):
        if not isinstance(client, OpenRouterClient):
            raise TypeError(f"fallback_clients must be OpenRouterClients, not {type(client).__name__}")
    return tuple(clients)


def _connections(settings: AiSettings, openai_client: AsyncOpenAI | None) -> Connections:
    from raptscallions_ai._transport.sdk import Connections

    headers = {
        "User-Agent": f"raptscallions-ai/{__version__}",
        # Compression saves nothing on small events and would hold them back.
        "Accept-Encoding": "identity",
        "HTTP-Referer": settings.app_url,
        "X-OpenRouter-Title": settings.app_title,
    }
    return Connections(
        base_url=settings.gateway_url,
        api_key=settings.api_key.get_secret_value(),
        headers={name: value for name, value in headers.items() if value},
        injected=openai_client,
    )


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
