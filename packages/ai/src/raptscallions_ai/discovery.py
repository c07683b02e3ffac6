"""What a gateway tells about its models and about what was spent."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raptscallions_ai._wire.sdk import Connections
    from raptscallions_ai.generation import GenerationInfo
    from raptscallions_ai.models import ModelInfo
    from raptscallions_ai.settings import AiSettings
    from raptscallions_ai.timeouts import Timeouts

__all__ = ["Discovery"]

_log = logging.getLogger("raptscallions_ai")


class Discovery(ABC):
    """The part of `OpenRouterClient` that asks a gateway about itself."""

    _settings: AiSettings
    _timeouts: Timeouts
    _context_lengths: dict[str, int]

    async def models(self) -> list[ModelInfo]:
        """Return the gateway's models, with prices and context lengths where it tells them.

        Raises:
            AiError: The list could not be had.
        """
        from raptscallions_ai._wire.redact import Redactor
        from raptscallions_ai.models import fetch_models

        _log.info("listing models")
        redact = Redactor([self._settings.api_key.get_secret_value()], [])
        models = await fetch_models(self._connect(), self._timeouts, redact=redact)
        # Remembered, so that a conversation that is too long for one model is not tried on a smaller one.
        self._context_lengths.update({model.id: model.context_length for model in models if model.context_length})
        return models

    async def generation(self, generation_id: str, *, patience: float = 15.0) -> GenerationInfo:
        """Return what the gateway's books say of a generation: its real cost, also if its stream was cut or left.

        Args:
            generation_id: `ChatResult.id`, `AiError.request_id` or `Attempt.generation_id`.
            patience: Seconds to keep asking while the gateway does not know the id; its books need a moment.

        Raises:
            BadRequestError: The gateway does not know the id; `status_code` is 404.
            AiError: The books could not be had.
        """
        from raptscallions_ai.generation import fetch_generation

        secret = self._settings.api_key.get_secret_value()
        return await fetch_generation(self._connect(), generation_id, self._timeouts, secret=secret, patience=patience)

    @abstractmethod
    def _connect(self) -> Connections: ...
