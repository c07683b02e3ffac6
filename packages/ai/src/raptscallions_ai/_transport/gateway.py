"""`Gateway`: one place that answers, and all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from raptscallions_ai._dialects.failures import URL_SETTING
from raptscallions_ai._guards.fingerprint import fingerprint_of
from raptscallions_ai._transport.keys import KnownKeys
from raptscallions_ai.options.routing import is_openrouter

if TYPE_CHECKING:
    from raptscallions_ai._dialects.dialect import Dialect
    from raptscallions_ai._transport.connections import Connections
    from raptscallions_ai._transport.keys import ApiKey

__all__ = ["Gateway"]


@dataclass(frozen=True, slots=True, eq=False)
class Gateway:
    """Where requests go, how, and in which dialect.

    Attributes:
        url: The base URL.
        secret: The key, which must not appear in any message; empty if none is needed. If a function returns
            the key, this stands for it.
        connections: How requests get there.
        dialect: What is spoken there.
        key: Returns the key of each request, if a function does.
        provider: Who answers there, in OpenTelemetry's words; empty for who it is by the URL.
        url_name: What the user set the URL with, for messages that send them there: `AI_GATEWAY_URL` or an argument.
    """

    url: str
    secret: str = field(repr=False)
    connections: Connections
    dialect: Dialect
    url_name: str = URL_SETTING
    provider: str = ""
    key: ApiKey | None = None

    @property
    def fingerprint(self) -> str:
        """What tells this key from others, without telling it."""
        return fingerprint_of(self.secret)

    @property
    def keys(self) -> KnownKeys:
        """The keys that must not appear in any message."""
        return KnownKeys([self.secret if self.key is None else self.key])

    @property
    def provider_name(self) -> str:
        """Who answers there, in OpenTelemetry's words; a gateway of which no more is known speaks OpenAI's API."""
        return "openrouter" if self.is_openrouter else self.provider or "openai"

    @property
    def is_openrouter(self) -> bool:
        """Whether it is OpenRouter, which has more to offer than its dialect says."""
        return is_openrouter(self.url)
