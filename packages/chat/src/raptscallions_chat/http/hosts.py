"""Names that the service answers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.http.errors import error_reply

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from raptscallions_chat.auth.origins import HostRule

__all__ = ["HostCheck"]


class HostCheck:
    """Refuses requests for a name that is not the service's, such as one that was rebound to this machine.

    Args:
        app: The application behind it.
        rule: The names.
    """

    def __init__(self, app: ASGIApp, rule: HostRule) -> None:
        self._app = app
        self._rule = rule

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it; what ASGI calls."""
        if scope["type"] == "http":
            host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
            if not self._rule.allows(host):
                error = ChatError("bad_host", "The service does not answer to this name; see CHAT_ALLOWED_HOSTS.")
                await error_reply(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)
