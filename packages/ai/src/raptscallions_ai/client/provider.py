"""`get_provider`: a client by the name of its engine or host."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from raptscallions_ai.client.presets import PRESETS

if TYPE_CHECKING:
    from raptscallions_ai.client.engine import EngineClient

__all__ = ["ENGINES", "get_provider"]

ENGINES = ("openrouter", "anthropic", "ollama")
"""The engines with clients of their own; the others are `PRESETS`."""


def get_provider(name: str, *, api_key: str | None = None, model: str | None = None, **options: Any) -> EngineClient:
    """Return a client of an engine or a host by its name.

    Args:
        name: `openrouter`, `anthropic`, `ollama`, or one of `PRESETS`, such as `openai` or `groq`.
        api_key: The key; else the host's own environment variable.
        model: The default model; else the host's default.
        **options: Further arguments of that client, such as `base_url`, `timeout` or `max_retries`.

    Raises:
        ValueError: There is no engine and no preset of that name; the message suggests similar ones.
        ConfigurationError: The key is missing, or something is invalid.
        TypeError: The client does not take an option.
    """
    given: dict[str, Any] = {"api_key": api_key}
    del api_key  # a traceback with local variables must not show it if something raises
    match name:
        case "openrouter":
            from raptscallions_ai.client.openrouter import OpenRouterClient

            return OpenRouterClient(given.pop("api_key"), default_model=model, **options)
        case "anthropic":
            from raptscallions_ai.client.anthropic import AsyncAnthropicClient

            return AsyncAnthropicClient(given.pop("api_key"), model, **options)
        case "ollama":
            from raptscallions_ai.client.ollama import AsyncOllamaClient

            return AsyncOllamaClient(model, api_key=given.pop("api_key"), **options)
        case _ if name in PRESETS:
            from raptscallions_ai.client.openai_compat import AsyncOpenAICompatClient

            return AsyncOpenAICompatClient(given.pop("api_key"), model=model, preset=name, **options)
        case _:
            known = [*ENGINES, *PRESETS]
            near = get_close_matches(name.lower(), known, 3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise ValueError(f"no provider is called {name!r}; {hint}")
