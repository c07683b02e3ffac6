"""`get_provider`: a client by the name of its engine or host."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from raptscallions_ai.client.presets import PRESETS
from raptscallions_ai.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.client.engine import EngineClient

__all__ = ["ENGINES", "get_provider", "key_variables"]

ENGINES = ("openrouter", "anthropic", "ollama")
"""The engines with clients of their own; the others are `PRESETS`."""

_KEYS = {
    "openrouter": ("AI_API_KEY", "OPENROUTER_API_KEY"),
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "ollama": ("OLLAMA_API_KEY",),
}


def key_variables(name: str) -> tuple[str, ...]:
    """Return the environment variables that may hold the key of an engine or a host."""
    if name in PRESETS:
        return PRESETS[name].key_env
    return _KEYS.get(name, ())


def get_provider(
    name: str | None = None, *, api_key: str | None = None, model: str | None = None, **options: Any
) -> EngineClient:
    """Return a client of an engine or a host by its name, or of the one that the environment chooses.

    Args:
        name: `openrouter`, `anthropic`, `ollama`, or one of `PRESETS`, such as `openai` or `groq`; else `AI_ENGINE`,
            whose models `AI_DEFAULT_MODEL` and `AI_FALLBACK_MODELS` are, else `openrouter`.
        api_key: The key; else the host's own environment variable.
        model: The default model; else the host's default.
        **options: Further arguments of that client, such as `base_url`, `timeout` or `max_retries`.

    Raises:
        ValueError: There is no engine and no preset of that name; the message suggests similar ones.
        ConfigurationError: The key is missing, or something is invalid, `AI_ENGINE` included.
        TypeError: The client does not take an option.
    """
    given: dict[str, Any] = {"api_key": api_key}
    del api_key  # a traceback with local variables must not show it if something raises
    if name is None:
        name, options = _chosen_by_the_environment(options)
        default = options.pop("model", None)
        model = model or default
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
            raise ValueError(_no_such_provider(name))


def _chosen_by_the_environment(options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name in `AI_ENGINE`, and the options of its client: those that were given win over the environment's.

    Raises:
        ConfigurationError: There is no engine and no preset of that name.
    """
    from raptscallions_ai.settings import chosen_engine

    name, own = chosen_engine()
    if name in ENGINES or name in PRESETS:
        return name, {**own, **options}
    problem = _no_such_provider(name)
    raise ConfigurationError(f"AI_ENGINE: {problem}", details={"variables": {"AI_ENGINE": problem}})


def _no_such_provider(name: str) -> str:
    known = [*ENGINES, *PRESETS]
    near = get_close_matches(name.lower(), known, 3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    return f"no provider is called {name!r}; {hint}"
