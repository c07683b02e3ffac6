"""How a client reaches the network: whom it trusts over TLS, as whom it presents itself, and through which proxy."""

from __future__ import annotations

import functools
import os
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from raptscallions_ai._transport.http.errors import SetupError, tls_reason
from raptscallions_ai._transport.http.proxies import Proxy, environment_proxy
from raptscallions_ai.options.client_options import unknown_argument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai._transport.http.origin import Origin

__all__ = ["Network"]

_OPTIONS = ("verify", "cert", "proxy")
_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # OpenSSL's own


@dataclass(frozen=True, slots=True)
class Network:
    """How a client reaches the network; clients that agree on it share connections.

    Attributes:
        verify: A file or folder of certificates to trust instead of the system's, or a context to use as it is.
        cert: The file of a client certificate, or that file and the one of its key.
        proxy: The proxy to use; None for the one that the environment names, if it does.
    """

    verify: str | ssl.SSLContext | None = None
    cert: str | tuple[str, str] | None = None
    proxy: Proxy | None = None

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Network:
        """Return what `NetworkOptions` say, checked.

        Raises:
            TypeError: An option is unknown, or of a wrong type.
            ValueError: `proxy` is not the URL of a proxy, or `cert` stands beside an `ssl.SSLContext`.
        """
        if unknown := options.keys() - _OPTIONS:
            raise unknown_argument(min(unknown), _OPTIONS)
        verify, cert, proxy = (options.get(name) for name in _OPTIONS)
        if isinstance(verify, bool):
            context = "an ssl.SSLContext for anything else than what the system trusts"
            raise TypeError(f"verify must be a file or folder of certificates, or {context}; not {verify}")
        if not isinstance(verify, str | os.PathLike | ssl.SSLContext | None):
            raise TypeError(f"verify must be a path or an ssl.SSLContext, not {type(verify).__name__}")
        if cert is not None and isinstance(verify, ssl.SSLContext):
            raise ValueError("cert cannot be given beside an ssl.SSLContext: load the certificate into that")
        if proxy is not None and not isinstance(proxy, str):
            raise TypeError(f"proxy must be a URL, not {type(proxy).__name__}")
        return cls(
            verify if isinstance(verify, ssl.SSLContext | None) else os.fspath(cast("str | os.PathLike[str]", verify)),
            _files_of(cert),
            None if proxy is None else _proxy_of(proxy),
        )

    def proxy_for(self, origin: Origin) -> Proxy | None:
        """Return the proxy to reach a server through, or None if it is connected to directly.

        Raises:
            SetupError: The environment names something that is no proxy.
        """
        if self.proxy is not None and origin.scheme != "http+unix":
            return self.proxy
        return environment_proxy(origin)

    def context(self) -> ssl.SSLContext:
        """Return the context, which is made once: reading the system's certificates takes 30 ms.

        Raises:
            SetupError: A file that a setting names is not there, or is not what it should be.
        """
        if isinstance(self.verify, ssl.SSLContext):
            return self.verify
        return _context(self, *(os.environ.get(name) for name in _VARIABLES))


def _files_of(cert: object) -> str | tuple[str, str] | None:
    if cert is None:
        return None
    if isinstance(cert, str | os.PathLike):
        return os.fspath(cast("str | os.PathLike[str]", cert))
    files = cast("tuple[object, ...]", cert) if isinstance(cert, tuple) else ()
    if len(files) != 2 or not all(isinstance(file, str | os.PathLike) for file in files):
        raise TypeError("cert must be the path of a certificate, or a pair of it and the path of its key")
    return str(files[0]), str(files[1])


def _proxy_of(url: str) -> Proxy:
    try:
        return Proxy.parse(url)
    except SetupError:
        raise ValueError("proxy must be a URL such as http://proxy.example:3128 or socks5h://127.0.0.1:1080") from None


@functools.lru_cache(maxsize=16)
def _context(network: Network, *variables: str | None) -> ssl.SSLContext:
    ca_path = cast("str | None", network.verify)
    named = {"verify=": ca_path} if ca_path else dict(zip(_VARIABLES, variables, strict=True))
    for name, place in named.items():
        if place and not Path(place).exists():
            raise SetupError(f"the certificates to trust cannot be read: {name} names {place}, which does not exist")
    place = next((place for place in named.values() if place), None)
    try:
        context = _trusting(place)
        if network.cert is not None:
            files = (network.cert,) if isinstance(network.cert, str) else network.cert
            context.load_cert_chain(*files)
    except OSError as error:  # of which ssl's errors are
        raise SetupError(f"a certificate cannot be read: {_files(network, place)} ({tls_reason(error)})") from None
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


def _files(network: Network, place: str | None) -> str:
    client_files = network.cert if isinstance(network.cert, str) else " and ".join(network.cert or ())
    return ", ".join(text for text in (place, client_files) if text)
