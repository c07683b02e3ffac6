"""The HTTP client that the SDK sends with: httpx2's, less what a request to a gateway has no use for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import httpx2

from raptscallions_ai._transport.body_limit import limit_error_body

if TYPE_CHECKING:
    from raptscallions_ai._transport.aiohttp_transport import AiohttpTransport
    from raptscallions_ai._transport.httpx_transport import HttpxTransport

__all__ = ["GatewayHttpClient"]

_parsed_url = functools.lru_cache(maxsize=64)(httpx2.URL)


class GatewayHttpClient(httpx2.AsyncClient):
    """Build and send requests that are complete already: the SDK has put in its URL, headers and timeout.

    What httpx2 would do besides, a quarter of a call's instructions, has nothing to do here: there are no defaults to
    merge in, no authentication but the SDK's, and no cookies; and redirects are followed above (`sdk.py`), where they
    can be refused.

    Args:
        transport: What requests travel through.
    """

    def __init__(self, transport: AiohttpTransport | HttpxTransport) -> None:
        super().__init__(transport=transport, trust_env=False)
        self._gateway = transport

    def build_request(
        self,
        method: str,
        url: httpx2.URL | str,
        *,
        content: Any = None,
        headers: Any = None,
        params: Any = None,
        timeout: Any = None,
        **_: Any,
    ) -> httpx2.Request:
        """Return a request of these parts, which are all that the SDK gives for a body of bytes or for none."""
        # A stream is taken as it is; with a content the headers would be copied, to add what aiohttp adds by itself.
        stream = httpx2.ByteStream(content or b"") if isinstance(content, bytes | None) else None
        limits = httpx2.Timeout(timeout).as_dict()
        return httpx2.Request(
            method,
            _parsed_url(url),
            params=params,
            headers=headers,
            content=content,
            stream=stream,
            extensions={"timeout": limits},
        )

    async def send(self, request: httpx2.Request, *, stream: bool = False, **_: Any) -> httpx2.Response:
        """Send a request; return the response with its body, or, if `stream`, before there is a body."""
        response = await self._gateway.handle_async_request(request)
        limit_error_body(response)
        if not stream:
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
        return response
