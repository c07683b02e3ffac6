"""The one place where what a gateway says about a failure becomes an `AiError`.

`classify` reads an HTTP error body, an error object inside a stream, or plain text, in every shape that was
recorded, and returns the same class for the same failure wherever it appears.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from raptscallions_ai import errors
from raptscallions_ai._dialects.json import json_list, json_object, parse_json
from raptscallions_ai._dialects.redact import printable_line
from raptscallions_ai._dialects.retry_after import parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from raptscallions_ai.errors import AiError
    from raptscallions_ai.errors.base import ErrorFields

__all__ = ["URL_SETTING", "Failure", "classify", "is_no_such_endpoint", "printable_name", "read_failure"]

URL_SETTING = "AI_GATEWAY_URL"
"""What the environment names a gateway's URL with."""

_LONGEST_MESSAGE = 500
_LONGEST_NAME = 100
_LONGEST_READ = 4000  # of a text before the key and the prompt are taken out of it
_DEEPEST = 5  # envelopes around an error object

_KIND_OF_TYPE: dict[str, str] = {
    # OpenRouter's error types, the same over all of its API shapes, and its availability codes
    **dict.fromkeys(("context_length_exceeded", "max_tokens_exceeded", "token_limit_exceeded"), "context"),
    **dict.fromkeys(("string_too_long",), "context"),
    **dict.fromkeys(("content_policy_violation", "refusal"), "policy"),
    **dict.fromkeys(("authentication",), "authentication"),
    **dict.fromkeys(("payment_required",), "credits"),
    **dict.fromkeys(("permission_denied", "region_restricted"), "permission"),
    **dict.fromkeys(("model_not_found", "no_endpoints", "model_deprecated", "model_unavailable_upstream"), "model"),
    **dict.fromkeys(("privacy_restricted", "constraint_filtered", "free_variant_ended"), "model"),
    **dict.fromkeys(("rate_limit_exceeded", "capacity_exhausted"), "rate_limit"),
    **dict.fromkeys(("provider_unavailable", "provider_overloaded", "temporarily_unavailable", "server"), "provider"),
    **dict.fromkeys(("timeout",), "timeout"),
    # OpenAI, Anthropic, llama.cpp, LiteLLM
    **dict.fromkeys(("exceed_context_size_error",), "context"),
    **dict.fromkeys(("content_filter", "content_policy"), "policy"),
    **dict.fromkeys(("invalid_api_key", "authentication_error", "auth_error"), "authentication"),
    # LiteLLM without a database knows its master key only, and looks for any other one in the database that it lacks.
    **dict.fromkeys(("no_db_connection",), "authentication"),
    **dict.fromkeys(("insufficient_quota", "billing_error"), "credits"),
    **dict.fromkeys(("permission_error",), "permission"),
    **dict.fromkeys(("rate_limit_error", "throttling_error", "all_deployments_in_cooldown"), "rate_limit"),
    **dict.fromkeys(("overloaded_error", "server_error", "internal_server_error", "unavailable_error"), "provider"),
    **dict.fromkeys(("timeout_error",), "timeout"),
}

_ABOUT_CONTENT = frozenset({"image_not_found", "image_download_failed"})

_STATUS_OF_TYPE: dict[str, int] = {"provider_overloaded": 503, "overloaded_error": 529, "server": 500}

_KIND_OF_STATUS: dict[int, str] = {
    401: "authentication",
    402: "credits",
    403: "forbidden",
    404: "not_found",
    408: "timeout",
    413: "context",
    429: "rate_limit",
    504: "timeout",
    524: "timeout",
}

