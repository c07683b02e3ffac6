"""The models of a gateway: what each can do, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict, cast
from urllib.parse import parse_qsl, quote, urlsplit

from raptscallions_ai._dialects.fields import count, flag, moment, names, text
from raptscallions_ai._dialects.json import json_list, json_object
from raptscallions_ai.errors import InvalidResponseError, NotSupportedError
from raptscallions_ai.gateway_api.pricing import Pricing, read_pricing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Unpack

    from raptscallions_ai._call.document import JsonApi

__all__ = ["ModelFilter", "ModelInfo", "ReasoningSupport", "filter_models"]

_MOST_PAGES = 100
_ABSURD_PRICE = Decimal("0.01")  # USD for a single token; the dearest models cost less than a tenth of it


@dataclass(frozen=True, slots=True)
class ReasoningSupport:
    """How a model's reasoning can be set.

    Attributes:
        supported_efforts: The values of `reasoning={"effort": ...}` that it takes; None if it takes all.
        default_effort: The effort that it uses by itself, where there is one.
        default_enabled: Whether it reasons without being asked to; None if the gateway does not say.
        supports_max_tokens: Whether it takes a budget, `reasoning={"max_tokens": ...}`; None if unknown.
        mandatory: Whether it always reasons, so that the effort `none` is an error.
    """

    supported_efforts: tuple[str, ...] | None = None
    default_effort: str | None = None
    default_enabled: bool | None = None
    supports_max_tokens: bool | None = None
    mandatory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One model that a gateway offers; other gateways than OpenRouter usually report little more than the id.

    Attributes:
        id: What to pass as `model`.
        canonical_slug: Its permanent name, where it differs from `id` for dated models; empty if unknown.
        name: Its name for people.
        created: When the gateway began to offer it.
        description: What it is, in a few sentences.
        context_length: Tokens that conversation and answer may have together; None if the gateway does not say.
        max_completion_tokens: The most tokens that an answer may have; None if the gateway does not say.
        input_modalities: What it takes: `text`, `image`, `file`, `audio`, `video`.
        output_modalities: What it answers with: `text`, `image`, `audio`, `embeddings`.
        tokenizer: The family of its tokenizer.
        pricing: What it costs.
        supported_parameters: The options that at least one provider of the model supports.
        default_parameters: The values that options have by themselves.
        reasoning: How its reasoning can be set; None if it does not reason, or if that is unknown.
        is_moderated: Whether what is sent to it is moderated; None if unknown.
        expires: When it is withdrawn, if that is announced.
        raw: The entry as the gateway sent it.
    """

    id: str
    canonical_slug: str = ""
    name: str = ""
    created: datetime | None = None
    description: str = field(default="", repr=False)
    context_length: int | None = None
    max_completion_tokens: int | None = None
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    tokenizer: str = ""
    pricing: Pricing = field(default_factory=Pricing)
    supported_parameters: tuple[str, ...] = field(default=(), repr=False)
    default_parameters: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    reasoning: ReasoningSupport | None = None
    is_moderated: bool | None = None
    expires: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def prompt_price(self) -> Decimal | None:
        """USD per token of the conversation; None if unknown."""
        return self.pricing.prompt

    @property
    def completion_price(self) -> Decimal | None:
        """USD per token of the answer; None if unknown."""
        return self.pricing.completion


class ModelFilter(TypedDict, total=False):
    """Which models to return; a model does not match if the gateway does not report the field."""

    supports: Sequence[str]
    """Options that it must support, all of them, such as `tools`, `structured_outputs` or `reasoning`."""
    input_modalities: Sequence[str]
    """What it must take, all of them, such as `image`."""
    output_modalities: Sequence[str]
    """What it must answer with, all of them, such as `embeddings`; OpenRouter lists only `text` by itself."""
    max_prompt_price: Decimal | float
    """The most that it may cost, in USD per token of the conversation, as in `ModelInfo.prompt_price`."""
    max_completion_price: Decimal | float
    """The most that it may cost, in USD per token of the answer, as in `ModelInfo.completion_price`."""
    min_context_length: int
    """The fewest tokens that its context must hold."""


def filter_models(models: Iterable[ModelInfo], **wanted: Unpack[ModelFilter]) -> list[ModelInfo]:
    """Return those models that match, in their order.

    Args:
        models: The models to choose from.
        **wanted: `ModelFilter`; what is left out does not matter.

    Raises:
        TypeError: A condition is unknown, or of a wrong type.
        ValueError: A condition is out of its range; a price may have been given for a million tokens.
    """
    if unknown := sorted(wanted.keys() - ModelFilter.__annotations__.keys()):
        raise TypeError(f"models cannot be filtered by {unknown[0]!r}")
    supports = _checked_names("supports", wanted.get("supports", ()))
    inputs = _checked_names("input_modalities", wanted.get("input_modalities", ()))
    outputs = _checked_names("output_modalities", wanted.get("output_modalities", ()))
    prompt_price = _limit("max_prompt_price", wanted.get("max_prompt_price"))
    completion_price = _limit("max_completion_price", wanted.get("max_completion_price"))
    context = wanted.get("min_context_length", 0)
    if type(context) is not int or context < 0:
        raise ValueError("min_context_length must be a number of tokens, from 0")
    return [
        model
        for model in models
        if supports.issubset(model.supported_parameters)
        and inputs.issubset(model.input_modalities)
        and outputs.issubset(model.output_modalities)
        and (prompt_price is None or (model.prompt_price is not None and model.prompt_price <= prompt_price))
        and (
            completion_price is None
            or (model.completion_price is not None and model.completion_price <= completion_price)
        )
        and (model.context_length or 0) >= context
    ]


