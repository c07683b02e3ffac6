"""The engines for code that is not asynchronous; each has the methods of its asynchronous client without `await`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from raptscallions_ai.client.anthropic import AsyncAnthropicClient
from raptscallions_ai.client.engine import EngineClient
from raptscallions_ai.client.openai_compat import AsyncOpenAICompatClient
from raptscallions_ai.client.proxy import AsyncProxyClient
from raptscallions_ai.sync.batching import SyncBatching
from raptscallions_ai.sync.client import SyncChatClient, SyncEngineClient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal, Unpack

    from raptscallions_ai.client.presets import Preset
    from raptscallions_ai.gateway_api.costs import Prices
    from raptscallions_ai.options.call_options import OnInterrupt
    from raptscallions_ai.options.network import NetworkOptions
    from raptscallions_ai.options.timeouts import Timeouts

__all__ = ["AnthropicClient", "OpenAICompatClient", "ProxyClient"]

E = TypeVar("E", bound=EngineClient)


class AnthropicClient(SyncEngineClient[AsyncAnthropicClient], SyncBatching):
    """A client of the Anthropic Messages API; `AsyncAnthropicClient` describes the arguments."""

    def __init__(
        self,
        api_key: str | None = None,
        model: str | None = None,
        *,
        base_url: str | None = None,
        auth: Literal["bearer", "x-api-key"] = "bearer",
        betas: Sequence[str] = (),
        api_version: str = "2023-06-01",
        max_tokens: int | None = None,
        prices: Prices | None = None,
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
            AsyncAnthropicClient(
                given.pop("api_key"),
                model,
                base_url=base_url,
                auth=auth,
                betas=betas,
                api_version=api_version,
                max_tokens=max_tokens,
                prices=prices,
                timeout=timeout,
                max_retries=max_retries,
                on_interrupt=on_interrupt,
                fallback_models=fallback_models,
                fallback_clients=self._async_clients(fallback_clients),
                **network,
            )
        )

    @property
    def _batching(self) -> AsyncAnthropicClient:
        return self._client


class OpenAICompatClient(SyncEngineClient[AsyncOpenAICompatClient], SyncBatching):
    """A client of any host that speaks chat completions; `AsyncOpenAICompatClient` describes the arguments."""

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
        fallback_clients: Sequence[SyncChatClient[Any]] = (),
        **network: Unpack[NetworkOptions],
    ) -> None:
        given: dict[str, Any] = {"api_key": api_key}
        del api_key  # a traceback with local variables must not show it if the next line raises
        super().__init__(
            AsyncOpenAICompatClient(
                given.pop("api_key"),
                base_url,
                model,
                preset=preset,
                headers=headers,
                prices=prices,
                timeout=timeout,
                max_retries=max_retries,
                on_interrupt=on_interrupt,
                fallback_models=fallback_models,
                fallback_clients=self._async_clients(fallback_clients),
                **network,
            )
        )

    @property
    def _batching(self) -> AsyncOpenAICompatClient:
        return self._client


class ProxyClient(SyncEngineClient[AsyncProxyClient]):
    """A client of a proxy that holds the keys; `AsyncProxyClient` describes the arguments."""

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
        fallback_clients: Sequence[SyncChatClient[Any]] = (),
        **network: Unpack[NetworkOptions],
    ) -> None:
        given: dict[str, Any] = {"auth_token": auth_token}
        del auth_token  # a traceback with local variables must not show it if the next line raises
        super().__init__(
            AsyncProxyClient(
                proxy_url,
                given.pop("auth_token"),
                model=model,
                timeout=timeout,
                max_retries=max_retries,
                on_interrupt=on_interrupt,
                fallback_models=fallback_models,
                fallback_clients=self._async_clients(fallback_clients),
                **network,
            )
        )
