"""`doctor`: is everything there that a chat needs, and if not, what is to be done?"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from raptscallions_ai import errors
from raptscallions_ai.cli.diagnosis import Checklist, DiagnosisError
from raptscallions_ai.cli.exit_codes import ExitCode
from raptscallions_ai.errors import AiError

if TYPE_CHECKING:
    from raptscallions_ai.cli.run import Run
    from raptscallions_ai.client.openrouter import OpenRouterClient
    from raptscallions_ai.settings import AiSettings

__all__ = ["examine"]

_PROMPT = "Say ok."
_MAX_TOKENS = 16  # some providers accept no less
_CONCLUSIVE = (errors.AuthenticationError, errors.ConnectionError, errors.TimeoutError)


def examine(run: Run, *, local: bool) -> ExitCode:
    """Check one thing after the other, write what was found to stdout, and stop where the next would be pointless.

    Args:
        run: The run that it is for.
        local: Whether to check the local model instead of the configured gateway.

    Returns:
        The exit code of the first thing that is wrong.
    """
    checklist = Checklist(run.console)
    try:
        asyncio.run(_examine_local(checklist) if local else _examine_gateway(run, checklist))
    except DiagnosisError as problem:
        checklist.failed(problem)
        return problem.code
    run.console.line("Everything works.")
    return ExitCode.OK


async def _examine_gateway(run: Run, checklist: Checklist) -> None:
    from raptscallions_ai.cli.network import check_connection
    from raptscallions_ai.client.openrouter import OpenRouterClient

    settings = _check_settings(checklist)
    run.gateway_url = settings.gateway_url
    await check_connection(settings.gateway_url, settings.connect_timeout_ms / 1000, checklist)
    async with OpenRouterClient(settings=settings) as client:
        await _check_models(client, settings, checklist)
        await _check_request(client, settings.gateway_url, checklist)


async def _examine_local(checklist: Checklist) -> None:
    from raptscallions_ai.client.openrouter import OpenRouterClient
    from raptscallions_ai.local import LocalGateway, LocalGatewayError

    began = time.monotonic()
    try:
        gateway = await LocalGateway().start()
    except LocalGatewayError as error:
        raise DiagnosisError.of("local model", error, gateway_url=None) from None
    try:
        checklist.ok("local model", f"{gateway.model} started in {time.monotonic() - began:.1f} s")
        async with OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model) as client:
            await _check_request(client, None, checklist)
    finally:
        await gateway.aclose()


def _check_settings(checklist: Checklist) -> AiSettings:
    from raptscallions_ai.cli.environment import key_source
    from raptscallions_ai.settings import AiSettings, misspelt_variables, setting_sources

    for written, meant in misspelt_variables().items():
        checklist.warning("settings", f"{written} is not a setting and has no effect", f"Did you mean {meant}?")
    try:
        settings = AiSettings()
    except errors.ConfigurationError as error:
        raise DiagnosisError.of("settings", error, gateway_url=None) from None
    checklist.ok("settings", f"gateway {settings.gateway_url}, model {settings.default_model}, key from {key_source()}")
    for source in setting_sources().values():
        checklist.detail(f"{source.replace(' in ', ' from ', 1)}")
    checklist.detail("every other setting is the default")
    return settings


async def _check_models(client: OpenRouterClient, settings: AiSettings, checklist: Checklist) -> None:
    try:
        models = await client.models()
    except AiError as error:
        if isinstance(error, _CONCLUSIVE):
            subject = "key" if isinstance(error, errors.AuthenticationError) else "models"
            raise DiagnosisError.of(subject, error, gateway_url=settings.gateway_url) from None
        problem = DiagnosisError.of("models", error, gateway_url=settings.gateway_url)
        checklist.warning("models", problem.message, problem.advice)
        return
    known, model = [entry.id for entry in models], settings.default_model
    if model in known or model.partition(":")[0] in known:
        checklist.ok("models", f"the gateway offers {len(known)} models, {model} is one of them")
        return
    import difflib

    near = difflib.get_close_matches(model, known, 1)
    hint = f"Did you mean {near[0]}?" if near else "`raptscallions-ai models FILTER` lists them."
    checklist.warning("models", f"{model} is not among the gateway's {len(known)} models", f"{hint} (AI_DEFAULT_MODEL)")


async def _check_request(client: OpenRouterClient, gateway_url: str | None, checklist: Checklist) -> None:
    from raptscallions_ai.cli.answer import usage_line

    problem: AiError | None = None
    await client.warm_up()
    try:
        result = await client.chat(_PROMPT, max_tokens=_MAX_TOKENS, max_retries=0)
    except AiError as error:
        problem = error
    else:
        if gateway_url is not None:
            checklist.ok("key", "accepted")
        checklist.ok("request", usage_line(result, is_local=gateway_url is None))
        return
    is_key = isinstance(problem, errors.AuthenticationError)
    raise DiagnosisError.of("key" if is_key else "request", problem, gateway_url=gateway_url)
