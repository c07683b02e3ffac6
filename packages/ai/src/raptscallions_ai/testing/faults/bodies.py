"""Error bodies before the stream: every envelope that gateways put their sentence in, and none at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import Fails
from raptscallions_ai.testing.faults.fault import Category, Fault
from raptscallions_ai.testing.replies import Reply, json_reply
from raptscallions_ai.testing.wire import error_body

if TYPE_CHECKING:
    from raptscallions_ai.testing.recording import RecordedRequest
    from raptscallions_ai.testing.script import Responder

_BUSY = "Too busy"
_TOO_LONG = "request (16031 tokens) exceeds the available context size (2048 tokens), try increasing it"
_BUSY_MESSAGE = f"AI gateway error: {_BUSY}"


def _body(id: str, title: str, reply: Responder, expected: Fails, source: str) -> Fault:
    return Fault(id=id, title=title, category=Category.BODIES, source=source, replies=(reply,), expected=expected)


def _busy(id: str, title: str, body: Any, source: str, says: str = _BUSY_MESSAGE) -> Fault:
    """Return a 503 that must be reported as such, whatever its body looks like."""
    expected = Fails(error="ProviderError", status_code=503, says=says, retryable=True)
    return _body(id, title, json_reply(body, status=503), expected, source)


def _text(status: int, text: bytes, content_type: str = "text/html") -> Reply:
    return Reply((text,) if text else (), status, {"content-type": content_type}, "length")


def _echo_of_the_key(request: RecordedRequest) -> Reply:
    """Return an error that quotes the key."""
    return json_reply(error_body(401, f"Invalid header {request.headers['authorization']} in the request"), status=401)


def _echo_of_the_prompt(request: RecordedRequest) -> Reply:
    """Return an error that quotes the request's body, as validation errors do."""
    prompt = request.json["messages"][0]["content"]
    problem = {"type": "string_type", "loc": ["body", "messages", 0], "msg": f"bad input {prompt!r}", "input": prompt}
    return json_reply({"detail": [problem]}, status=422)


_ENVELOPES = (
    _busy(
        "body-openai",
        "The error has a message, a type and a code.",
        {"error": {"message": _BUSY, "type": "unavailable_error", "code": 503}},
        sources.LLAMA,
    ),
    _busy(
        "body-code-text",
        "The code is a string and the type null.",
        {"error": {"message": _BUSY, "type": None, "param": "None", "code": "503"}},
        sources.LITELLM,
    ),
    _busy("body-error-text", "The error is a string.", {"error": _BUSY}, sources.OLLAMA),
    _busy("body-detail", "The sentence stands in `detail`.", {"detail": _BUSY}, sources.FASTAPI),
    _busy(
        "body-detail-error",
        "The error stands inside `detail`.",
        {"detail": {"error": {"message": _BUSY}}},
        sources.FASTAPI,
    ),
    _busy("body-html-message", "The sentence stands in `html-message`.", {"html-message": _BUSY}, sources.PORTKEY),
    _busy(
        "body-status-message",
        "Status and message stand at the top.",
        {"status": "failure", "message": _BUSY},
        sources.PORTKEY,
    ),
    _busy(
        "body-list",
        "The error stands in a list.",
        [{"error": {"message": _BUSY, "code": 503}}],
        "Gemini's OpenAI-compatible endpoint",
    ),
    _busy(
        "body-anthropic",
        "The error is in Anthropic's envelope.",
        {"type": "error", "error": {"type": "overloaded_error", "message": _BUSY}},
        "Anthropic docs: errors",
    ),
    _busy("body-json-text", "The body is a JSON string.", json.dumps(_BUSY).encode(), sources.JSON),
    _busy(
        "body-other-json",
        "The body is JSON without any error in it.",
        {"ok": False},
        sources.JSON,
        says="no reason given",
    ),
    _busy("body-null", "The body is null.", b"null", sources.JSON, says="no reason given"),
)

