"""The providers behind a gateway that serve a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.fields import count, flag, names, number, text
from raptscallions_ai._dialects.json import json_list, json_object
from raptscallions_ai.errors import InvalidResponseError, ModelNotAvailableError
from raptscallions_ai.gateway_api.models import model_path
from raptscallions_ai.gateway_api.pricing import Pricing, read_pricing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai._call.document import JsonApi

__all__ = ["ModelEndpoint", "Percentiles", "ProviderInfo", "fetch_endpoints", "fetch_providers"]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """A measured figure: half of all requests are at or below `p50`, and so on; None if there is no figure."""

    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEndpoint:
    """One provider's way of serving a model.

    Attributes:
        provider: The provider's name.
        tag: What to name in `provider={"only": [...]}` or `"order"`, such as `deepinfra/fp8`.
        name: The endpoint's name for people.
        context_length: Tokens that conversation and answer may have together.
        max_completion_tokens: The most tokens of an answer.
        max_prompt_tokens: The most tokens of a conversation.
        quantization: How exact the weights are, such as `fp8`.
        pricing: What it costs; its `discount` is not taken off yet.
        supported_parameters: The options that it supports.
        supports_implicit_caching: Whether it caches prompts by itself; None if unknown.
        status: 0 if it is in order, less if it is not.
        uptime_5m: Percent of requests that it answered in the last five minutes.
        uptime_30m: The same of the last half hour.
        uptime_1d: The same of the last day.
        latency: Seconds to the first token in the last half hour; only with a key.
        throughput: Tokens per second in the last half hour; only with a key.
        raw: The entry as the gateway sent it.
    """

    provider: str
    tag: str = ""
    name: str = ""
    context_length: int | None = None
    max_completion_tokens: int | None = None
    max_prompt_tokens: int | None = None
    quantization: str | None = None
    pricing: Pricing = field(default_factory=Pricing)
    supported_parameters: tuple[str, ...] = field(default=(), repr=False)
    supports_implicit_caching: bool | None = None
    status: int | None = None
    uptime_5m: float | None = None
    uptime_30m: float | None = None
    uptime_1d: float | None = None
    latency: Percentiles = field(default_factory=Percentiles)
    throughput: Percentiles = field(default_factory=Percentiles)
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderInfo:
    """One provider that a gateway can use.

    Attributes:
        name: Its name, as in `ChatResult.provider`.
        slug: What to name in `provider={"only": [...]}` or `"order"`.
        headquarters: The country of its seat, as two letters.
        datacenters: The countries of its data centres.
        privacy_policy_url: Its privacy policy.
        terms_of_service_url: Its terms of service.
        status_page_url: Its status page.
        raw: The entry as the gateway sent it.
    """

    name: str
    slug: str
    headquarters: str | None = None
    datacenters: tuple[str, ...] = ()
    privacy_policy_url: str | None = None
    terms_of_service_url: str | None = None
    status_page_url: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


async def fetch_endpoints(api: JsonApi, model_id: str) -> list[ModelEndpoint]:
    """Return who serves a model.

    Raises:
        ModelNotAvailableError: The gateway does not know the model.
        NotSupportedError: The gateway does not offer this.
        AiError: The list could not be fetched.
    """
    document = await api.get(f"/models/{model_path(model_id)}/endpoints")
    if document is None:
        raise ModelNotAvailableError(model_id)
    entry = json_object(json_object(document).get("data"))
    if "endpoints" not in entry:
        raise InvalidResponseError("it is not a list of endpoints")
    return [_endpoint(json_object(each)) for each in json_list(entry["endpoints"])]


async def fetch_providers(api: JsonApi) -> list[ProviderInfo]:
    """Return the gateway's providers.

    Raises:
        NotSupportedError: The gateway does not offer this.
        AiError: The list could not be fetched.
    """
    document = json_object(await api.get("/providers"))
    if "data" not in document:
        raise InvalidResponseError("it is not a list of providers")
    return [_provider(json_object(each)) for each in json_list(document["data"])]


def _endpoint(entry: Mapping[str, Any]) -> ModelEndpoint:
    status = entry.get("status")
    return ModelEndpoint(
        provider=text(entry, "provider_name") or "",
        tag=text(entry, "tag") or "",
        name=text(entry, "name") or "",
        context_length=count(entry, "context_length"),
        max_completion_tokens=count(entry, "max_completion_tokens"),
        max_prompt_tokens=count(entry, "max_prompt_tokens"),
        quantization=text(entry, "quantization"),
        pricing=read_pricing(entry.get("pricing")),
        supported_parameters=names(entry, "supported_parameters"),
        supports_implicit_caching=flag(entry, "supports_implicit_caching"),
        status=status if isinstance(status, int) and not isinstance(status, bool) else None,
        uptime_5m=number(entry, "uptime_last_5m"),
        uptime_30m=number(entry, "uptime_last_30m"),
        uptime_1d=number(entry, "uptime_last_1d"),
        latency=_percentiles(entry.get("latency_last_30m")),
        throughput=_percentiles(entry.get("throughput_last_30m")),
        raw=entry,
    )


def _percentiles(value: object) -> Percentiles:
    entry = json_object(value)
    return Percentiles(*(number(entry, name) for name in ("p50", "p75", "p90", "p99")))


def _provider(entry: Mapping[str, Any]) -> ProviderInfo:
    return ProviderInfo(
        name=text(entry, "name") or "",
        slug=text(entry, "slug") or "",
        headquarters=text(entry, "headquarters"),
        datacenters=names(entry, "datacenters"),
        privacy_policy_url=text(entry, "privacy_policy_url"),
        terms_of_service_url=text(entry, "terms_of_service_url"),
        status_page_url=text(entry, "status_page_url"),
        raw=entry,
    )
