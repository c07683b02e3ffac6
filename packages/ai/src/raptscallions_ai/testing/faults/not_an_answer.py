"""Status 200 and no answer, or an answer in another form than was asked for."""

from __future__ import annotations

from typing import Any

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import TEXT, Complete, Expected, Fails
from raptscallions_ai.testing.faults.fault import Category, Fault
from raptscallions_ai.testing.faults.pieces import COMPLETE, WHOLE, stream
from raptscallions_ai.testing.replies import Reply, json_reply
from raptscallions_ai.testing.wire import DONE, completion, error_body, sse, usage

_PROVIDER = Fails(error="ProviderError", status_code=502, says="Upstream failed", retryable=True)
_EMPTY = Fails(error="InvalidResponseError", status_code=502, says="empty", retryable=True)
_HTML = Fails(error="InvalidResponseError", status_code=502, says="HTML page")
_NO_CHOICES = Fails(error="InvalidResponseError", status_code=502, retryable=True)
_ERROR = error_body(502, "Upstream failed", error_type="provider_unavailable")


def _case(id: str, title: str, reply: Reply, expected: Expected, source: str, *, stream: bool = True) -> Fault:
    return Fault(
        id=id,
        title=title,
        category=Category.NOT_AN_ANSWER,
        source=source,
        replies=(reply,),
        expected=expected,
        stream=stream,
    )


def _page(text: bytes, content_type: str = "text/html; charset=utf-8", status: int = 200) -> Reply:
    return Reply((text,) if text else (), status, {"content-type": content_type}, "length")


def _with(**fields: Any) -> Reply:
    return json_reply({**completion(TEXT), **fields})


_IN_PLACE_OF_A_STREAM = (
    _case(
        "ok-error-body", "The status is 200 and the body is an error.", json_reply(_ERROR), _PROVIDER, sources.ERRORS
    ),
    _case(
        "ok-error-body-labelled",
        "The status is 200, and the error is labelled as an event stream.",
        stream(json_reply(_ERROR).steps[0]),
        _PROVIDER,
        sources.ERRORS,
    ),
    _case(
        "ok-error-text",
        "The status is 200 and the error is a string.",
        json_reply({"error": "Upstream failed"}),
        _PROVIDER,
        sources.PRECAUTION,
    ),
    _case(
        "ok-error-list",
        "The status is 200 and the error stands in a list.",
        json_reply([_ERROR]),
        _PROVIDER,
        "Gemini's OpenAI-compatible endpoint",
    ),
    _case(
        "ok-error-429",
        "The status is 200 and the error's code is 429.",
        json_reply(error_body(429, "Slow down")),
        Fails(error="RateLimitError", status_code=429, retryable=True),
        sources.ERRORS,
    ),
    _case(
        "ok-html",
        "The status is 200 and the body is a web page.",
        _page(b"<!DOCTYPE html><html><body>Welcome</body></html>"),
        _HTML,
        sources.NETWORK,
    ),
    _case(
        "ok-html-labelled",
        "The status is 200, and a web page is labelled as an event stream.",
        stream(b"\n  <html><body>Sign in</body></html>"),
        _HTML,
        sources.NETWORK,
    ),
    _case(
        "ok-empty",
        "The status is 200 and the body is empty.",
        _page(b"", "text/event-stream"),
        _EMPTY,
        sources.LLAMA_PYTHON,
    ),
    _case("ok-blank", "The status is 200 and the body is blank.", stream(b" \n\n \n"), _EMPTY, sources.NETWORK),
    _case(
        "ok-plain-text",
        "The status is 200 and the body is plain text.",
        _page(b"OK", "text/plain"),
        Fails(error="InvalidResponseError", status_code=502),
        sources.NETWORK,
    ),
    _case(
        "ok-other-json",
        "The status is 200 and the body is JSON of another kind.",
        json_reply({"status": "ok", "uptime": 5}),
        Fails(error="InvalidResponseError", status_code=502),
        sources.NETWORK,
    ),
    _case(
        "ok-done-alone",
        "The stream is nothing but its end mark.",
        stream(DONE),
        Fails(error="InvalidResponseError", status_code=502, retryable=True),
        sources.PRECAUTION,
    ),
    _case(
        "ok-usage-alone",
        "The stream is usage and end mark, without any choice.",
        stream(sse({"id": "gen-1", "choices": [], "usage": usage()}), DONE),
        Fails(error="InvalidResponseError", status_code=502, partial="", tokens=15, retryable=True),
        sources.PRECAUTION,
    ),
    _case(
        "ok-no-content", "The status is 204.", Reply((), 204, {"content-length": "0"}, "length"), _EMPTY, sources.HTTP
    ),
    _case(
        "ok-json-in-event",
        "The only event of the stream is a complete answer in one body.",
        stream(sse(completion(TEXT)), DONE),
        COMPLETE,
        sources.PRECAUTION,
    ),
    _case(
        "ok-json-lines",
        "The chunks come as lines of JSON instead of events.",
        _page(b'{"choices":[{"delta":{"content":"The sky"}}]}\n' * 2, "application/x-ndjson"),
        Fails(error="InvalidResponseError", status_code=502),
        "Ollama docs: streaming",
    ),
    _case(
        "ok-json-for-stream",
        "A complete answer in one body answers a request for a stream.",
        json_reply(completion(TEXT)),
        COMPLETE,
        sources.PRECAUTION,
    ),
    _case(
        "ok-json-labelled",
        "A complete answer in one body is labelled as an event stream.",
        stream(json_reply(completion(TEXT)).steps[0]),
        COMPLETE,
        sources.NETWORK,
    ),
    _case(
        "ok-json-pretty",
        "An answer in one body is preceded by blanks that keep the connection alive.",
        stream(b"\n\n  \n", b" \n", json_reply(completion(TEXT)).steps[0]),
        COMPLETE,
        sources.PRECAUTION,
    ),
)

