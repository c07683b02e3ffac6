"""The client that a command talks through: to the configured gateway, or to the local model."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from raptscallions_ai.cli.run import Run
    from raptscallions_ai.client.openrouter import OpenRouterClient

__all__ = ["LOCAL_NOTICE", "Session", "open_session"]

LOCAL_NOTICE = "Local model: SmolLM2-135M-Instruct, a toy of 135M parameters; do not trust what it says."


@dataclass(frozen=True, slots=True)
class Session:
    """An open client.

    Attributes:
        client: The client.
        model: The model that it asks when none is named.
        is_local: Whether that is the embedded model.
    """

    client: OpenRouterClient
    model: str
    is_local: bool


@asynccontextmanager
async def open_session(run: Run, *, local: bool) -> AsyncGenerator[Session]:
    """Open a client for as long as the block lasts.

    Args:
        run: The run that it is for.
        local: Whether to start the embedded model instead of reading the environment.

    Raises:
        ConfigurationError: Settings are missing or invalid.
        LocalGatewayError: The local model cannot be had.
    """
    from raptscallions_ai.client.openrouter import OpenRouterClient

    if local:
        from raptscallions_ai.local import LocalGateway

        async with LocalGateway() as gateway:
            run.console.note(LOCAL_NOTICE)
            async with OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model) as client:
                await client.warm_up()  # so that no deadline and no time to the first token counts the SDK's import
                yield Session(client, gateway.model, is_local=True)
        return

    from raptscallions_ai.settings import AiSettings, misspelt_variables

    settings = AiSettings()
    run.gateway_url = settings.gateway_url
    for written, meant in misspelt_variables().items():
        run.console.note(f"warning: {written} is not a setting and has no effect; did you mean {meant}?")
    async with OpenRouterClient(settings=settings) as client:
        await client.warm_up()
        yield Session(client, settings.default_model, is_local=False)
