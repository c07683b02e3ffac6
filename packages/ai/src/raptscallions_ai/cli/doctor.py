"""`doctor`: is everything there that a chat needs, and if not, what is to be done?"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from raptscallions_ai import errors
from raptscallions_ai.cli.diagnosis import Checklist, DiagnosisError
from raptscallions_ai.cli.exit_codes import ExitCode
from raptscallions_ai.cli.failures import UsageError
from raptscallions_ai.cli.session import default_model_of, open_client
from raptscallions_ai.errors import AiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.cli.environment import Endpoint
    from raptscallions_ai.cli.run import Run
    from raptscallions_ai.client.engine import EngineClient

__all__ = ["examine"]

_PROMPT = "Say ok."
_MAX_TOKENS = 16  # some providers accept no less
_LONGEST_CONNECT = 10.0  # seconds
_CONCLUSIVE = (errors.AuthenticationError, errors.ConnectionError, errors.TimeoutError)


def examine(run: Run, *, engine: str | None, local: bool) -> ExitCode:
    """Check one thing after the other, write what was found to stdout, and stop where the next would be pointless.

    Args:
        run: The run that it is for.
        engine: The engine or host to check, by its name; else the one that the environment chooses.
        local: Whether to check the local model instead.

    Returns:
        The exit code of the first thing that is wrong.

    Raises:
        UsageError: There is no engine and no host of that name, or it is the local model that is to be checked.
    """
    if engine and local:
        raise UsageError("--local is an engine of its own; leave out --engine")
    checklist = Checklist(run.console)
    try:
        asyncio.run(_examine_local(checklist) if local else _examine_engine(run, checklist, engine))
    except DiagnosisError as problem:
        checklist.failed(problem)
        return problem.code
    run.console.line("Everything works.")
    return ExitCode.OK


async def _examine_engine(run: Run, checklist: Checklist, engine: str | None) -> None:
    from raptscallions_ai.cli.network import check_connection

    client = _check_settings(run, checklist, engine)
    async with client:
        endpoint, model = run.endpoint, default_model_of(client)
        assert endpoint is not None
        connect = client.timeouts.connect or _LONGEST_CONNECT
        await check_connection(endpoint.url, endpoint.url_setting, connect, checklist)
        await _check_models(client, endpoint, model, checklist)
        if not model:
            checklist.warning(
                "request", "there is no model to ask", "Name one in AI_DEFAULT_MODEL, or with `chat --model`."
            )
            return
        await _check_request(client, endpoint, checklist)


async def _examine_local(checklist: Checklist) -> None:
    from raptscallions_ai.client.openrouter import OpenRouterClient
    from raptscallions_ai.local import LocalGateway, LocalGatewayError

    began = time.monotonic()
    try:
        gateway = await LocalGateway().start()
    except LocalGatewayError as error:
        raise DiagnosisError.of("local model", error, endpoint=None) from None
    try:
        checklist.ok("local model", f"{gateway.model} started in {time.monotonic() - began:.1f} s")
        async with OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model) as client:
            await _check_request(client, None, checklist)
    finally:
        await gateway.aclose()


def _check_settings(run: Run, checklist: Checklist, engine: str | None) -> EngineClient:
    from raptscallions_ai.settings import misspelt_variables, setting_sources

    for written, meant in misspelt_variables().items():
        checklist.warning("settings", f"{written} is not a setting and has no effect", f"Did you mean {meant}?")
    try:
        client = open_client(run, engine)
    except errors.ConfigurationError as error:
        raise DiagnosisError.of("settings", error, endpoint=None) from None
    endpoint = run.endpoint
    assert endpoint is not None
    who = "gateway" if endpoint.engine == "openrouter" else endpoint.engine
    key = f", key from {endpoint.key_source}" if endpoint.key_source else ", no key"
    checklist.ok("settings", f"{who} {endpoint.url}, model {default_model_of(client) or 'none'}{key}")
    for source in setting_sources().values():
        checklist.detail(f"{source.replace(' in ', ' from ', 1)}")
    checklist.detail("every other setting is the default")
    return client


async def _check_models(client: EngineClient, endpoint: Endpoint, model: str, checklist: Checklist) -> None:
    try:
        models = await client.models()
    except AiError as error:
        if isinstance(error, _CONCLUSIVE):
            subject = "key" if isinstance(error, errors.AuthenticationError) else "models"
            raise DiagnosisError.of(subject, error, endpoint=endpoint) from None
        problem = DiagnosisError.of("models", error, endpoint=endpoint)
        checklist.warning("models", problem.message, problem.advice)
        return
    known = [entry.id for entry in models]
    if not model:
        checklist.ok("models", f"the gateway offers {len(known)} models")
    elif {model, model.partition(":")[0], f"{model}:latest"} & {*known}:
        checklist.ok("models", f"the gateway offers {len(known)} models, {model} is one of them")
    else:
        message = f"{model} is not among the gateway's {len(known)} models"
        checklist.warning("models", message, f"{_hint(model, known, endpoint)} (AI_DEFAULT_MODEL)")


def _hint(model: str, known: Sequence[str], endpoint: Endpoint) -> str:
    import difflib

    if near := difflib.get_close_matches(model, known, 1):
        return f"Did you mean {near[0]}?"
    if endpoint.engine == "ollama":
        return f"`ollama pull {model}` gets it."
    return "`raptscallions-ai models FILTER` lists them."


async def _check_request(client: EngineClient, endpoint: Endpoint | None, checklist: Checklist) -> None:
    from raptscallions_ai.cli.answer import usage_line

    problem: AiError | None = None
    await client.warm_up()
    try:
        result = await client.chat(_PROMPT, max_tokens=_MAX_TOKENS, max_retries=0)
    except AiError as error:
        problem = error
    else:
        if endpoint is not None and endpoint.key_source:
            checklist.ok("key", "accepted")
        checklist.ok("request", usage_line(result, is_local=endpoint is None))
        return
    is_key = isinstance(problem, errors.AuthenticationError)
    raise DiagnosisError.of("key" if is_key else "request", problem, endpoint=endpoint)