_IN_ONE_BODY = (
    _case(
        "json-whole",
        "One body is asked for and comes.",
        json_reply(completion(TEXT)),
        COMPLETE,
        sources.OPENROUTER_API,
        stream=False,
    ),
    _case(
        "json-stream-instead",
        "One body is asked for and a stream comes.",
        stream(WHOLE),
        COMPLETE,
        sources.NETWORK,
        stream=False,
    ),
    _case(
        "json-error",
        "One body is asked for, and an error comes with status 200.",
        json_reply(_ERROR),
        _PROVIDER,
        sources.ERRORS,
        stream=False,
    ),
    _case(
        "json-choices-null",
        "The choices are null, and there is no error.",
        _with(choices=None),
        Fails(error="InvalidResponseError", status_code=502, partial="", tokens=15),
        sources.OPENROUTER_TRAFFIC,
        stream=False,
    ),
    _case(
        "json-choices-empty",
        "The list of choices is empty.",
        _with(choices=[]),
        Fails(error="InvalidResponseError", status_code=502, partial="", tokens=15),
        sources.PRECAUTION,
        stream=False,
    ),
    _case(
        "json-choice-error",
        "The choice has an error beside its partial text.",
        _with(
            choices=[
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "The sky is"},
                    "finish_reason": "error",
                    "error": _ERROR["error"],
                }
            ]
        ),
        Fails(error="ProviderError", status_code=502, partial="The sky is", tokens=15),
        sources.ERRORS,
        stream=False,
    ),
    _case(
        "json-finish-null",
        "The finish reason is null, but the body is whole.",
        json_reply(completion(TEXT, finish_reason=None)),
        Complete(finish_reason=None),
        sources.OPENROUTER_TRAFFIC,
        stream=False,
    ),
    _case(
        "json-usage-missing",
        "The body has no usage.",
        _with(usage=None),
        Fails(error="InvalidResponseError", status_code=502, says="No usage metadata", partial=TEXT),
        sources.OPENAI,
        stream=False,
    ),
    _case(
        "json-html",
        "One body is asked for and a web page comes.",
        _page(b"<html></html>"),
        _HTML,
        sources.NETWORK,
        stream=False,
    ),
    _case(
        "json-empty",
        "One body is asked for and nothing comes.",
        _page(b"", "application/json"),
        _EMPTY,
        sources.NETWORK,
        stream=False,
    ),
    _case(
        "json-message-parts",
        "The content is a list of parts.",
        json_reply(completion(None, message={"content": [{"type": "text", "text": TEXT}]})),
        COMPLETE,
        sources.OPENROUTER_API,
        stream=False,
    ),
)

FAULTS = (*_IN_PLACE_OF_A_STREAM, *_IN_ONE_BODY)
