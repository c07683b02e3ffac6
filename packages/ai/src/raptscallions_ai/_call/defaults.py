"""`CallDefaults`: how a client makes its calls, where a call does not say otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raptscallions_ai._call.recovery import checked_models, checked_on_interrupt
from raptscallions_ai.options.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.options.call_options import OnInterrupt
    from raptscallions_ai.settings import AiSettings

__all__ = ["CallDefaults"]


@dataclass(frozen=True, slots=True)
class CallDefaults:
    """How a client makes its calls, where a call does not say otherwise.

    Attributes:
        model: The default model.
        timeouts: How long to wait.
        max_retries: Further attempts before the first content.
        on_interrupt: What to do when an answer breaks off; None if it was not set.
        waits_by_default: Whether no timeout was set.
        fallback_models: Models to ask in order when the first one fails.
        fallback_cooldown: Seconds for which a route that keeps failing is left alone.
        require_usage: Whether an answer without usage is an error.
        max_event_bytes: The largest event or body.
        log_content: Whether prompts and answers may be written to the debug log.
    """

    model: str
    timeouts: Timeouts
    max_retries: int
    on_interrupt: OnInterrupt | None
    waits_by_default: bool
    fallback_models: tuple[str, ...]
    fallback_cooldown: float
    require_usage: bool
    max_event_bytes: int
    log_content: bool

    @classmethod
    def of(
        cls,
        settings: AiSettings,
        *,
        timeout: float | Timeouts | None,
        on_interrupt: OnInterrupt | None,
        fallback_models: Sequence[str] | None,
        fallback_cooldown: float | None = None,
    ) -> CallDefaults:
        """Return what the settings say, but for what is given."""
        return cls(
            model=settings.default_model,
            timeouts=settings.timeouts if timeout is None else Timeouts.of(timeout),
            max_retries=settings.max_retries,
            on_interrupt=_chosen(settings, on_interrupt),
            waits_by_default=timeout is None and "request_timeout_ms" not in settings.model_fields_set,
            fallback_models=checked_models(settings.fallback_models if fallback_models is None else fallback_models),
            fallback_cooldown=_checked_cooldown(settings, fallback_cooldown),
            require_usage=settings.require_usage,
            max_event_bytes=settings.max_event_bytes,
            log_content=settings.log_content,
        )


def _checked_cooldown(settings: AiSettings, given: float | None) -> float:
    if given is None:
        return settings.fallback_cooldown_ms / 1000
    if not 0 < given < math.inf:
        raise ValueError(f"fallback_cooldown must be more than 0 seconds, not {given!r}")
    return given


def _chosen(settings: AiSettings, given: OnInterrupt | None) -> OnInterrupt | None:
    if given is None and "on_interrupt" not in settings.model_fields_set:
        return None
    return checked_on_interrupt(given or settings.on_interrupt)
