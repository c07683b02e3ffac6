"""`EngineClient`: the client of any gateway in any dialect; a subclass says where the gateway is."""

from __future__ import annotations

import asyncio
import threading
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, Self, cast
from weakref import WeakSet

from raptscallions_ai._call.breaker import CircuitBreakers
from raptscallions_ai._call.recovery import Recovery, checked_models, checked_on_interrupt
from raptscallions_ai._call.retry import checked_retries
from raptscallions_ai._call.route import Route
from raptscallions_ai._dialects.dialect import NO_FACTS, ModelFacts
from raptscallions_ai._guards.fingerprint import fingerprint_of
from raptscallions_ai._guards.running_loop import running_loop
from raptscallions_ai._transport.keys import KnownKeys
from raptscallions_ai.answer.stream import ChatStream
from raptscallions_ai.client.base import BaseChatClient
from raptscallions_ai.errors import AiError, NotSupportedError
from raptscallions_ai.options.checks import checked_options, merged_options
from raptscallions_ai.options.routing import resolve_model_alias
from raptscallions_ai.options.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from raptscallions_ai._call.call import GatewayCall
    from raptscallions_ai._call.defaults import CallDefaults
    from raptscallions_ai._call.document import JsonApi
    from raptscallions_ai._call.route import LookUp, Price
    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai.gateway_api.costs import Prices
    from raptscallions_ai.gateway_api.models import ModelInfo
    from raptscallions_ai.messages.message import Messages
    from raptscallions_ai.options.call_options import CallOptions, OnInterrupt

__all__ = ["EngineClient", "close_all_clients", "close_all_cloud_clients"]

_LONGEST_WARM_UP = 10.0  # seconds
_clients: WeakSet[EngineClient] = WeakSet()
_building = threading.Lock()


