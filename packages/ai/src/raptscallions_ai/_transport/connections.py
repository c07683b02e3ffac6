"""`Connections`: how requests reach a gateway, whatever they are sent with; and the `Response` to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from raptscallions_ai._dialects.dialect import Encoded
    from raptscallions_ai._transport.http.errors import Replaced

    Read = Callable[[], Awaitable[bytes]]
    """Returns what has come of a body, waiting for something; nothing at the end."""

    OnReplaced = Callable[[Replaced], object]
    """Called when a request was lost on a kept connection, or redirected, and is about to be sent once more."""

__all__ = ["Connections", "Response"]


class Response:
    """The response to a request, with a good status and its body unread.

    Args:
        status: The HTTP status.
        headers: The headers; a name is found in lower case.
        read: Returns what has come of the body, decompressed, waiting for something; nothing at the end.
        close: Ends it, and the connection unless the body was read to its end.
    """

    __slots__ = ("close", "headers", "read", "status")

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        read: Read,
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self.status = status
        self.headers = headers
        self.read = read
        self.close = close


class Connections(Protocol):
    """The way to one gateway; safe to share between tasks and event loops.

    What a request fails with before there is an answer is one of `errors.py`, or the transport's own exception.
    """

    @property
    def is_open(self) -> bool:
        """Whether there is anything to close."""
        ...

    @property
    def is_loaded(self) -> bool:
        """Whether all that sending takes has been imported."""
        ...

    async def load(self) -> None:
        """Import what sending takes, unless that is done; nothing is opened."""
        ...

    async def send(
        self, request: Encoded, *, connect_timeout: float | None, on_replaced: OnReplaced | None = None
    ) -> Response:
        """Send a request and return the response as soon as its status is known to be good.

        Args:
            request: What to send.
            connect_timeout: Seconds for connecting; None for no limit. Reading has none here.
            on_replaced: Called for each request that was lost or redirected, and is sent again; if it
                returns False, one that was lost is not.

        Raises:
            StatusError: The status is no success.
            RedirectRefusedError: The gateway redirects to another origin, or in a way that would drop the body.
            Exception: What the transport raises; `ai_error` knows it.
        """
        ...

    async def get_json(
        self,
        path: str,
        query: Mapping[str, object],
        *,
        headers: Mapping[str, str] | None = None,
        connect_timeout: float | None,
        on_replaced: OnReplaced | None = None,
    ) -> bytes:
        """Return the body of a GET request.

        Args:
            path: The path under the base URL.
            query: Query parameters.
            headers: Further headers.
            connect_timeout: Seconds for connecting; None for no limit.
            on_replaced: Called for each request that was lost or redirected and is sent again.

        Raises:
            StatusError: The status is no success.
            RedirectRefusedError: The gateway redirects to another origin, or again and again.
            Exception: What the transport raises.
        """
        ...

    async def post_json(
        self,
        request: Encoded,
        *,
        connect_timeout: float | None,
        max_bytes: int,
        on_replaced: OnReplaced | None = None,
    ) -> bytes:
        """Send a request whose answer is one JSON document, and return that.

        Raises:
            InvalidResponseError: The document is larger than `max_bytes`.
            Exception: What `send` raises, and what the transport raises while the document arrives.
        """
        ...

    async def warm_up(self, *, within: float) -> None:
        """Load what a request needs, and connect; that the gateway cannot be reached is left to the first call.

        Args:
            within: Seconds until it is given up.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open; nothing can be sent any more."""
        ...
