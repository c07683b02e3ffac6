"""`NetworkOptions`: how a client reaches its gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import os
    import ssl

__all__ = ["NetworkOptions"]


class NetworkOptions(TypedDict, total=False):
    """How a client reaches its gateway; every client takes these keywords.

    Attributes:
        verify: Whom to trust over TLS: a file or a folder of certificates, which are trusted instead of the system's,
            or an `ssl.SSLContext` to use as it is. Else `SSL_CERT_FILE` and `SSL_CERT_DIR`, else the system.
        cert: As whom to present yourself: the file of a client certificate with its key, or a pair of both files.
        proxy: The proxy to go through, such as `http://user:password@proxy.example:3128` or `socks5h://127.0.0.1:1080`
            (extra `socks`). Else `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, read as curl reads them.
    """

    verify: str | os.PathLike[str] | ssl.SSLContext
    cert: str | os.PathLike[str] | tuple[str | os.PathLike[str], str | os.PathLike[str]]
    proxy: str
