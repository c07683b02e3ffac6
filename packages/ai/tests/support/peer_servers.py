"""Which servers of other people there are in a test, once they run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Aimock", "LiteLLM", "OllamaProxy"]


@dataclass(frozen=True)
class Aimock:
    """A running aimock: the root URL, and the key that it accepts."""

    url: str
    api_key: str = "aimock-accepts-this-key"


@dataclass(frozen=True)
class LiteLLM:
    """A running LiteLLM proxy: its base URL, the key that it accepts, and the model that chats."""

    base_url: str
    api_key: str = "sk-litellm-accepts-this-key"
    model: str = "small"


@dataclass(frozen=True)
class OllamaProxy:
    """A running server that speaks Ollama's API in front of another model: its root URL, and the model that chats."""

    url: str
    model: str
