"""Every error in one envelope: ours, the framework's, and those that nobody expected."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from raptscallions_ai import AiError
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.http.payloads import encode
from raptscallions_chat.runs.errors import failure_payload

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

__all__ = ["error_reply", "install_error_handlers"]

_log = logging.getLogger("raptscallions_chat")
_OF_STATUS = {404: ("not_found", "There is nothing at this address."), 405: ("method_not_allowed", "Not this method.")}


def install_error_handlers(app: FastAPI) -> None:
    """Let an application answer every error with the envelope."""
    app.add_exception_handler(ChatError, _chat_error)
    app.add_exception_handler(AiError, _ai_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def error_reply(error: ChatError) -> Response:
    """Return the reply to a request that cannot be served."""
    headers = {} if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
    if error.code == "unauthenticated":
        headers["WWW-Authenticate"] = "Bearer"
    return _reply(error.status_code, error.payload(), headers)


def _reply(status: int, payload: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(encode({"error": payload}), status, headers, "application/json")


async def _chat_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ChatError)
    return error_reply(error)


async def _ai_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AiError)
    return _reply(error.status_code, failure_payload(error))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [
        # Not what was given: it may be the message, or a secret.
        {"where": ".".join(map(str, problem["loc"])), "problem": problem["msg"]}
        for problem in error.errors()
    ]
    if any(problem["type"] == "json_invalid" for problem in error.errors()):
        return error_reply(ChatError("malformed_json", "The body is not valid JSON.", details={"problems": problems}))
    first = problems[0] if problems else {"where": "request", "problem": "invalid"}
    message = f"{first['where']}: {first['problem']}"
    return error_reply(ChatError("invalid_request", message, details={"problems": problems}))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code in _OF_STATUS:
        code, message = _OF_STATUS[error.status_code]
        reply = error_reply(ChatError(code, message))
        reply.headers.update(error.headers or {})
        if error.status_code == 405:
            reply.headers["Allow"] = ", ".join(sorted(_methods_here(request)))
        return reply
    if error.status_code == 400:
        return error_reply(ChatError("malformed_json", "The body cannot be read."))
    payload = {"type": "ChatError", "code": "http_error", "message": str(error.detail), "retryable": False}
    return _reply(error.status_code, {**payload, "retry_after": None, "details": {}})


def _methods_here(request: Request) -> set[str]:
    """Return the methods of all endpoints at an address; the framework knows those of the first one only."""
    found: set[str] = set()
    for route in request.app.routes:
        matches, _ = route.matches(request.scope)
        if matches is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return found


async def _unexpected(request: Request, error: Exception) -> Response:
    payload = {"type": "ChatError", "code": "internal_error", "message": "Something went wrong here."}
    return _reply(500, {**payload, "retryable": True, "retry_after": None, "details": {}})
