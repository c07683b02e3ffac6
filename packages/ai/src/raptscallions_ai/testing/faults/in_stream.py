"""Errors inside the stream, when the status was good: every shape, before the first text, after it and at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import TEXT, Fails
from raptscallions_ai.testing.faults.fault import Category, Fault
from raptscallions_ai.testing.faults.pieces import FINISH, OPENING, PARTIAL, USAGE, stream
from raptscallions_ai.testing.wire import DONE, chunk, sse, usage

if TYPE_CHECKING:
    from raptscallions_ai.testing.replies import Reply

_FAILED = {"code": 502, "message": "Upstream failed", "metadata": {"error_type": "provider_unavailable"}}
_PROVIDER = Fails(error="ProviderError", status_code=502, says="Upstream failed", partial=PARTIAL, retryable=True)
_INTERRUPTED = Fails(error="StreamInterruptedError", status_code=502, partial=PARTIAL, retryable=True)


def _error(
    id: str,
    title: str,
    *parts: bytes,
    expected: Fails = _PROVIDER,
    source: str = sources.STREAMING,
    reply: Reply | None = None,
) -> Fault:
    return Fault(
        id=id,
        title=title,
        category=Category.IN_STREAM,
        source=source,
        replies=(reply or stream(OPENING, *parts),),
        expected=expected,
    )


def _coded(
    code: Any, error: str, status: int, *, error_type: str | None = None, retryable: bool | None = None
) -> Fault:
    """Return an error chunk with a code that means the same as the status before a stream."""
    metadata = {} if error_type is None else {"metadata": {"error_type": error_type}}
    typed = "" if error_type is None else f" and the type `{error_type}`"
    name = (error_type or str(code)).replace("_", "-").lower()
    return _error(
        f"in-stream-{name}",
        f"An error chunk after the first text has the code `{code}`{typed}.",
        sse(chunk(choices=[], error={"code": code, "message": "It failed", **metadata})),
        expected=Fails(error=error, status_code=status, partial=PARTIAL, retryable=retryable),
        source=sources.ERRORS,
    )


_CODES = (
    _coded(429, "RateLimitError", 429, error_type="rate_limit_exceeded", retryable=True),
    _coded(503, "ProviderError", 503, error_type="provider_overloaded", retryable=True),
    _coded(504, "TimeoutError", 504, error_type="timeout", retryable=True),
    _coded(400, "ContextLengthError", 400, error_type="context_length_exceeded", retryable=False),
    _coded(400, "ContentPolicyError", 400, error_type="content_policy_violation", retryable=False),
    _coded(401, "AuthenticationError", 401, retryable=False),
    _coded(402, "InsufficientCreditsError", 402, retryable=False),
    _coded(403, "PermissionDeniedError", 403, error_type="permission_denied", retryable=False),
    _coded(404, "ModelNotAvailableError", 400, error_type="no_endpoints", retryable=False),
    _coded(422, "BadRequestError", 422, retryable=False),
    _coded("500", "ProviderError", 500, retryable=True),
    _coded("server_error", "ProviderError", 502, retryable=True),
    _coded(None, "ProviderError", 502, retryable=True),
)

_SHAPES = (
    _error(
        "in-stream-with-choice",
        "The error stands beside a choice whose finish reason is `error`.",
        sse(chunk(finish_reason="error", error=_FAILED)),
        DONE,
    ),
    _error(
        "in-stream-in-choice",
        "The error stands inside the choice.",
        sse(chunk(choices=[{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": _FAILED}])) + DONE,
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _error(
        "in-stream-no-choices",
        "The error stands beside an empty list of choices.",
        sse(chunk(choices=[], error=_FAILED)),
    ),
    _error(
        "in-stream-envelope",
        "The event has an error and nothing else.",
        sse({"error": _FAILED}),
        source=sources.LITELLM,
    ),
    _error(
        "in-stream-text", "The event's error is a string.", sse({"error": "Upstream failed"}), source=sources.OLLAMA
    ),
    _error(
        "in-stream-event-error",
        "The event is named `error`.",
        sse({"error": _FAILED}, event="error"),
        source="Anthropic docs: streaming",
    ),
    _error(
        "in-stream-event-bare",
        "The event is named `error` and has a message at its top.",
        sse({"message": "Upstream failed", "code": 502}, event="error"),
        source=sources.PRECAUTION,
    ),
    _error(
        "in-stream-event-text",
        "The event is named `error` and is plain text.",
        sse("Upstream failed", event="error"),
        source=sources.NETWORK,
    ),
    _error(
        "in-stream-message",
        "The event has a message at its top and is not named.",
        sse({"message": "Upstream failed", "code": 502}),
        source=sources.PRECAUTION,
    ),
    _error(
        "in-stream-detail",
        "The event has its error in `detail`.",
        sse({"detail": "Upstream failed"}),
        source=sources.PRECAUTION,
    ),
    _error(
        "in-stream-bare-json",
        "The error comes as a line of JSON that is no event.",
        b'{"error": {"message": "Upstream failed", "code": 502}}\n\n',
        expected=_INTERRUPTED,
        source=sources.PRECAUTION,
    ),
    _error(
        "in-stream-finish-error",
        "The finish reason is `error`, without any error.",
        sse(chunk(finish_reason="error")) + USAGE + DONE,
        expected=_INTERRUPTED,
        source=sources.ERRORS,
    ),
    _error(
        "in-stream-native-error",
        "The native finish reason is `network_error` while the finish reason is `stop`.",
        sse(chunk(finish_reason="stop", native_finish_reason="network_error")) + USAGE + DONE,
        expected=_INTERRUPTED,
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _error(
        "in-stream-provider",
        "The error names the provider and quotes what it said.",
        sse(
            chunk(
                choices=[],
                error={
                    "code": 502,
                    "message": "Provider returned error",
                    "metadata": {"provider_name": "Acme", "raw": "disk full"},
                },
            )
        ),
        expected=Fails(
            error="ProviderError",
            status_code=502,
            provider="Acme",
            details={"provider_message": "disk full"},
            partial=PARTIAL,
        ),
        source=sources.OPENROUTER_TRAFFIC,
    ),
)

_PLACES = (
    _error(
        "in-stream-first",
        "The error is the first chunk.",
        expected=Fails(error="ProviderError", status_code=502, says="Upstream failed", partial=""),
        source=sources.PRECAUTION,
        reply=stream(sse(chunk(choices=[], error=_FAILED)), DONE),
    ),
    _error(
        "in-stream-after-comments",
        "The error comes after keep-alives and before any text.",
        expected=Fails(error="ProviderError", status_code=502, says="Upstream failed"),
        source=sources.PRECAUTION,
        reply=stream(b": OPENROUTER PROCESSING\n\n" * 3, sse({"error": _FAILED})),
    ),
    _error(
        "in-stream-with-usage",
        "The chunk with the error has the usage too.",
        sse(chunk(choices=[], error=_FAILED, usage=usage())) + DONE,
        expected=Fails(error="ProviderError", status_code=502, partial=PARTIAL, tokens=15),
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _error(
        "in-stream-with-text",
        "The chunk with the error has the last text too.",
        sse(chunk(" blue", error=_FAILED)),
        expected=Fails(error="ProviderError", status_code=502, partial="The sky is blue"),
        source=sources.STREAMING,
    ),
    _error(
        "in-stream-in-same-packet",
        "Text and error come in one packet.",
        expected=_PROVIDER,
        source=sources.NETWORK,
        reply=stream(OPENING + sse(chunk(choices=[], error=_FAILED)) + DONE),
    ),
    _error(
        "in-stream-after-finish",
        "The error comes after the finish reason `stop`.",
        sse(chunk(" blue.")) + FINISH + sse(chunk(choices=[], error=_FAILED)) + DONE,
        expected=Fails(error="ProviderError", status_code=502, partial=TEXT),
        source=sources.ERRORS,
    ),
    _error(
        "in-stream-after-length",
        "After the finish reason `length` an error comes that has nothing to do with it.",
        sse(chunk(finish_reason="length")) + sse(chunk(choices=[], error=_FAILED)) + DONE,
        source=sources.ERRORS,
    ),
    _error(
        "in-stream-reasoning-first",
        "Only reasoning had arrived before the error.",
        expected=Fails(error="ProviderError", status_code=502, partial=""),
        source=sources.REASONING,
        reply=stream(sse(chunk(delta={"reasoning": "Hm."})), sse(chunk(choices=[], error=_FAILED))),
    ),
)

FAULTS = (*_CODES, *_SHAPES, *_PLACES)