_WITHOUT_JSON = (
    _body(
        "body-html",
        "A front end answers 502 with an HTML page.",
        _text(502, b"<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>"),
        Fails(error="ProviderError", status_code=502, says="an HTML page: 502 Bad Gateway", retryable=True),
        sources.CLOUDFLARE,
    ),
    _body(
        "body-html-forbidden",
        "A front end answers 403 with an HTML page.",
        _text(403, b"<!DOCTYPE html><title>Just a moment...</title>"),
        Fails(error="AuthenticationError", status_code=401),
        sources.CLOUDFLARE,
    ),
    _body(
        "body-plain-text",
        "The gateway answers 500 with plain text.",
        _text(500, b"Internal Server Error", "text/plain"),
        Fails(error="ProviderError", status_code=500, says="Internal Server Error"),
        sources.LLAMA_PYTHON,
    ),
    _body(
        "body-empty",
        "The gateway answers 503 with an empty body.",
        _text(503, b""),
        Fails(error="ProviderError", status_code=503, says="no reason given"),
        sources.HTTP,
    ),
    _body(
        "body-not-json",
        "The body is labelled as JSON and is cut off in the middle.",
        json_reply(b'{"error":{"message":"Too', status=500),
        Fails(error="ProviderError", status_code=500),
        sources.NETWORK,
    ),
    _body(
        "body-bad-utf8",
        "The body is not UTF-8.",
        json_reply(b'{"error":{"message":"Zu viel \xfc"}}', status=503),
        Fails(error="ProviderError", status_code=503),
        sources.NETWORK,
    ),
    _body(
        "body-no-such-path",
        "The gateway has no such path.",
        json_reply({"detail": "Not Found"}, status=404),
        Fails(error="BadRequestError", status_code=404, says="no such endpoint"),
        sources.LITELLM,
    ),
    _body(
        "body-event-stream",
        "The error's body is labelled as an event stream.",
        Reply((b'data: {"error":{"message":"Too busy"}}\n\n',), 503),
        Fails(error="ProviderError", status_code=503),
        sources.PRECAUTION,
    ),
)

_FACTS = (
    _body(
        "fact-provider",
        "The gateway names the provider and quotes what it said.",
        json_reply(
            error_body(
                502,
                "Provider returned error",
                metadata={"provider_name": "Acme", "raw": '{"error":{"message":"disk full"}}'},
            ),
            status=502,
        ),
        Fails(error="ProviderError", status_code=502, provider="Acme", details={"provider_message": "disk full"}),
        sources.OPENROUTER_TRAFFIC,
    ),
    _body(
        "fact-context",
        "The gateway tells the model's context length and what was asked for.",
        json_reply(
            {
                "error": {
                    "code": 400,
                    "message": _TOO_LONG,
                    "type": "exceed_context_size_error",
                    "n_prompt_tokens": 16031,
                    "n_ctx": 2048,
                }
            },
            status=400,
        ),
        Fails(error="ContextLengthError", status_code=400, details={"max_tokens": 2048, "requested_tokens": 16031}),
        sources.LLAMA,
    ),
    _body(
        "fact-context-in-text",
        "Only the sentence tells that the context is too small.",
        json_reply(
            {
                "error": {
                    "message": f"litellm.ContextWindowExceededError: {_TOO_LONG}",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": "400",
                }
            },
            status=400,
        ),
        Fails(error="ContextLengthError", status_code=400, details={"max_tokens": 2048, "requested_tokens": 16031}),
        sources.LITELLM,
    ),
    _body(
        "fact-moderation",
        "Moderation names its reasons and quotes what it flagged.",
        json_reply(
            error_body(403, "Input flagged", metadata={"reasons": ["violence"], "flagged_input": "Ambleside-4711"}),
            status=403,
        ),
        Fails(error="ContentPolicyError", status_code=403, details={"reasons": ["violence"]}),
        sources.AIMOCK,
    ),
    _body(
        "fact-guardrail",
        "A guardrail of the account blocks the request.",
        json_reply(error_body(403, "Request blocked by guardrail", metadata={"patterns": ["card number"]}), status=403),
        Fails(error="PermissionDeniedError", status_code=403),
        sources.ERRORS,
    ),
    _body(
        "fact-unknown-model",
        "Only the sentence tells that the model is unknown.",
        json_reply({"error": "Unknown provider prefix: 'no'. Supported: anthropic, azure"}, status=400),
        Fails(error="ModelNotAvailableError", status_code=400, details={"model": "fake/model-1"}),
        sources.OLLAMA,
    ),
    _body(
        "fact-empty-account",
        "The account is empty, but the status is 429.",
        json_reply(
            {
                "error": {
                    "message": "You exceeded your current quota",
                    "type": "insufficient_quota",
                    "code": "insufficient_quota",
                }
            },
            status=429,
        ),
        Fails(error="InsufficientCreditsError", status_code=402, retryable=False),
        "OpenAI docs: error codes",
    ),
    _body(
        "fact-not-retryable",
        "The gateway answers 503 and says that trying again is of no use.",
        json_reply(
            {"error": {"code": 503, "message": "Gone", "availability": {"code": "no_endpoints", "retryable": False}}},
            status=503,
        ),
        Fails(error="ModelNotAvailableError", status_code=400, retryable=False),
        sources.ERRORS,
    ),
    _body(
        "echo-key",
        "The error quotes the key.",
        _echo_of_the_key,
        Fails(error="AuthenticationError", status_code=401),
        sources.HOSTILE,
    ),
    _body(
        "echo-prompt",
        "The error quotes the prompt.",
        _echo_of_the_prompt,
        Fails(error="BadRequestError", status_code=422),
        sources.FASTAPI,
    ),
)

FAULTS = (*_ENVELOPES, *_WITHOUT_JSON, *_FACTS)
