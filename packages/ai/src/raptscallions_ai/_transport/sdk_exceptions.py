"""The exceptions of the OpenAI SDK, in the words of `errors.py`; nothing above `sdk.py` meets one of them."""

from __future__ import annotations

import openai

from raptscallions_ai._transport.errors import ConnectionLostError, ConnectTimeoutError, StatusError
from raptscallions_ai.errors import InvalidResponseError

__all__ = ["without_sdk"]


def without_sdk(exception: Exception) -> Exception:
    """Return an exception that says the same as one of the SDK's; any other is returned as it is.

    What caused it is to be its cause, too, because that tells the reason.
    """
    if isinstance(exception, openai.APIStatusError):
        response, sent = exception.response, exception.request
        return StatusError(
            exception.status_code,
            {name.lower(): value for name, value in response.headers.items()},
            response.content,
            url=str(sent.url),
            # An injected client, or a header of the caller's, may use another key than ours.
            key=(sent.headers.get("authorization") or sent.headers.get("api-key", "")).rpartition(" ")[2],
        )
    if isinstance(exception, openai.APITimeoutError):
        return ConnectTimeoutError()
    if isinstance(exception, openai.APIConnectionError):
        return ConnectionLostError()
    if isinstance(exception, openai.APIResponseValidationError):
        return InvalidResponseError("the SDK could not read it")
    return exception
