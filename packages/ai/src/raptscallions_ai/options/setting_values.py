"""`SettingValues`: the fields of `AiSettings`, as its constructor takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import SecretStr

    from raptscallions_ai.options.call_options import OnInterrupt

__all__ = ["SettingValues"]


class SettingValues(TypedDict, total=False):
    """The keyword arguments of `AiSettings`; each is the environment variable `AI_` + its name in capitals."""

    allow_insecure: bool
    gateway_url: str
    api_key: str | SecretStr
    engine: str
    default_model: str
    request_timeout_ms: int
    connect_timeout_ms: int
    total_timeout_ms: int | None
    max_retries: int
    on_interrupt: OnInterrupt
    fallback_models: Sequence[str]
    fallback_cooldown_ms: int
    model_aliases: Mapping[str, str] | None
    app_url: str | None
    app_title: str | None
    require_usage: bool
    max_event_bytes: int
    log_content: bool
