"""The one place where what a gateway says about a failure becomes an `AiError`.

`classify` returns the same class for the same failure, in whatever shape (`failure.py`) and wherever it appears. Codes
stand before words, the gateway's before those of the provider behind it, and all of them before the status.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raptscallions_ai import errors
from raptscallions_ai._dialects.error_codes import (
    ABOUT_CONTENT,
    STRONG_CODES,
    WEAK_CODES,
    kind_of_base_resp,
    normalized,
)
from raptscallions_ai._dialects.failure import Failure, cleaned, read_failure
from raptscallions_ai._dialects.json import json_list
from raptscallions_ai._dialects.overflow import asks_more_than_a_limit, context_figures
from raptscallions_ai._dialects.rate_limits import read_rate_limits
from raptscallions_ai._dialects.retry_after import parse_retry_after
from raptscallions_ai._dialects.wordings import Kind, kind_of_words
from raptscallions_ai.answer.result import ChatResult
from raptscallions_ai.errors import AiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.errors.base import ErrorFields

__all__ = ["URL_SETTING", "Failure", "classify", "is_no_such_endpoint", "printable_name", "read_failure"]

URL_SETTING = "AI_GATEWAY_URL"
"""What the environment names a gateway's URL with."""

_LONGEST_MESSAGE = 500
_LONGEST_NAME = 100
_LONGEST_GENERATION = 65_536

_KIND_OF_STATUS: dict[int, Kind] = {
    401: "authentication",
    402: "credits",
    403: "forbidden",
    404: "not_found",
    405: "not_found",
    408: "timeout",
    413: "context",
    429: "rate_limit",
    498: "rate_limit",  # Groq: no capacity for the flex tier
    504: "timeout",
    524: "timeout",
}

_MONEY = frozenset({"credits", "quota"})
_ALL_KINDS = _MONEY | {"context", "policy", "permission", "authentication", "model", "address", "output"}
# What words can mean where the status says something already; where it says little they may mean anything.
_AMONG: dict[int, frozenset[str]] = {
    401: _MONEY,
    402: frozenset(),
    403: _MONEY | {"policy", "permission"},
    404: _ALL_KINDS,
    405: _MONEY | {"address"},
    408: frozenset(),
    # A throttle that mentions its policy is still a throttle; only an empty account is worth telling apart.
    429: _MONEY,
    498: _MONEY,
    504: frozenset(),
    524: frozenset(),
}
_OF_A_SERVER = _MONEY | {"context"}
_BESIDE: dict[Kind | None, frozenset[str]] = {
    "rate_limit": _MONEY,
    "authentication": _MONEY,
    "provider": _OF_A_SERVER,
    "timeout": _MONEY,
}

# llama.cpp and what stands in front of it call this a failure of the server's; for OpenRouter it is one of the model.
# So does Ollama with a model that does not fit into the machine. Neither passes.
_NO_SUCH_INPUT = re.compile(
    r"\b(?:image|audio|video) input is not supported|requires more system memory", re.IGNORECASE
)
_REFUSED = re.compile(
    r"guardrail|region|country|territory|polic|permission|not allowed|blocked|denied|terms|budget|data collection"
    r"|(?:management|provisioning) key|access to (?:the )?model",
    re.IGNORECASE,
)
_NO_SUCH_PATH = re.compile(r"^\W*(?:404\W*)?(?:(?:file|page|route|url|path)\W+)?(?:page )?not found\W*$", re.IGNORECASE)
# These say that the provider failed, but not why: the provider's own message is the reason.
_NO_REASON = re.compile(r"^\W*(?:the )?(?:upstream )?provider returned (?:an )?error\W*$", re.IGNORECASE)


@dataclass(slots=True)
class _Report:
    """A failure with what the makers of errors need of it.

    Attributes:
        failure: What the gateway said.
        model: The requested model.
        message: The gateway's sentence, fit to be shown.
        reason: The same; or the provider's, where the gateway's own says nothing.
        url_name: What the user set the gateway's URL with.
        fields: What every error has.
    """

    failure: Failure
    model: str
    message: str
    reason: str
    url_name: str
    fields: ErrorFields

    def with_default_message(self) -> ErrorFields:
        """Return the fields of a class whose message is fixed; the gateway's words are in the details."""
        if self.message:
            self.fields["details"] = {**(self.fields.get("details") or {}), "reason": self.message}
        return self.fields

    def with_message(self, text: str, opening: str = "", *, default: str = "") -> ErrorFields:
        """Use the gateway's own text as the message; keep the class's default if there is none.

        Args:
            text: The gateway's text.
            opening: What to put in front of it.
            default: The sentence that stands for the error unless there is an `opening`.
        """
        if text:
            self.fields["message"] = f"{opening}: {text}" if opening else text
            self.fields["sentence"] = opening or default
        return self.fields

    def retryable(self, default: bool) -> None:
        """Set whether a retry can help, unless the gateway said so itself."""
        if self.fields.get("retryable") is None:
            self.fields["retryable"] = default


