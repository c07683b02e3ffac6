"""`AsyncProxyClient`: models behind a proxy that holds the keys."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from raptscallions_ai._call.defaults import CallDefaults
from raptscallions_ai._version import __version__
from raptscallions_ai.client.engine import EngineClient
from raptscallions_ai.client.engine_settings import engine_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai.answer.stream import ChatStream
    from raptscallions_ai.gateway_api.models import ModelInfo
    from raptscallions_ai.messages.message import Messages
    from raptscallions_ai.options.call_options import CallOptions, OnInterrupt
    from raptscallions_ai.options.network import NetworkOptions
    from raptscallions_ai.options.timeouts import Timeouts

__all__ = ["AsyncProxyClient"]

_UNNAMED = "the-proxys-choice"


class AsyncProxyClient(EngineClient):
    """A client of a proxy: of `proxy_app`, or of one that tinyagent's or pi's agents are pointed at.

    It has no key of a gateway, but a token of the proxy's. Everything else is as with every client: retries, deadlines,
    tools, typed errors, and an answer that breaks off is an error. With `proxy_app` nothing is lost on the way: results
    and errors arrive as they left, and a retry never asks twice for what is already being answered. Another proxy knows
    the options `temperature`, `max_tokens` and `reasoning`, texts and images; more is refused.

    Args:
        proxy_url: Where the proxy is, such as `https://example.com/ai`; `/api/stream` below it is asked.
        auth_token: The token that the proxy gave out.
        model: The default model, by the name that the proxy has for it; else the proxy's choice.
        timeout: Seconds until the first content and between each next, or `Timeouts`; else as the `AI_*` settings say.
        max_retries: Further attempts before the first content, 0 to 5.
        on_interrupt: What to do when an answer breaks off: `fail`, `restart` or `continue`.
        fallback_models: Models to ask in order when the first one fails or is silent.
        fallback_clients: Clients to ask after those, of whatever engine. They are not closed with this client.
        **network: `NetworkOptions`: `verify`, `cert` and `proxy`, which is an HTTP proxy on the way to this one.

    Raises:
        ConfigurationError: The URL or the token is invalid; the URL must be https unless it is this machine's.
        ValueError: `timeout` is not positive.
    """

    def __init__(
        self,
        proxy_url: str,
        auth_token: str,
        *,
        model: str | None = None,
        timeout: float | Timeouts | None = None,
        max_retries: int | None = None,
        on_interrupt: OnInterrupt | None = None,
        fallback_models: Sequence[str] | None = None,
        fallback_clients: Sequence[EngineClient] = (),
        **network: Unpack[NetworkOptions],
    ) -> None:
        given: dict[str, Any] = {"api_key": auth_token, "max_retries": max_retries}
        del auth_token  # a traceback with local variables must not show it if the next line raises
        given |= {"gateway_url": proxy_url, "default_model": model or _UNNAMED}
        settings = engine_settings("proxy", given, names={"AI_GATEWAY_URL": "proxy_url", "AI_API_KEY": "auth_token"})
        super().__init__(
            _gateway(settings.gateway_url, settings.api_key.get_secret_value(), network),
            CallDefaults.of(settings, timeout=timeout, on_interrupt=on_interrupt, fallback_models=fallback_models),
            aliases={},
            fallback_clients=fallback_clients,
        )

    def stream_chat(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> ChatStream:
        """Return the answer as a stream of chunks, the last of which is `done` with the result and its usage.

        An `Idempotency-Key` goes along, so that a retry joins the answer that is already being given. One of your own
        goes into `extra_headers`.

        Args:
            messages: One user message as a `str`, or a conversation.
            model: The model to ask, by the name that the proxy has for it; else the client's default.
            **options: `CallOptions`, of which the proxy allows some.

        Raises:
            TypeError: An option is unknown, or an option or a message has a wrong type; raised at once, as is the next.
            ValueError: An option is out of range, or a message or a header is invalid.
            AiError: The call failed; raised while reading, with what had arrived in `partial`.
        """
        from raptscallions_ai._dialects.proxy.dialect import CALL_ID

        headers = options.get("extra_headers") or {}
        if not any(name.lower() == "idempotency-key" for name in headers):
            options["extra_headers"] = {**headers, CALL_ID: uuid.uuid4().hex}
        return super().stream_chat(messages, model=model, **options)

    async def models(self) -> list[ModelInfo]:
        """Return the models that this client may ask, by the names that the proxy has for them.

        Raises:
            AiError: The proxy has no list of models, or it could not be had.
        """
        from raptscallions_ai._call.document import JsonApi
        from raptscallions_ai.gateway_api.models import fetch_models

        api = JsonApi(self._open_gateway(), self._defaults.timeouts, max_retries=self._defaults.max_retries)
        return await fetch_models(api, path="/v1/models")

    async def list_models(self) -> list[str]:
        """Return the names of the models that this client may ask.

        Raises:
            AiError: The list could not be fetched.
        """
        return [model.id for model in await self.models()]


def _gateway(url: str, token: str, network: NetworkOptions) -> Gateway:
    from raptscallions_ai._dialects.proxy.dialect import ProxyDialect
    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai._transport.http.network import Network
    from raptscallions_ai._transport.http_connections import HttpConnections

    headers = {"User-Agent": f"raptscallions-ai/{__version__}", "Accept-Encoding": "identity"}
    headers["Authorization"] = f"Bearer {token}"
    connections = HttpConnections(base_url=url, headers=headers, network=Network.of(network))
    return Gateway(url, token, connections, ProxyDialect(unnamed=_UNNAMED), "proxy_url")
