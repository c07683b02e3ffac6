"""TLS between a transport and a protocol.

Each connection of asyncio's own TLS holds buffers of 300 KiB; here two `ssl.MemoryBIO` grow as large as what is under
way.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai._transport.http.connection import unread_input
from raptscallions_ai._transport.http.errors import (
    HttpError,
    LostConnectionError,
    SetupError,
    UnreachableError,
    os_reason,
    tls_reason,
)

if TYPE_CHECKING:
    from raptscallions_ai._transport.http.connection import HttpConnection

__all__ = ["TlsLayer", "start_tls"]


class TlsLayer(asyncio.BufferedProtocol, asyncio.Transport):
    """A protocol to the transport below it, and a transport to the protocol above it.

    Args:
        inner: The protocol above.
        context: The context.
        host: Whose certificate is expected.
        buffer: What both layers read into, one after another.
    """

    def __init__(self, inner: asyncio.BufferedProtocol, context: ssl.SSLContext, host: str, buffer: memoryview) -> None:
        self._inner = inner
        self._host = host
        self._buffer = buffer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._transport: asyncio.Transport | None = None
        self._shaking: asyncio.Future[None] | None = None
        self._broken: HttpError | None = None  # why nothing can be decrypted any more

    async def handshake(self, transport: asyncio.Transport) -> None:
        """Take the transport over and shake hands.

        Raises:
            UnreachableError: The server does not speak TLS, or its certificate is refused.
        """
        self._transport = transport
        self._shaking = asyncio.get_running_loop().create_future()
        transport.set_protocol(self)
        self._do_handshake()
        await self._shaking
        self._shaking = None
        self._deliver()
        if self._broken is not None:
            raise self._broken

    def _do_handshake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except (ssl.SSLError, ssl.CertificateError) as error:
            self._flush()  # the alert that tells the server
            refused = isinstance(error, ssl.SSLCertVerificationError) or _is_refusal(tls_reason(error))
            self._end(UnreachableError(_tls_reason(error, self._host), permanent=refused))
            self.abort()
        else:
            self._flush()
            self._end(None)

    def _end(self, error: UnreachableError | None) -> None:
        if self._shaking is not None and not self._shaking.done():
            if error is None:
                self._shaking.set_result(None)
            else:
                self._shaking.set_exception(error)

    # The protocol that the transport below sees.

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._incoming.write(self._buffer[:nbytes])
        if self._shaking is None:
            self._deliver()
        elif not self._shaking.done():
            self._do_handshake()

    def eof_received(self) -> None:
        if self._shaking is not None:
            self._end(UnreachableError(f"closed during the TLS handshake with {self._host}"))
        else:
            self._inner.eof_received()
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        transport = self._transport
        if exc is not None and transport is not None and self._shaking is None:
            for size in unread_input(transport, self._buffer):
                self.buffer_updated(size)
        self._transport = None
        reason = "connection closed" if exc is None else os_reason(exc)
        self._end(UnreachableError(f"{reason} during the TLS handshake with {self._host}"))
        self._inner.connection_lost(self._broken or exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def _deliver(self) -> None:
        """Hand over what can be decrypted, as much at once as the buffer holds."""
        buffer, size = self._buffer, 0
        ended = broken = False
        try:
            while self._incoming.pending or self._tls.pending():
                # With a buffer it returns a number, which its type does not tell.
                count = cast("int", self._tls.read(len(buffer) - size, cast("bytearray", buffer[size:])))
                if not count:
                    ended = True
                    break
                size += count
                if size == len(buffer):
                    self._inner.buffer_updated(size)
                    size = 0
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            ended = True
        except ssl.SSLError as error:
            broken = True  # what was decrypted before is delivered; what follows cannot be trusted
            self._broken = _broken(error, self._host)
        if size:
            self._inner.buffer_updated(size)
        if self._outgoing.pending:
            self._flush()
        if ended:
            self._inner.eof_received()
        if ended or broken:
            self.abort()

    def _flush(self) -> None:
        if self._transport is not None and self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    # The transport that the protocol above sees.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        with contextlib.suppress(ssl.SSLError):  # reading reports a broken connection
            self._tls.write(data)
            self._flush()

    def abort(self) -> None:
        if self._transport is not None:
            if self._shaking is None and not self._transport.is_closing():
                with contextlib.suppress(ssl.SSLError):
                    self._tls.unwrap()
                self._flush()
            self._transport.abort()

    def close(self) -> None:
        self.abort()

    def is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._inner = cast("asyncio.BufferedProtocol", protocol)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default if self._transport is None else self._transport.get_extra_info(name, default)


async def start_tls(connection: HttpConnection, context: ssl.SSLContext, host: str, buffer: memoryview) -> None:
    """Put TLS beneath a connection that is open and has carried nothing that is under way.

    Raises:
        UnreachableError: There is no TLS with this server.
    """
    transport = connection.transport
    if transport is None:
        raise UnreachableError(f"connection closed before the TLS handshake with {host}")
    try:
        layer = TlsLayer(connection, context, host, buffer)
    except ValueError:  # an empty name, or one with a leading dot
        raise SetupError("no certificate can be issued for this host name") from None
    connection.use(layer)
    await layer.handshake(transport)


def _broken(error: ssl.SSLError, host: str) -> HttpError:
    """Return what broke TLS after its handshake, such as a client certificate that is missing in TLS 1.3."""
    reason = tls_reason(error)
    if _is_refusal(reason):
        return UnreachableError(f"{host} refused TLS, or wants another client certificate: {reason}", permanent=True)
    return LostConnectionError(f"TLS with {host} failed: {reason}")


def _is_refusal(reason: str) -> bool:
    """Whether the server has said that it does not want this client, which asking again does not change."""
    return "alert" in reason and "internal error" not in reason


def _tls_reason(error: ssl.SSLError | ssl.CertificateError, host: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS certificate of {host} refused: {getattr(error, 'verify_message', '') or tls_reason(error)}"
    return f"TLS handshake with {host} failed: {tls_reason(error)}"
