"""What a server answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai._transport.http.content_coding import DecodedBody, codings_of
from raptscallions_ai._transport.http.errors import BodyCodingError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from raptscallions_ai._transport.http.connection import Exchange

__all__ = ["HttpResponse"]


class HttpResponse:
    """A response whose head has come, and whose body is read as it comes.

    Args:
        exchange: The exchange that it is the answer of.

    Raises:
        BodyCodingError: The body is encoded in a way that was not asked for.

    Attributes:
        status: The status.
        raw_headers: The header fields in order, names in small letters.
        is_decoded: Whether the body was compressed on its way, so that headers which tell of that are history.
        read: Returns what has come of the body, decompressed, waiting for something; nothing at its end.
    """

    __slots__ = ("_exchange", "is_decoded", "raw_headers", "read", "status")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.status = exchange.status
        self.raw_headers = exchange.headers
        self.is_decoded = False
        self.read: Callable[[], Awaitable[bytes]] = exchange.read
        if codings := codings_of(exchange.headers):
            self._decode(codings)

    def _decode(self, codings: list[str]) -> None:
        try:
            self.read = DecodedBody(self._exchange.read, codings).read
        except BodyCodingError:
            if self.status < 300:  # else the status tells more
                self._exchange.abandon()
                raise
        else:
            self.is_decoded = True

    @property
    def headers(self) -> dict[str, str]:
        """The header fields; the last one counts where a name stands twice."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self.raw_headers}

    async def aclose(self) -> None:
        """Let go of the response; unless its body is whole, the connection is closed, which stops the server."""
        self._exchange.abandon()

    def __repr__(self) -> str:
        return f"HttpResponse(status={self.status})"
