"""Further arguments of `OpenRouterClient`, and what to use instead of the arguments of other libraries."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from raptscallions_ai.options.call_options import CallOptions
from raptscallions_ai.options.network import NetworkOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ClientOptions", "unknown_argument"]

_INSTEAD = {
    "api_base": "base_url=",
    "app_name": "app_title=",
    "ca_bundle": "verify=",
    "default_headers": "headers=",
    "default_query": "default_options={'extra_query': {...}}",
    "endpoint": "base_url=",
    "extra_headers": "headers=",
    "gateway_url": "base_url=",
    "host": "base_url=",
    "http_client": "verify=, cert= and proxy=, or a client of the SDK as openai_client=",
    "http_options": "verify=, cert= and proxy=",
    "model": "default_model=",
    "model_name": "default_model=",
    "num_retries": "max_retries=",
    "organization": "headers={'OpenAI-Organization': ...}",
    "project": "headers={'OpenAI-Project': ...}",
    "proxies": "proxy=",
    "referer": "app_url=",
    "request_timeout": "timeout=, in seconds",
    "request_timeout_ms": "timeout=, in seconds",
    "retries": "max_retries=",
    "site_name": "app_title=",
    "site_url": "app_url=",
    "ssl_context": "verify=",
    "ssl_verify": "verify=",
    "title": "app_title=",
    "token": "api_key=",
    "transport": "verify=, cert= and proxy=",
    "url": "base_url=",
    "verify_ssl": "verify=",
}


class ClientOptions(NetworkOptions, total=False):
    """Further arguments of `OpenRouterClient`, beside those of `NetworkOptions`."""

    app_title: str
    """Your app's name, for OpenRouter's attribution; else `AI_APP_TITLE`."""
    app_url: str
    """Your app's URL, for OpenRouter's attribution; else `AI_APP_URL`."""
    require_usage: bool
    """Whether an answer without usage is an error; else `AI_REQUIRE_USAGE`, which is yes by default."""
    allow_insecure: bool
    """Whether the base URL may be plain http to another machine; else `AI_ALLOW_INSECURE`, which is no by default."""
    default_options: CallOptions
    """Options of every call, such as `{"temperature": 0}`; those of a call win over them."""


def unknown_argument(name: str, known: Iterable[str]) -> TypeError:
    """Return the error for an argument that a client does not have, with the one to use instead.

    Args:
        name: The argument.
        known: The client's arguments.
    """
    known = set(known)
    message = f"unexpected keyword argument {name!r}"
    if (instead := _INSTEAD.get(name)) and instead.partition("=")[0] in known:
        return TypeError(f"{message}; use {instead}")
    if name in CallOptions.__annotations__:
        where = f"default_options={{{name!r}: ...}}" if "default_options" in known else f"with_options({name}=...)"
        return TypeError(f"{message}; it is an option of a call: pass it to the call, or use {where}")
    if near := difflib.get_close_matches(name, known, 1):
        return TypeError(f"{message}; did you mean {near[0]!r}?")
    return TypeError(message)
