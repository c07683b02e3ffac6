"""Whom a client trusts over TLS, and as whom it presents itself."""

from __future__ import annotations

import functools
import os
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from raptscallions_ai._transport.http.errors import SetupError, tls_reason

__all__ = ["TlsTrust"]

_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # OpenSSL's own


@dataclass(frozen=True, slots=True)
class TlsTrust:
    """Whom a client trusts, and as whom it presents itself.

    Attributes:
        verify: A file or folder of certificates to trust instead of the system's, or a context to use as it is.
        certificate: The file of a client certificate, or that file and the one of its key.
    """

    verify: str | ssl.SSLContext | None = None
    certificate: str | tuple[str, str] | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context, which is made once: reading the system's certificates takes 30 ms.

        Raises:
            SetupError: A file that a setting names is not there, or is not what it should be.
        """
        if isinstance(self.verify, ssl.SSLContext):
            return self.verify
        return _context(self, *(os.environ.get(name) for name in _VARIABLES))


@functools.lru_cache(maxsize=16)
def _context(trust: TlsTrust, *variables: str | None) -> ssl.SSLContext:
    ca_path = cast("str | None", trust.verify)
    named = {"verify=": ca_path} if ca_path else dict(zip(_VARIABLES, variables, strict=True))
    for name, place in named.items():
        if place and not Path(place).exists():
            raise SetupError(f"the certificates to trust cannot be read: {name} names {place}, which does not exist")
    place = next((place for place in named.values() if place), None)
    try:
        context = _trusting(place)
        if trust.certificate is not None:
            files = (trust.certificate,) if isinstance(trust.certificate, str) else trust.certificate
            context.load_cert_chain(*files)
    except OSError as error:  # of which ssl's errors are
        raise SetupError(f"a certificate cannot be read: {_files(trust, place)} ({tls_reason(error)})") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def _trusting(place: str | None) -> ssl.SSLContext:
    if place is not None:
        if Path(place).is_dir():
            return ssl.create_default_context(capath=place)
        return ssl.create_default_context(cafile=place)
    if sys.platform in ("win32", "darwin"):
        import truststore  # asks the system, which knows what its administrator trusts; httpx2 brings it

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return ssl.create_default_context()


def _files(trust: TlsTrust, place: str | None) -> str:
    client_files = trust.certificate if isinstance(trust.certificate, str) else " and ".join(trust.certificate or ())
    return ", ".join(text for text in (place, client_files) if text)
