"""The part of `doctor` that looks at the network: name, connection, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from raptscallions_ai.cli.diagnosis import DiagnosisError
from raptscallions_ai.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from raptscallions_ai.cli.diagnosis import Checklist

__all__ = ["check_connection"]


async def check_connection(url: str, url_setting: str, timeout: float, checklist: Checklist) -> None:
    """Look up the gateway's name and connect to it, with TLS where its URL says so.

    Behind a proxy neither need be possible, so then it only says that there is one.

    Args:
        url: The gateway's base URL.
        url_setting: What a person set it with.
        timeout: Seconds for the look-up, and again for the connection.
        checklist: Where to note what was found.

    Raises:
        DiagnosisError: The gateway cannot be reached.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if proxy := _proxy(url):
        checklist.ok("connection", f"through the proxy {proxy}, which the next checks use")
        return
    addresses = await _look_up(host, port, timeout, url_setting)
    if addresses != [host]:
        checklist.ok("name", f"{host} is {', '.join(addresses)}")
    await _connect(host, port, addresses, timeout, checklist, url_setting, secure=parts.scheme == "https")


def _proxy(base_url: str) -> str | None:
    """Return host and port of the proxy that the client will use; its URL may hold a password."""
    from raptscallions_ai._transport.http.origin import address_of_url
    from raptscallions_ai._transport.http.proxies import environment_proxy

    proxy = environment_proxy(address_of_url(base_url).origin)
    return str(proxy).partition("://")[2] if proxy else None


async def _look_up(host: str, port: int, timeout: float, url_setting: str) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        message = f"looking up {host} took more than {timeout:g} s"
        raise DiagnosisError("name", message, "Check this machine's DNS and network.", ExitCode.TIMEOUT) from None
    except (OSError, UnicodeError):
        advice = f"Check {url_setting} for a typing error, and this machine's DNS and network."
        raise DiagnosisError("name", f"the name {host} was not found", advice) from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def _connect(
    host: str, port: int, addresses: list[str], timeout: float, checklist: Checklist, url_setting: str, *, secure: bool
) -> None:
    began = time.monotonic()
    failure: OSError | None = None
    for address in addresses:
        try:
            async with asyncio.timeout(timeout):
                version = await _open(host, address, port, secure=secure)
        except OSError as error:  # TimeoutError and the errors of ssl are among them
            failure = error
        else:
            elapsed_ms = (time.monotonic() - began) * 1000
            checklist.ok(
                "connection", f"connected to port {port} {f'with {version} ' if version else ''}in {elapsed_ms:.0f} ms"
            )
            return
    raise _diagnosis(failure, f"{host} port {port}", timeout, url_setting)


async def _open(host: str, address: str, port: int, *, secure: bool) -> str | None:
    context = None
    if secure:
        import httpx2

        context = httpx2.create_ssl_context()  # trusts what the client trusts
    name = host if secure else None
    _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
    tls = writer.get_extra_info("ssl_object")
    version = tls.version() if tls is not None else None
    writer.transport.abort()
    return version


def _diagnosis(error: OSError | None, where: str, timeout: float, url_setting: str) -> DiagnosisError:
    if isinstance(error, ssl.SSLCertVerificationError):
        message = f"the certificate of {where} is not trusted: {error.verify_message}"
        advice = "Is the machine's clock right? For a company's own certificates, SSL_CERT_FILE names the file."
        return DiagnosisError("connection", message, advice)
    if isinstance(error, ssl.SSLError):
        message, advice = (
            f"{where} does not speak TLS",
            f"Should {url_setting} begin with http:// or name another port?",
        )
        return DiagnosisError("connection", message, advice)
    if isinstance(error, TimeoutError):
        message = f"{where} did not answer within {timeout:g} s"
        return DiagnosisError("connection", message, "Check address, firewall and network.", ExitCode.TIMEOUT)
    if isinstance(error, ConnectionRefusedError):
        advice = f"Start the server, or correct host and port in {url_setting}."
        return DiagnosisError("connection", f"nothing listens at {where} (connection refused)", advice)
    reason = (error.strerror if error else None) or type(error).__name__
    return DiagnosisError("connection", f"cannot connect to {where}: {reason}", "Check address, firewall and network.")
