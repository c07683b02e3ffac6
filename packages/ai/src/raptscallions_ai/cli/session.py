"""The client that a command talks through: to the configured gateway, or to the local model."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raptscallions_ai.cli.environment import endpoint_of
from raptscallions_ai.cli.failures import UsageError
from raptscallions_ai.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from raptscallions_ai.cli.run import Run
    from raptscallions_ai.client.engine import EngineClient

__all__ = ["LOCAL_NOTICE", "Session", "default_model_of", "open_client", "open_session"]

LOCAL_NOTICE = "Local model: SmolLM2-135M-Instruct, a toy of 135M parameters; do not trust what it says."


@dataclass(frozen=True, slots=True)
class Session:
    """An open client.

    Attributes:
        client: The client.
        model: The model that it asks when none is named; empty if one has to be named.
        is_local: Whether that is the embedded model.
    """

    client: EngineClient
    model: str
    is_local: bool


@asynccontextmanager
async def open_session(run: Run, *, engine: str | None = None, local: bool = False) -> AsyncGenerator[Session]:
    """Open a client for as long as the block lasts.

    Args:
        run: The run that it is for.
        engine: The engine or host to ask, by its name; else the one that the environment chooses.
        local: Whether to start the embedded model instead of reading the environment.

    Raises:
        UsageError: There is no engine and no host of that name.
        ConfigurationError: Settings are missing or invalid.
        LocalGatewayError: The local model cannot be had.
    """
    if local:
        from raptscallions_ai.client.openrouter import OpenRouterClient
        from raptscallions_ai.local import LocalGateway

        async with LocalGateway() as gateway:
            run.console.note(LOCAL_NOTICE)
            async with OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model) as client:
                await client.warm_up()  # so that no deadline and no time to the first token counts the SDK's import
                yield Session(client, gateway.model, is_local=True)
        return

    from raptscallions_ai.settings import misspelt_variables

    async with open_client(run, engine) as client:
        for written, meant in misspelt_variables().items():
            run.console.note(f"warning: {written} is not a setting and has no effect; did you mean {meant}?")
        await client.warm_up()
        yield Session(client, default_model_of(client), is_local=False)


def open_client(run: Run, engine: str | None) -> EngineClient:
    """Return a client of an engine, and note on the run who that is.

    Args:
        run: The run that it is for.
        engine: The engine or host, by its name; else the one that the environment chooses.

    Raises:
        UsageError: There is no engine and no host of that name.
        ConfigurationError: Settings are missing or invalid.
    """
    from raptscallions_ai.client.provider import get_provider
    from raptscallions_ai.settings import AiSettings, chosen_engine

    chosen, _ = chosen_engine()
    name = engine or chosen
    if name == "openrouter":
        from raptscallions_ai.client.openrouter import OpenRouterClient

        client: EngineClient = OpenRouterClient(settings=AiSettings())
    else:
        try:
            client = get_provider(None if name == chosen else name)  # whose models are those of the environment
        except ConfigurationError:  # a ValueError, too
            raise
        except ValueError as error:
            raise UsageError(f"--engine: {error}") from None
    run.endpoint = endpoint_of(name, client.base_url)
    return client


def default_model_of(client: EngineClient) -> str:
    """Return the model that a client asks where none is named; empty if it has no default."""
    try:
        return client.resolve_model()
    except ConfigurationError:
        return ""