def classify(failure: Failure, *, model: str, redact: Callable[[str], str], url_name: str = URL_SETTING) -> AiError:
    """Return the error class for a failure, filled with everything the gateway said that is safe to show.

    Args:
        failure: What the gateway said.
        model: The requested model.
        redact: Removes the key and the prompt from a text.
        url_name: What the user set the gateway's URL with.
    """
    if failure.typed is not None:
        failure.typed.message = redact(failure.typed.message)
        return failure.typed
    message = _cut(redact(failure.message), _LONGEST_MESSAGE)
    provider_message = _cut(redact(failure.upstream.message), _LONGEST_MESSAGE) if failure.upstream is not None else ""
    reason = provider_message if provider_message and _NO_REASON.match(failure.message) else message
    fields: ErrorFields = {
        "error_type": printable_name(failure.error_type, redact),
        "retry_after": parse_retry_after(failure.headers, failure.body),
        "request_id": _request_id(failure.headers, redact),
        "provider": printable_name(failure.metadata.get("provider_name"), redact),
        "gateway_status": failure.status,
        "gateway_message": reason or None,
    }
    if provider_message:
        fields["details"] = {"provider_message": provider_message}
    if isinstance(retryable := failure.availability.get("retryable"), bool):
        fields["retryable"] = retryable
    kind = _kind(failure)
    if kind == "policy":
        return _content_policy(failure, fields, message, redact)
    return _MAKERS.get(kind, _bad_request)(_Report(failure, model, message, reason, url_name, fields))


def _rate_limit(report: _Report) -> AiError:
    if asks_more_than_a_limit(report.failure):
        report.retryable(False)
    error = errors.RateLimitError(**report.with_default_message())
    error.limits = read_rate_limits(report.failure.headers)
    return error


def _timeout(report: _Report) -> AiError:
    report.fields["message"] = "AI request timed out at the gateway"
    return errors.TimeoutError(phase="gateway", **report.with_default_message())


def _context(report: _Report) -> AiError:
    maximum, requested = context_figures(report.failure)
    fields = report.with_message(report.reason, "Context length exceeded")
    return errors.ContextLengthError(max_tokens=maximum, requested_tokens=requested, **fields)


def _content_policy(failure: Failure, fields: ErrorFields, message: str, redact: Callable[[str], str]) -> AiError:
    reasons = [printable_name(reason, redact) or "" for reason in json_list(failure.metadata.get("reasons"))[:20]]
    fields["status_code"] = failure.status if failure.status in (400, 403) else 400
    if message:
        fields["sentence"] = "The content was rejected by policy"
        fields["message"] = f"The content was rejected by policy: {message}"
    return errors.ContentPolicyError(reasons=reasons, **fields)


def _credits(report: _Report) -> AiError:
    # A 402 with a waiting time is a budget in flight, not an empty account.
    report.retryable(report.failure.status == 402 and report.fields.get("retry_after") is not None)
    return errors.InsufficientCreditsError(**report.with_message(report.reason, "Not enough credits at the AI gateway"))


def _redirect(report: _Report) -> AiError:
    why = f"the gateway answered with status {report.failure.status} - check {report.url_name}"
    return errors.InvalidResponseError(why, **report.fields)


def _not_found(report: _Report) -> AiError:
    report.fields["status_code"] = 405 if report.failure.status == 405 else 404
    report.fields["message"] = f"The AI gateway has no such endpoint - check {report.url_name}"
    return errors.BadRequestError(**report.with_default_message())


def _body_size(report: _Report) -> AiError:
    report.fields["status_code"] = 413
    return errors.BadRequestError(**report.with_message(report.message, "The request is too large for the AI gateway"))


def _output(report: _Report) -> AiError:
    """Return the error for an answer that the gateway could not read, with the answer: the model may do better."""
    generation = report.failure.body.get("failed_generation")
    if isinstance(generation, str) and generation:
        report.fields["partial"] = ChatResult(content=generation[:_LONGEST_GENERATION], finish_reason="error")
    report.retryable(True)
    return errors.InvalidOutputError(
        "the model wrote a tool call or an object that cannot be read", **report.with_default_message()
    )


