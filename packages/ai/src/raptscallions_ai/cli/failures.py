"""What a failure is called, what a person can do about it, and which exit code it has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from raptscallions_ai import errors
from raptscallions_ai.cli.exit_codes import ExitCode
from raptscallions_ai.options.routing import is_openrouter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from raptscallions_ai.cli.environment import Endpoint
    from raptscallions_ai.errors import AiError

__all__ = ["SEE_DOCTOR", "UsageError", "advice", "exit_code", "failure_lines", "summary"]

_OFFER = "Or try it without a key: `raptscallions-ai chat --local PROMPT` answers with a small model on this machine."
SEE_DOCTOR = "`raptscallions-ai doctor` looks further."
"""The end of advice that may not be all; `doctor` itself leaves it out."""


class UsageError(Exception):
    """The command line is wrong in a way that only the command itself can tell; the message says how."""


def exit_code(error: AiError) -> ExitCode:
    """Return the exit code of a failed call."""
    if error.details.get("reason") == "extra":
        return ExitCode.CONFIGURATION
    return _nearest(_EXIT_CODES, error) or ExitCode.FAILURE


def failure_lines(error: AiError, *, endpoint: Endpoint | None) -> list[str]:
    """Return the one or two lines that tell a person what went wrong, and what to do where that is known.

    Args:
        error: The failure.
        endpoint: Who was asked; None for the local model, or when that is not known yet.
    """
    if isinstance(error, errors.ConfigurationError) and (variables := error.details.get("variables")):
        return _configuration_lines(variables)
    line = f"error: {summary(error)}" + (" - the answer above is incomplete" if _is_cut_off(error) else "")
    hint = advice(error, endpoint=endpoint)
    return [line, hint] if hint else [line]


def summary(error: AiError) -> str:
    """Return what went wrong in one line."""
    message = error.message.partition("\n")[0].rstrip(" .:")
    reason = error.details.get("reason") or error.details.get("provider_message")
    if isinstance(reason, str) and " " in reason and reason not in message:
        message += f" ({reason.rstrip('.')})"
    return message + (f" (after {len(error.attempts)} attempts)" if len(error.attempts) > 1 else "")


def advice(error: AiError, *, endpoint: Endpoint | None) -> str | None:
    """Return what a person can do about a failure, in one line; None if there is nothing to say.

    Args:
        error: The failure.
        endpoint: Who was asked; None for the local model.
    """
    advise = _nearest(_ADVICE, error)
    return advise(error, endpoint) if advise else None


def _is_cut_off(error: AiError) -> bool:
    """Return whether text had arrived and its end had not; what fails after the end is not the text."""
    partial = error.partial
    return partial is not None and bool(partial.content) and partial.finish_reason in (None, "error")


def _nearest(table: Mapping[type[AiError], Any], error: AiError) -> Any:
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)


def _configuration_lines(variables: Mapping[str, str]) -> list[str]:
    from raptscallions_ai.settings import misspelt_variables

    misspelt = misspelt_variables()
    messages = {
        name: re.sub(r" \(argument .*\)$", "", text) for name, text in variables.items() if name not in misspelt
    }
    no_key = messages.get("AI_API_KEY", "").startswith("is required")
    problems = ["no API key is configured"] if no_key else []
    problems += [f"{name} {text}" for name, text in messages.items() if not (no_key and name == "AI_API_KEY")]
    problems += [f"{name} is not a setting - did you mean {meant}?" for name, meant in misspelt.items()]
    lines = ["error: " + "; ".join(problems)]
    if no_key:
        key = "" if misspelt else " Set AI_API_KEY, here or in .env; OpenRouter's keys are at openrouter.ai/keys."
        lines = [f"{lines[0]}.{key}" if key else lines[0], _OFFER]
    return lines


def _for_key(error: AiError, asked: Endpoint | None) -> str | None:
    return asked and f"The key is from {asked.key_source}; it must be one that {asked.url} knows."


def _for_credits(error: AiError, asked: Endpoint | None) -> str:
    if asked and is_openrouter(asked.url):
        return "Add credits at openrouter.ai/settings/credits, or choose a free model: `raptscallions-ai models free`"
    return "Add credits at the gateway, or choose a cheaper model: `raptscallions-ai models --max-price USD`"


def _for_rate_limit(error: AiError, asked: Endpoint | None) -> str:
    when = "in a while" if error.retry_after is None else f"in {max(1, round(error.retry_after))} s"
    return f"Try again {when}, or choose another model with --model."


def _for_timeout(error: AiError, asked: Endpoint | None) -> str:
    phase = getattr(error, "phase", None)
    if phase == "connect":
        return f"No connection to {asked.url if asked else 'the gateway'} in that time. {SEE_DOCTOR}"
    if phase == "gateway":
        return "The gateway gave up waiting for the model; try again, or choose another model with --model."
    return "The model sent nothing in that time; `--timeout SECONDS` (or AI_REQUEST_TIMEOUT_MS) waits longer."


def _for_model(error: AiError, asked: Endpoint | None) -> str | None:
    model = str(error.details.get("model") or "")
    if not model:
        return _for_url(asked)
    part = re.match(r"[\w.]*", model.partition("/")[0])
    return asked and f"`raptscallions-ai models {(part and part.group()) or 'FILTER'}` lists what the gateway offers."


def _for_connection(error: AiError, asked: Endpoint | None) -> str | None:
    return asked and f"Is {asked.url_setting} right, and the server up? It is {asked.url}. {SEE_DOCTOR}"


def _for_invalid_response(error: AiError, asked: Endpoint | None) -> str | None:
    if "usage" in error.message.lower():
        return "If this gateway never reports usage, set AI_REQUIRE_USAGE=false."
    return _for_url(asked)


def _for_url(asked: Endpoint | None) -> str | None:
    return asked and f"Is {asked.url} the base URL of an API, like https://openrouter.ai/api/v1? {SEE_DOCTOR}"


_EXIT_CODES: dict[type[AiError], ExitCode] = {
    errors.ConfigurationError: ExitCode.CONFIGURATION,
    errors.AuthenticationError: ExitCode.ACCESS,
    errors.PermissionDeniedError: ExitCode.ACCESS,
    errors.InsufficientCreditsError: ExitCode.ACCESS,
    errors.RateLimitError: ExitCode.RATE_LIMIT,
    errors.TimeoutError: ExitCode.TIMEOUT,
}

_ADVICE: dict[type[AiError], Callable[[AiError, Endpoint | None], str | None]] = {
    errors.AuthenticationError: _for_key,
    errors.InsufficientCreditsError: _for_credits,
    errors.RateLimitError: _for_rate_limit,
    errors.TimeoutError: _for_timeout,
    errors.ModelNotAvailableError: _for_model,
    errors.ConnectionError: _for_connection,
    errors.InvalidResponseError: _for_invalid_response,
    errors.StreamInterruptedError: lambda error, asked: (
        "Ask again, or set AI_ON_INTERRUPT=continue to let the model go on."
    ),
    errors.ContextLengthError: lambda error, asked: "Shorten the prompt (/clear in a chat), or choose another model.",
    errors.ContentPolicyError: lambda error, asked: "Change the wording, or choose another model with --model.",
    errors.PermissionDeniedError: lambda error, asked: "The key is good, but its account or region may not do this.",
    errors.ProviderError: lambda error, asked: "Try again, or choose another model with --model.",
}