_TEXT_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "context",
        re.compile(
            r"context (?:length|size|window)|contextwindow|maximum context|prompt is too long"
            r"|too many (?:input )?tokens|reduce the length",
            re.IGNORECASE,
        ),
    ),
    (
        "model",
        re.compile(
            r"(?:invalid|unknown|unsupported|no such|nonexistent) model|not a valid model|no endpoints found"
            r"|no allowed providers|unknown provider prefix"
            r"|model(?: id| name)?:? ?[\"'`]?[\w./:@~-]*[\"'`]? (?:is |was |does |has )?(?:not (?:found|exist|available"
            r"|supported|a valid)|unavailable|invalid|unknown|deprecated|no longer|been (?:removed|deprecated))",
            re.IGNORECASE,
        ),
    ),
    ("policy", re.compile(r"moderation|content.policy|flagged|safety system|violat", re.IGNORECASE)),
    ("credits", re.compile(r"insufficient (?:credits|quota|balance|funds)|exceeded your current quota", re.IGNORECASE)),
)

# llama.cpp and what stands in front of it call this a failure of the server's; for OpenRouter it is one of the model.
_NO_SUCH_INPUT = re.compile(r"\b(?:image|audio|video) input is not supported", re.IGNORECASE)
_REFUSED = re.compile(
    r"guardrail|region|country|territory|polic|permission|not allowed|blocked|denied|terms|budget|data collection"
    r"|(?:management|provisioning) key",
    re.IGNORECASE,
)
_NO_SUCH_PATH = re.compile(r"^\W*(?:404\W*)?(?:(?:file|page|route|url|path)\W+)?(?:page )?not found\W*$", re.IGNORECASE)
_CONTEXT_LIMITS = (
    re.compile(r"request \((?P<requested>\d{1,9}) tokens\).{0,60}?\((?P<maximum>\d{1,9}) tokens\)"),
    re.compile(
        r"maximum context length (?:is|of) (?P<maximum>\d{1,9}).{0,80}?requested (?:about )?(?P<requested>\d{1,9})"
    ),
)
_TAGS = re.compile(r"<[^>]{0,200}>")


@dataclass(slots=True)
class Failure:
    """A failure as the gateway told it, whatever the shape it came in.

    Attributes:
        status: The HTTP status, or the status that an error inside a stream names; None if neither says.
        message: The gateway's sentence, cleaned of control characters; empty if there is none.
        error_type: The gateway's own name for the failure.
        body: The innermost error object.
        headers: The response's headers, with lower-case names; empty inside a stream.
    """

    status: int | None = None
    message: str = ""
    error_type: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """OpenRouter's `error.metadata`."""
        return json_object(self.body.get("metadata"))

    @property
    def availability(self) -> Mapping[str, Any]:
        """OpenRouter's `error.availability`."""
        return json_object(self.body.get("availability"))


def read_failure(payload: object, *, status: int | None = None, headers: Mapping[str, str] | None = None) -> Failure:
    """Read an error in any shape: an envelope, an error object, a string, a list of validation errors, HTML.

    Args:
        payload: Parsed JSON, or text where it was not JSON.
        status: The HTTP status of an error response; None for an error inside a successful response.
        headers: The response's headers with lower-case names.
    """
    text, body = _unwrap(payload)
    metadata = json_object(body.get("metadata"))
    code = body.get("code")
    names = (metadata.get("error_type"), body.get("error_type"), json_object(body.get("availability")).get("code"))
    words = [name for name in (*names, code, body.get("type")) if isinstance(name, str) and name and not name.isdigit()]
    known = next((word for word in words if word.lower() in _KIND_OF_TYPE), None)
    error_type = known or next(iter(words), None)
    status = status or _status(code) or _status(body.get("http_status")) or _status(body.get("status"))
    return Failure(
        status=status or (_STATUS_OF_TYPE.get(error_type or "")),
        message=_clean(text),
        error_type=error_type,
        body=body,
        headers=headers or {},
    )


