"""What sending a request can fail with, whatever it is sent with; `exceptions.py` makes an `AiError` of it.

These never leave the library: some hold the key that was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ConnectTimeoutError",
    "ConnectionLostError",
    "RedirectRefusedError",
    "StatusError",
]


class StatusError(Exception):
    """The gateway answered with a status that is no success.

    Args:
        status: The HTTP status.
        headers: The response's headers, with names in lower case.
        body: The response's body.
        url: Where the request went.
        key: The key that was really sent, which must not appear in any message; empty if there was none.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, *, url: str, key: str = "") -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = headers
        self.body = body
        self.url = url
        self.key = key


class RedirectRefusedError(Exception):
    """The gateway redirects to where the key and the prompt must not follow; the message is the target's origin."""


class ConnectionLostError(Exception):
    """There was no connection, or it broke before the answer began."""


class ConnectTimeoutError(ConnectionLostError):
    """There was no connection within the time for it."""
