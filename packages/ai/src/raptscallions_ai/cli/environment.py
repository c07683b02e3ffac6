"""Who is asked, and what a person has set that with, so that they know what to correct."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Endpoint", "endpoint_of", "key_source"]

_URL_SETTINGS = {"openrouter": "AI_GATEWAY_URL", "anthropic": "ANTHROPIC_BASE_URL", "ollama": "OLLAMA_HOST"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who is asked.

    Attributes:
        engine: The engine, or the host, by its name.
        url: Where it is.
        url_setting: What its URL was set with.
        key_source: Where its key is from; empty if it has none.
    """

    engine: str
    url: str
    url_setting: str
    key_source: str


def endpoint_of(engine: str, url: str) -> Endpoint:
    """Return what a person has to know of an engine that is asked at this URL."""
    return Endpoint(engine, url, _URL_SETTINGS.get(engine, f"the engine {engine}"), key_source(engine))


def key_source(engine: str = "openrouter") -> str:
    """Return where an engine's key is from: the variable, and whether it stands in the environment or in `.env`."""
    from raptscallions_ai.client.provider import key_variables
    from raptscallions_ai.settings import setting_sources, source_of

    if engine == "openrouter":
        return setting_sources().get("api_key", "the environment")
    return source_of(key_variables(engine)) or ""