def classify(failure: Failure, *, model: str, redact: Callable[[str], str], url_name: str = URL_SETTING) -> AiError:
    """Return the error class for a failure, filled with everything the gateway said that is safe to show.

    Args:
        failure: What the gateway said.
        model: The model that was asked for.
        redact: Removes the key and the prompt from a text.
        url_name: What the user set the gateway's URL with.
    """
    message = _cut(redact(failure.message), _LONGEST_MESSAGE)
    fields = _fields(failure, redact)
    status = failure.status
    match _kind(failure):
        case "rate_limit":
            return errors.RateLimitError(**_with_reason(fields, message))
        case "timeout":
            fields["message"] = "AI request timed out at the gateway"
            return errors.TimeoutError(phase="gateway", **_with_reason(fields, message))
        case "authentication":
            return errors.AuthenticationError(**_with_reason(fields, message))
        case "permission":
            return errors.PermissionDeniedError(**_said(fields, message))
        case "model":
            return errors.ModelNotAvailableError(model, **_with_reason(fields, message))
        case "context":
            maximum, requested = _context_limits(failure)
            fields = _said(fields, message, "Context length exceeded")
            return errors.ContextLengthError(max_tokens=maximum, requested_tokens=requested, **fields)
        case "policy":
            reasons = [
                printable_name(reason, redact) or "" for reason in json_list(failure.metadata.get("reasons"))[:20]
            ]
            fields["status_code"] = status or 400
            fields = _said(fields, message, "The content was rejected by policy")
            return errors.ContentPolicyError(reasons=reasons, **fields)
        case "credits":
            # A 402 with a waiting time is a budget in flight, not an empty account.
            fields = _retryable(fields, default=fields.get("retry_after") is not None)
            return errors.InsufficientCreditsError(**_said(fields, message, "Not enough credits at the AI gateway"))
        case "redirect":
            return errors.InvalidResponseError(
                f"the gateway answered with status {status} - check {url_name}", **fields
            )
        case "not_found":
            fields["status_code"] = 404
            return errors.BadRequestError(**_said(fields, f"The AI gateway has no such endpoint - check {url_name}"))
        case "provider":
            fields["status_code"] = _server_status(status)
            return errors.ProviderError(**_said(fields, message or "no reason given", "AI gateway error"))
        case _:
            fields["status_code"] = status or 400
            return errors.BadRequestError(**_retryable(_said(fields, message), default=status == 409))


def is_no_such_endpoint(failure: Failure) -> bool:
    """Whether the gateway says that it has nothing at that path, rather than that it does not know what was named."""
    return failure.status in (405, 501) or (failure.status == 404 and _kind(failure) == "not_found")


def _kind(failure: Failure) -> str:
    status = failure.status
    if _NO_SUCH_INPUT.search(failure.message):
        return "model"
    if failure.error_type is not None and (kind := _KIND_OF_TYPE.get(failure.error_type.lower())) is not None:
        return kind
    if status == 403:
        return _forbidden_kind(failure)
    if status is None or status in (400, 404, 413, 422, 429):
        for kind, pattern in _TEXT_KINDS:
            # A throttle that mentions its policy is still a throttle; only an empty account is worth telling apart.
            if pattern.search(failure.message) and (status != 429 or kind == "credits"):
                return kind
    if (
        status == 404
        and failure.error_type not in _ABOUT_CONTENT
        and failure.message
        and not _NO_SUCH_PATH.match(failure.message)
        and failure.body
    ):
        return "model"
    if status == 413 and failure.error_type == "payload_too_large":
        return "bad_request"
    if status is not None and status < 400:
        return "redirect"
    if status is None or status >= 500:
        return _KIND_OF_STATUS.get(status or 0, "provider")
    return _KIND_OF_STATUS.get(status, "bad_request")


def _forbidden_kind(failure: Failure) -> str:
    if failure.metadata.get("reasons") or failure.metadata.get("flagged_input"):
        return "policy"
    if failure.metadata.get("patterns") or _REFUSED.search(failure.message):
        return "permission"
    return "authentication"


def _fields(failure: Failure, redact: Callable[[str], str]) -> ErrorFields:
    fields: ErrorFields = {
        "error_type": printable_name(failure.error_type, redact),
        "retry_after": parse_retry_after(failure.headers, failure.body),
        "request_id": _request_id(failure.headers, redact),
        "provider": printable_name(failure.metadata.get("provider_name"), redact),
    }
    if upstream := _upstream_message(failure.metadata.get("raw")):
        fields["details"] = {"provider_message": _cut(redact(upstream), _LONGEST_MESSAGE)}
    if isinstance(retryable := failure.availability.get("retryable"), bool):
        fields["retryable"] = retryable
    return fields