def _provider(report: _Report) -> AiError:
    report.fields["status_code"] = _server_status(report.failure.status)
    return errors.ProviderError(**report.with_message(report.message or "no reason given", "AI gateway error"))


def _permission(report: _Report) -> AiError:
    return errors.PermissionDeniedError(
        **report.with_message(report.message, default=errors.PermissionDeniedError.default_message)
    )


def _bad_request(report: _Report) -> AiError:
    report.fields["status_code"] = report.failure.status or 400
    report.retryable(report.failure.status == 409)
    return errors.BadRequestError(**report.with_message(report.message, default=errors.BadRequestError.default_message))


_MAKERS: dict[Kind, Callable[[_Report], AiError]] = {
    "authentication": lambda report: errors.AuthenticationError(**report.with_default_message()),
    "body_size": _body_size,
    "context": _context,
    "credits": _credits,
    "model": lambda report: errors.ModelNotAvailableError(report.model, **report.with_default_message()),
    "not_found": _not_found,
    "output": _output,
    "permission": _permission,
    "provider": _provider,
    "rate_limit": _rate_limit,
    "redirect": _redirect,
    "timeout": _timeout,
}


def is_no_such_endpoint(failure: Failure) -> bool:
    """Whether the gateway says that it has nothing at that path, rather than that it does not know what was named."""
    return failure.status in (405, 501) or _kind(failure) == "not_found"


def _kind(failure: Failure) -> Kind:
    """Return what a failure is: codes before words, and both before the status."""
    kind = _stated_kind(failure) or _kind_of_status(failure)
    if kind == "address":
        return "not_found"
    if kind == "quota":  # an account that is empty tells no time after which it is full again
        waits = failure.status == 429 and parse_retry_after(failure.headers, failure.body) is not None
        return "rate_limit" if waits else "credits"
    return kind


def _stated_kind(failure: Failure) -> Kind | None:
    if _NO_SUCH_INPUT.search(failure.message):
        return "model"
    if failure.body.get("failed_generation"):
        return "output"
    if (kind := kind_of_base_resp(failure.body.get("status_code"))) is not None:
        return kind
    among = _kinds_for_status(failure.status)
    if kind := _coded(failure, STRONG_CODES):
        return kind
    weak = _coded(failure, WEAK_CODES)
    if weak == "provider" and failure.status in _AMONG:
        weak = None  # aimock's `server_error` beside a 429: the status says more
    if kind := kind_of_words(failure.message, among=_BESIDE.get(weak, among)):
        return kind
    if failure.metadata.get("reasons") or failure.metadata.get("flagged_input"):
        return "policy"
    if failure.upstream is not None and (kind := _stated_kind(failure.upstream)) in among:
        return kind
    return weak


def _kinds_for_status(status: int | None) -> frozenset[str]:
    if status is not None and status >= 500:
        return _AMONG.get(status, _OF_A_SERVER)
    return _ALL_KINDS if status is None else _AMONG.get(status, _ALL_KINDS)


def _coded(failure: Failure, table: Mapping[str, Kind]) -> Kind | None:
    return next((kind for code in failure.codes if (kind := table.get(normalized(code))) is not None), None)


def _kind_of_status(failure: Failure) -> Kind:
    status, nameless = failure.status, _NO_SUCH_PATH.match(failure.message)
    if status == 403:
        if failure.metadata.get("patterns") or _REFUSED.search(failure.message):
            return "permission"
        return "authentication"
    if status == 404 and failure.error_type not in ABOUT_CONTENT and failure.message and not nameless and failure.body:
        return "model"
    if status == 404 and failure.error_type in ABOUT_CONTENT:
        return "bad_request"
    if status == 413 and (failure.is_page or not failure.body) and failure.message:
        return "body_size"  # of a proxy in between: it counts bytes, and knows no tokens
    if status is not None and status < 400:
        return "redirect"
    return _KIND_OF_STATUS.get(status or 0, "provider" if status is None or status >= 500 else "bad_request")


def _request_id(headers: Mapping[str, str], redact: Callable[[str], str]) -> str | None:
    names = ("x-generation-id", "x-request-id", "request-id", "x-litellm-call-id", "cf-ray")
    return next((printable_name(headers[name], redact) for name in names if headers.get(name)), None)


def _server_status(status: int | None) -> int:
    return status if status is not None and 500 <= status <= 599 else 502


def printable_name(value: object, redact: Callable[[str], str]) -> str | None:
    """Return a name or an id that the gateway gave, fit to be shown; None if it is no text."""
    return _cut(redact(cleaned(value)), _LONGEST_NAME) if isinstance(value, str) else None


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
