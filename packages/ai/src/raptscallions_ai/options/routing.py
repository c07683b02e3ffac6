"""Names of models: the parts of an id, OpenRouter's variants, and short names for long ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import cast
from urllib.parse import urlsplit

__all__ = [
    "MODEL_ALIASES",
    "NO_ALIASES",
    "ModelId",
    "RouteVariant",
    "apply_variant",
    "checked_aliases",
    "default_aliases",
    "parse_model_id",
    "resolve_model_alias",
]


class RouteVariant(StrEnum):
    """A suffix of a model id by which OpenRouter chooses among models or providers (guide "Model variants")."""

    DEFAULT = ""
    """No suffix: the gateway's usual choice."""
    FREE = "free"
    """The model without charge, with low limits."""
    EXTENDED = "extended"
    """The model with a longer context."""
    THINKING = "thinking"
    """The model with reasoning; not for Claude, which takes `reasoning` instead."""
    NITRO = "nitro"
    """The fastest providers first, those of a higher price among them."""
    FLOOR = "floor"
    """The cheapest providers first, those of `service_tier` flex among them."""
    EXACTO = "exacto"
    """The providers first whose tool calls are best."""
    ONLINE = "online"
    """With a web search; deprecated by OpenRouter in favour of its web search tool."""


MODEL_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "claude-3-opus": "anthropic/claude-3-opus",
        "claude-3-sonnet": "anthropic/claude-3-sonnet",
        "claude-3-haiku": "anthropic/claude-3-haiku",
        "gpt-4": "openai/gpt-4",
        "gpt-4-turbo": "openai/gpt-4-turbo",
        "gpt-4o": "openai/gpt-4o",
        "gpt-3.5-turbo": "openai/gpt-3.5-turbo",
        "gemini-pro": "google/gemini-pro",
        "gemini-ultra": "google/gemini-ultra",
        "llama-3-70b": "meta-llama/llama-3-70b-instruct",
        "mixtral-8x7b": "mistralai/mixtral-8x7b-instruct",
    }
)
"""Short names that a client of OpenRouter itself understands, unless it is given others."""

NO_ALIASES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ModelId:
    """The parts of a model id; `str()` puts them together again.

    Attributes:
        author: Who made the model, such as `anthropic`; `openrouter` for a router. None if the id has no author.
        slug: The model's own name, such as `claude-sonnet-4`; empty if the id is a preset's alone.
        variants: Its suffixes in order, such as `free` and `online`; unknown ones as plain text.
        preset: The slug of a preset, without `@preset/`.
        latest: Whether it stands for the newest model of a family, as `~anthropic/claude-sonnet-latest` does.
    """

    author: str | None
    slug: str
    variants: tuple[RouteVariant | str, ...] = ()
    preset: str | None = None
    latest: bool = False

    @property
    def base(self) -> str:
        """The id without variants and preset."""
        author = "" if self.author is None else f"{self.author}/"
        return f"{'~' if self.latest else ''}{author}{self.slug}"

    @property
    def variant(self) -> RouteVariant | str | None:
        """The first variant, or None."""
        return self.variants[0] if self.variants else None

    @property
    def is_router(self) -> bool:
        """Whether it is a router of OpenRouter's, such as `openrouter/auto`, which chooses the model itself."""
        return self.author == "openrouter"

    def __str__(self) -> str:
        preset = "" if self.preset is None else f"@preset/{self.preset}"
        return "".join((self.base, *(f":{variant}" for variant in self.variants), preset))


def parse_model_id(model_id: str) -> ModelId:
    """Return the parts of a model id.

    Args:
        model_id: Such as `openai/gpt-4o`, `openai/gpt-4o:nitro`, `~anthropic/claude-sonnet-latest`,
            `openrouter/auto`, `@preset/support` or `openai/gpt-4o@preset/support`.

    Raises:
        ValueError: A part of it is empty.
    """
    model, at, preset = model_id.partition("@preset/")
    base, *variants = model.split(":")
    latest = base.startswith("~")
    author, slash, slug = base.removeprefix("~").partition("/")
    if not slash:
        author, slug = "", author
    parts = [*variants, *([author] if slash else []), *([preset] if at else [])]
    if base or variants or not at:  # else it is a preset alone
        parts.append(slug)
    if not all(part.strip() for part in parts):
        raise ValueError("a model id must not have empty parts; it looks like author/name:variant or @preset/name")
    return ModelId(author or None, slug, tuple(map(_variant, variants)), preset if at else None, latest)


def apply_variant(model_id: str, variant: RouteVariant | str) -> str:
    """Return a model id with a variant; several can be applied one after the other.

    Args:
        model_id: A model id; one that has the variant already stays as it is.
        variant: A `RouteVariant`, or a newer suffix, without its colon.

    Raises:
        ValueError: The id is only a preset, to which a variant cannot be applied, or it has empty parts.
    """
    parsed = parse_model_id(model_id)
    if not variant or variant in parsed.variants:
        return model_id
    if not parsed.slug:
        raise ValueError("a preset cannot have a variant; set it in the preset, or apply it to a model")
    return str(ModelId(parsed.author, parsed.slug, (*parsed.variants, variant), parsed.preset, parsed.latest))


def resolve_model_alias(model_id: str, aliases: Mapping[str, str] = MODEL_ALIASES) -> str:
    """Return the model id that a short name stands for, or the id itself.

    What follows a colon or `@preset/` is kept, so `gpt-4o:nitro` is `openai/gpt-4o:nitro`. A name with a slash before
    that is never an alias.

    Args:
        model_id: A model id or a short name.
        aliases: Short names and what they stand for.

    Raises:
        TypeError: The id is not a `str`.
        ValueError: The id is empty.
    """
    if not isinstance(cast("object", model_id), str):
        raise TypeError(f"model must be a str, not {type(model_id).__name__}")
    if not model_id or model_id.isspace():
        raise ValueError("model must not be empty")
    if model_id in aliases:
        return aliases[model_id]
    if not aliases or "/" in (name := model_id.partition("@preset/")[0].partition(":")[0]):
        return model_id
    return aliases.get(name, name) + model_id[len(name) :]


def default_aliases(gateway_url: str) -> Mapping[str, str]:
    """Return the short names that apply where none are given.

    They are OpenRouter's names; another gateway may have a model with the same name.
    """
    return MODEL_ALIASES if is_openrouter(gateway_url) else NO_ALIASES


def is_openrouter(gateway_url: str) -> bool:
    """Whether a gateway is OpenRouter, which offers more than the shared API."""
    host = urlsplit(gateway_url).hostname or ""
    return host == "openrouter.ai" or host.endswith(".openrouter.ai")


def checked_aliases(aliases: Mapping[str, str]) -> Mapping[str, str]:
    """Return a copy of a table of aliases.

    Raises:
        TypeError: It does not map `str` to `str`.
        ValueError: A name is empty or has a slash, or an id is empty.
    """
    if not isinstance(cast("object", aliases), Mapping):
        raise TypeError(f"model_aliases must be a mapping of names to model ids, not {type(aliases).__name__}")
    for name, model_id in cast("Mapping[object, object]", aliases).items():
        if not isinstance(name, str) or not isinstance(model_id, str):
            raise TypeError("model_aliases must map names to model ids")
        if not name.strip() or "/" in name or not model_id.strip():
            raise ValueError("model_aliases must map names without a slash to model ids, none of them empty")
    return dict(aliases)


def _variant(text: str) -> RouteVariant | str:
    return RouteVariant(text) if text in _VARIANTS else text


_VARIANTS = frozenset(map(str, RouteVariant))