async def fetch_models(
    api: JsonApi, query: Mapping[str, object] | None = None, *, path: str = "/models"
) -> list[ModelInfo]:
    """Return the gateway's models, in the order that it lists them, from all pages of the list.

    Args:
        api: The gateway.
        query: Query parameters of the first page; the gateway gives those of the next ones.
        path: Where the list is, below the base URL.

    Raises:
        AiError: The list could not be fetched.
    """
    models: list[ModelInfo] = []
    pages: set[str] = set()
    while len(pages) < _MOST_PAGES:
        try:
            document = await api.get(path, query)
        except NotSupportedError:
            document = None
        if document is None:
            raise InvalidResponseError(f"there is no list of models - check {api.gateway.url_name}")
        models += _read_list(document, api.gateway.url_name)
        following = text(json_object(json_object(document).get("links")), "next")
        if following is None or following in pages:
            break
        pages.add(following)
        query = dict(parse_qsl(urlsplit(following).query))  # of the address only this is used: the host stays ours
    return models


async def fetch_model(api: JsonApi, model_id: str) -> ModelInfo | None:
    """Return one model by its id, with an alias or a variant; None if the gateway does not know it.

    Raises:
        NotSupportedError: The gateway only has a list of models.
        AiError: The model could not be looked up.
    """
    document = await api.get(f"/model/{model_path(model_id)}")
    entry = json_object(json_object(document).get("data"))
    return read_model(entry) if isinstance(entry.get("id"), str) else None


def find_model(models: Iterable[ModelInfo], model_id: str) -> ModelInfo | None:
    """Return the model of an id, or else of a permanent name."""
    listed = list(models)
    by_id = (model for model in listed if model.id == model_id)
    return next(by_id, None) or next((model for model in listed if model.canonical_slug == model_id), None)


def model_path(model_id: str) -> str:
    """Return a model's id as a part of a path.

    Raises:
        ValueError: It is not an id.
    """
    parts = model_id.split("/")
    if not model_id.strip() or any(part in ("", ".", "..") for part in parts):
        raise ValueError("a model's id looks like name or author/name")
    return quote(model_id, safe="/:@~")


def read_model(entry: Mapping[str, Any]) -> ModelInfo:
    """Return a model as its entry in a list describes it."""
    architecture, top = json_object(entry.get("architecture")), json_object(entry.get("top_provider"))
    # llama.cpp and vLLM tell the length that they were started with in places of their own.
    context = count(entry, "context_length", "max_model_len") or count(json_object(entry.get("meta")), "n_ctx")
    return ModelInfo(
        id=entry["id"],
        canonical_slug=text(entry, "canonical_slug") or "",
        name=text(entry, "name") or entry["id"],
        created=moment(entry, "created"),
        description=text(entry, "description") or "",
        context_length=context or None,
        max_completion_tokens=count(top, "max_completion_tokens"),
        input_modalities=names(architecture, "input_modalities"),
        output_modalities=names(architecture, "output_modalities"),
        tokenizer=text(architecture, "tokenizer") or "",
        pricing=read_pricing(entry.get("pricing")),
        supported_parameters=names(entry, "supported_parameters"),
        default_parameters=json_object(entry.get("default_parameters")),
        reasoning=_reasoning(entry.get("reasoning")),
        is_moderated=flag(top, "is_moderated"),
        expires=moment(entry, "expiration_date"),
        raw=entry,
    )


def _read_list(document: object, url_name: str) -> list[ModelInfo]:
    listed: object = json_object(document).get("data", document)
    if not isinstance(listed, list):
        raise InvalidResponseError(f"it is not a list of models - check {url_name}")
    entries = map(json_object, json_list(cast("object", listed)))
    return [read_model(entry) for entry in entries if isinstance(entry.get("id"), str)]


def _reasoning(value: object) -> ReasoningSupport | None:
    if not isinstance(value, dict):
        return None
    entry = json_object(cast("object", value))
    chosen = isinstance(entry.get("supported_efforts"), list)
    return ReasoningSupport(
        supported_efforts=names(entry, "supported_efforts") if chosen else None,
        default_effort=text(entry, "default_effort"),
        default_enabled=flag(entry, "default_enabled"),
        supports_max_tokens=flag(entry, "supports_max_tokens"),
        mandatory=entry.get("mandatory") is True,
    )


def _checked_names(name: str, given: Sequence[str]) -> frozenset[str]:
    if isinstance(given, str) or not all(isinstance(word, str) for word in cast("Sequence[object]", given)):
        raise TypeError(f"{name} must be a list of names")
    return frozenset(given)


def _limit(name: str, given: Decimal | float | None) -> Decimal | None:
    if given is None:
        return None
    limit = Decimal(str(given))
    if not 0 <= limit < _ABSURD_PRICE:
        raise ValueError(f"{name} is in USD per token, from 0: for a price per million tokens, divide by 1_000_000")
    return limit
