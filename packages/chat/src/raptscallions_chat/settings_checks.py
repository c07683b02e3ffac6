"""What a setting must be; each function returns the value, or raises `ValueError` with what it must be instead."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import urlsplit

__all__ = [
    "auth",
    "database_url",
    "is_loopback",
    "jwks_url",
    "keys",
    "listed",
    "networks",
    "origins",
    "redis_url",
    "storage_url",
]

Methods = TypeVar("Methods", bound=Sequence[str])


def listed(value: object) -> object:
    """Split `a, b` at its commas."""
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on this address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def database_url(value: str, *, one_process: bool) -> str:
    """Check the scheme of a database's URL, and that processes with one role each share a server."""
    scheme = value.partition(":")[0].partition("+")[0]
    if scheme == "sqlite":
        if not value.partition("://")[2].startswith("/"):
            raise ValueError("must be like sqlite:///chat.db, with three slashes before a relative path")
        if not one_process:
            raise ValueError("must be PostgreSQL with CHAT_ROLE=web or worker: SQLite is for one process")
        return value
    if scheme not in ("postgresql", "postgres"):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    if not urlsplit(value).path.strip("/"):
        raise ValueError("must name a database, as in postgresql://host/name")
    return value


def redis_url(value: str | None, *, needed: bool) -> str | None:
    """Check the scheme of Redis's URL, and that it is there where several processes need it."""
    if value is None:
        if needed:
            raise ValueError("is required with CHAT_ROLE=web or worker, which reach each other through it")
        return None
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    return value


def storage_url(value: str) -> str:
    """Check that attachments go to a folder."""
    if not value.startswith("file:") or not value.removeprefix("file:").strip("/"):
        raise ValueError("must be file:folder or file:///absolute/folder")
    return value


def auth(value: Methods, *, host: str | None) -> Methods:
    """Check that there is a way in, and that the open one is on loopback only."""
    if not value:
        raise ValueError("must be one or several of dev, token, jwt, proxy")
    if "dev" in value and host is not None and not is_loopback(host):
        raise ValueError("must not be dev with a CHAT_HOST that others can reach; use token, jwt or proxy")
    return value


def origins(value: tuple[str, ...]) -> tuple[str, ...]:
    """Check that each one is an origin: scheme, host and port only."""
    for origin in value:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
            raise ValueError("must be origins such as https://app.example.com, without a path")
    return value


def jwks_url(value: str | None, *, needed: bool) -> str | None:
    """Check that keys come over TLS, or from this machine."""
    if value is None:
        if needed:
            raise ValueError("is required with CHAT_AUTH=jwt")
        return None
    parts = urlsplit(value)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return value
    raise ValueError("must be an https URL")


def networks(value: tuple[str, ...]) -> tuple[str, ...]:
    """Check that each one is a network or an address."""
    for network in value:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise ValueError("must be networks such as 10.0.0.0/8, separated by commas") from None
    return value


def keys(value: str) -> dict[str, bytes]:
    """Return the keys by name, in the order given: `k2:base64,k1:base64`."""
    found: dict[str, bytes] = {}
    for pair in value.split(","):
        name, colon, encoded = pair.strip().partition(":")
        try:
            key = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
        except (ValueError, binascii.Error):
            key = b""
        if not name or not colon or len(key) != 32:
            raise ValueError("must be pairs such as k1:<base64 of 32 random bytes>, separated by commas")
        if name in found:
            raise ValueError("must not name two keys alike")
        found[name] = key
    return found
