"""Where a tenant's credential may lead: to gateways of the internet, not into the network of the service."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.settings_checks import is_loopback

__all__ = ["check_base_url"]


def check_base_url(url: str, *, trusted: bool) -> None:
    """Refuse a URL that is no gateway's.

    Args:
        url: The base URL of a credential.
        trusted: Whether whoever gives it may also name hosts of the service's own network, over plain http.

    Raises:
        ChatError: `invalid_request`.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ChatError("invalid_request", "`base_url` is not a URL.") from None
    if not host or parts.scheme not in ("http", "https") or parts.username or parts.query or parts.fragment:
        raise ChatError("invalid_request", "`base_url` must be like https://openrouter.ai/api/v1.")
    if trusted:
        return
    if parts.scheme != "https" or is_loopback(host) or _is_private(host):
        raise ChatError("invalid_request", "`base_url` must be an https URL of a public host.")


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))