class EngineClient(BaseChatClient):
    """A client of one gateway; safe to share between tasks and to build outside a loop.

    Args:
        gateway: The gateway.
        defaults: How calls are made.
        aliases: Short names of models and the ids they stand for.
        fallback_clients: Clients to ask when the models of this one fail.
        prices: What the models cost, where the gateway does not report it.
        options: Options of every call.
    """

    _aliases: Mapping[str, str]
    _breakers: CircuitBreakers
    _calls: WeakSet[GatewayCall]
    _closed: bool
    _defaults: CallDefaults
    _fallback_clients: tuple[EngineClient, ...]
    _gateway: Gateway
    _price: Price | None
    _keys: KnownKeys
    _options: CallOptions
    _parent: EngineClient | None
    _views: WeakSet[EngineClient]

    def __init__(
        self,
        gateway: Gateway,
        defaults: CallDefaults,
        *,
        aliases: Mapping[str, str],
        fallback_clients: Sequence[EngineClient] = (),
        prices: Prices | None = None,
        options: CallOptions | None = None,
    ) -> None:
        self._price: Price | None = None
        if prices is not None:
            from raptscallions_ai.gateway_api.costs import PriceList

            self._price = PriceList(prices).priced
        self._aliases = aliases
        self._breakers = CircuitBreakers(cooldown=defaults.fallback_cooldown)
        self._calls = WeakSet()
        self._closed = False
        self._defaults = defaults
        self._fallback_clients = _checked_clients(fallback_clients)
        gateways = [gateway, *(client._gateway for client in self._fallback_clients)]
        self._keys = KnownKeys([each.key or each.secret for each in gateways])
        self._options = checked_options(options or {})
        self._parent = None
        self._views = WeakSet()
        self._gateway = gateway
        with _building:
            _clients.add(self)

    @property
    def has_provider_routing(self) -> bool:
        """Whether all gateways that a call may reach, fallbacks included, are OpenRouter."""
        return all(client._gateway.is_openrouter for client in (self, *self._fallback_clients))

    def resolve_model(self, model: str | None = None) -> str:
        """Return the id of a call's model: the given one with aliases resolved, or the default."""
        return resolve_model_alias(model or self._defaults.model, self._aliases)

    @property
    def base_url(self) -> str:
        """The base URL of the gateway."""
        return self._gateway.url

    @property
    def provider_name(self) -> str:
        """Who is asked, in the words of OpenTelemetry's conventions, such as `openrouter`, `anthropic` or `groq`."""
        return self._gateway.provider_name

    @property
    def timeouts(self) -> Timeouts:
        """The default deadlines."""
        return self._defaults.timeouts

    @property
    def key_fingerprint(self) -> str:
        """A fingerprint of the keys, including those of fallback clients, that does not reveal them."""
        keys = [client._gateway.fingerprint for client in (self, *self._fallback_clients)]
        return keys[0] if len(keys) == 1 else fingerprint_of("".join(keys))

    @property
    def default_options(self) -> CallOptions:
        """The options of every call."""
        return self._options

    def with_options(self, *, model: str | None = None, **options: Unpack[CallOptions]) -> Self:
        """Return a view of this client with other defaults, such as `client.with_options(temperature=0)`.

        It shares the connections, and closing it closes nothing: close this client.

        Args:
            model: The default model.
            **options: `CallOptions` of every call; those of a call win over them.

        Raises:
            TypeError: An option is unknown, or has a wrong type.
            ValueError: An option is out of range.
        """
        merged = checked_options(merged_options(self._options, options))
        defaults = self._defaults if model is None else replace(self._defaults, model=model)
        view, root = object.__new__(type(self)), self._parent or self
        vars(view).update(vars(self), _options=merged, _defaults=defaults, _parent=root)
        root._views.add(view)
        return view

    def stream_chat(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> ChatStream:
        """Return the answer as a stream of chunks, the last of which is `done` with the result and its usage.

        Nothing is sent before the stream is iterated, entered or its result is awaited.

        Args:
            messages: One user message as a `str`, or a conversation.
            model: The model to ask, or an alias of one; else the client's default.
            **options: `CallOptions`: `max_tokens`, `temperature`, `top_p`, `tools`, `timeout`, `extra_body` and more.

        Raises:
            TypeError: An option is unknown, or an option or a message has a wrong type; raised at once, as is the next.
            ValueError: An option is out of range, or a message or a header is invalid.
            AiError: The call failed; raised while reading, with what had arrived in `partial`.
        """
        from raptscallions_ai._call.call import CallPolicy, GatewayCall
        from raptscallions_ai._dialects.request import build_request

        if self._options:
            options = merged_options(self._options, options)
        defaults = self._defaults
        usage, on_interrupt = options.get("require_usage"), options.get("on_interrupt")
        model = self.resolve_model() if model is None else model
        request = build_request(messages, model=model, options=options, aliases=self._aliases)
        routes = self._routes(request.model, options)
        recovery = Recovery(
            routes,
            on_interrupt=_on_interrupt(on_interrupt, defaults, alone=len(routes) == 1),
            prefill=options.get("prefill"),
            after_content_policy=bool(options.get("fallback_on_content_policy")),
        )
        policy = CallPolicy(
            total=routes[0].timeouts.total,
            require_usage=defaults.require_usage if usage is None else usage,
            include_waiting=bool(options.get("include_waiting")),
            resend=options.get("resend") is not False,
            max_event_bytes=defaults.max_event_bytes,
            log_content=defaults.log_content,
        )
        call = GatewayCall(request, recovery, policy, secrets=self._keys)
        self._calls.add(call)
        return ChatStream(call)

    async def warm_up(self) -> None:
        """Load what a call needs and connect to the gateway, so that the first call waits for neither.

        Only the TLS handshake is sent. It is not an error if the gateway cannot be reached: the first call
        reports that. It takes ten seconds at most, or the `connect` deadline if that is less.

        Raises:
            AiError: The client is closed.
        """
        running_loop()
        gateway = self._open_gateway()
        await asyncio.to_thread(_load_what_a_call_needs)
        within = min(_LONGEST_WARM_UP, self._defaults.timeouts.connect or _LONGEST_WARM_UP)
        await gateway.connections.warm_up(within=within)

    async def models(self) -> list[ModelInfo]:
        """Return the models that are offered.

        Raises:
            NotSupportedError: The client cannot ask for them.
            AiError: The list could not be fetched.
        """
        raise NotSupportedError(f"{self._name} has no list of models")

    async def list_models(self) -> list[str]:
        """Return the ids of the models that are offered; `models` tells more of each.

        Raises:
            AiError: The list could not be fetched.
        """
        return [model.id for model in await self.models()]

    async def count_tokens(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> int:
        """Return how many tokens a request would have, as the host counts them; nothing is generated or billed.

        Args:
            messages: One user message as a `str`, or a conversation.
            model: The model; else the client's default.
            **options: The options of the call, of which those that are a part of the prompt count.

        Raises:
            NotSupportedError: The host does not count tokens; `prices.estimate_tokens` tells about how many they are.
            AiError: The tokens could not be counted.
        """
        raise NotSupportedError(
            f"{self._name} cannot count tokens; prices.estimate_tokens tells about how many they are"
        )

    async def aclose(self) -> None:
        """Close the client and end all its calls; it cannot be used afterwards. Safe to call again.

        Connections are shared by the clients of one gateway, and closed with the last of them.
        """
        if self._parent is not None:
            return
        for client in (self, *self._views):
            client._closed = True
        for call in list(self._calls):
            await call.aclose()
        await self._gateway.connections.aclose()

    async def close(self) -> None:
        """The same as `aclose`."""
        await self.aclose()

    def _api(
        self,
        *,
        timeout: float | Timeouts | None = None,
        max_retries: int | None = None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> JsonApi:
        """Return what asks the gateway for anything but an answer."""
        from raptscallions_ai._call.document import JsonApi

        return JsonApi(
            self._open_gateway(),
            self._defaults.timeouts if timeout is None else Timeouts.of(timeout),
            max_retries=self._defaults.max_retries if max_retries is None else checked_retries(max_retries),
            headers=extra_headers,
        )

    def _facts(self, model: str) -> ModelFacts:
        """Return what is known of a model, without asking anybody."""
        return NO_FACTS

    def _look_up(self, timeouts: Timeouts, max_retries: int, headers: Mapping[str, str] | None) -> LookUp | None:
        """Return what looks up the usage of an answer that did not tell it; None where that cannot be had."""
        return None

    def _open_gateway(self) -> Gateway:
        """Return the gateway, unless the client is closed.

        Raises:
            AiError: It is closed.
        """
        if self._closed:
            raise AiError("This client is closed; build a new one")
        return self._gateway

    def _routes(self, model: str, options: CallOptions) -> list[Route]:
        """Return the ways to an answer from this client and its fallbacks, the first choice first."""
        given = options.get("fallback_models")
        models = [model, *self._resolved(self._defaults.fallback_models if given is None else checked_models(given))]
        routes = [self._route(name, options) for name in dict.fromkeys(models)]
        default = self.resolve_model() if self._fallback_clients else model
        for client in self._fallback_clients:
            own = client.resolve_model()
            # Of the same gateway another key is wanted, or the other model that the client is for.
            same = client._gateway.url == self._gateway.url and (own == default or model != default)
            first = model if same else own
            models = [first, *client._resolved(client._defaults.fallback_models)]
            routes += [client._route(name, options) for name in dict.fromkeys(models)]
        return routes

    def _resolved(self, models: Sequence[str]) -> list[str]:
        return [resolve_model_alias(name, self._aliases) for name in models]

    def _route(self, model: str, options: CallOptions) -> Route:
        timeout, retries = options.get("timeout"), options.get("max_retries")
        timeouts = self._defaults.timeouts if timeout is None else Timeouts.of(timeout)
        max_retries = self._defaults.max_retries if retries is None else checked_retries(retries)
        return Route(
            gateway=self._open_gateway(),
            model=model,
            timeouts=timeouts,
            max_retries=max_retries,
            breakers=self._breakers,
            waits_by_default=timeout is None and self._defaults.waits_by_default,
            facts=self._facts(model),
            price=self._price,
            look_up=self._look_up(timeouts, max_retries, options.get("extra_headers")),
        )

    @property
    def _name(self) -> str:
        return type(self).__name__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled or copied: it holds connections and the key; pickle its settings")

    def __del__(self) -> None:
        gateway: Gateway | None = self.__dict__.get("_gateway")
        if gateway is not None and self._parent is None and gateway.connections.is_open:
            article = "An" if self._name[0] in "AEIO" else "A"
            message = (
                f"{article} {self._name} was not closed; use it in a `with` or `async with` statement, or close it"
            )
            warnings.warn(message, ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        if (gateway := self.__dict__.get("_gateway")) is None:
            return f"{self._name}(not built)"
        return f"{self._name}(base_url={gateway.url!r}, default_model={self._defaults.model!r})"


async def close_all_clients() -> None:
    """Close every client of this process, whichever loop uses it, and all connections.

    Use it when a service shuts down: calls that still run end with an error whose `partial` has what had arrived.
    `openrouter_client` can be used again afterwards, and so can clients that are built later.
    """
    from raptscallions_ai._transport.pool import close_all_pools

    with _building:
        clients = list(_clients)
    await asyncio.gather(*(client.aclose() for client in clients))
    await close_all_pools()  # those of clients that were dropped without being closed


close_all_cloud_clients = close_all_clients
"""The same, under the name that it has in the library whose programs this one runs, too."""


def _load_what_a_call_needs() -> None:
    from raptscallions_ai._call import call
    from raptscallions_ai._dialects import request

    del call, request  # their import was the point


def _on_interrupt(given: OnInterrupt | None, defaults: CallDefaults, *, alone: bool) -> OnInterrupt:
    """Return what to do when an answer breaks off; with fallbacks the default is to use them."""
    if given is not None:
        return checked_on_interrupt(given)
    return defaults.on_interrupt or ("fail" if alone else "restart")


def _checked_clients(clients: Sequence[EngineClient]) -> tuple[EngineClient, ...]:
    for client in cast("Sequence[object]", clients):
        if not isinstance(client, EngineClient):
            raise TypeError(f"fallback_clients must be OpenRouterClients, not {type(client).__name__}")
    return tuple(clients)