def _with_reason(fields: ErrorFields, reason: str) -> ErrorFields:
    """Add the gateway's own words to the details of a class whose message is fixed."""
    if reason:
        fields["details"] = {**(fields.get("details") or {}), "reason": reason}
    return fields


def _retryable(fields: ErrorFields, *, default: bool) -> ErrorFields:
    if fields.get("retryable") is None:
        fields["retryable"] = default
    return fields


def _said(fields: ErrorFields, message: str, opening: str = "") -> ErrorFields:
    """Make the gateway's own words the message, or leave the class's default when it said nothing."""
    if message:
        fields["message"] = f"{opening}: {message}" if opening else message
    return fields


def _unwrap(payload: object, depth: int = 0) -> tuple[str, Mapping[str, Any]]:
    """Return the gateway's sentence and the innermost error object."""
    if depth > _DEEPEST:
        return "", {}
    if listed := json_list(payload):
        return _unwrap_list(listed, depth + 1)
    if isinstance(payload, str):
        return payload, {}
    body = json_object(payload)
    for key in ("error", "detail", "html-message", "message"):
        inner: object = body.get(key)
        if isinstance(inner, str) and inner:
            return inner, body
        if inner and not isinstance(inner, str):
            text, nested = _unwrap(inner, depth + 1)
            return text, nested or body
    return "", body


def _unwrap_list(items: list[object], depth: int) -> tuple[str, Mapping[str, Any]]:
    """Read a list: either one envelope in a list, or validation errors of which only place and reason are safe."""
    if "msg" not in json_object(items[0]):
        return _unwrap(items[0], depth)
    problems: list[str] = []
    for item in items[:5]:
        reason, loc = json_object(item).get("msg"), json_list(json_object(item).get("loc"))
        if isinstance(reason, str):
            place = ".".join(str(part) for part in loc[:_DEEPEST] if isinstance(part, str) or _count(part) is not None)
            problems.append(f"{place}: {reason}" if place else reason)
    return "; ".join(problems), {}


def _upstream_message(raw: object) -> str:
    """Return only the sentence of the provider's raw error: the rest may be the provider's internals."""
    if isinstance(raw, str) and raw.lstrip()[:1] in ("{", "["):
        raw = parse_json(raw.encode("utf-8", "replace"))
    return _clean(_unwrap(raw)[0])


def _context_limits(failure: Failure) -> tuple[int | None, int | None]:
    """Return the model's context length and the tokens asked for, where the body or the sentence tells them."""
    maximum, requested = _count(failure.body.get("n_ctx")), _count(failure.body.get("n_prompt_tokens"))
    if maximum is not None or requested is not None:
        return maximum, requested
    for pattern in _CONTEXT_LIMITS:
        if found := pattern.search(failure.message):
            return int(found["maximum"]), int(found["requested"])
    return None, None


def _count(value: object) -> int | None:
    """Return a number that can count or number something: no boolean, not negative, not of absurd length."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000_000 else None


def _request_id(headers: Mapping[str, str], redact: Callable[[str], str]) -> str | None:
    names = ("x-generation-id", "x-request-id", "request-id", "x-litellm-call-id", "cf-ray")
    return next((printable_name(headers[name], redact) for name in names if headers.get(name)), None)


def _server_status(status: int | None) -> int:
    return status if status is not None and 500 <= status <= 599 else 502


def _status(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    return value if isinstance(value, int) and 400 <= value <= 599 else None


def printable_name(value: object, redact: Callable[[str], str]) -> str | None:
    """Return a name or an id that the gateway gave, fit to be shown; None if it is no text."""
    return _cut(redact(_clean(value)), _LONGEST_NAME) if isinstance(value, str) else None


def _clean(text: str) -> str:
    """Return one printable line: nothing that a terminal or a log would obey, and of a page only its words."""
    text = text[:_LONGEST_READ]
    if text.lstrip()[:1] == "<":
        text = "an HTML page: " + _TAGS.sub(" ", text)
    return printable_line(text)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
