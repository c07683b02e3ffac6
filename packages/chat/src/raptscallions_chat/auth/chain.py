"""The ways in that the settings name, asked one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from raptscallions_chat.auth.dev import DevAuth
from raptscallions_chat.auth.jwks import JwtAuth
from raptscallions_chat.auth.proxy import ProxyAuth
from raptscallions_chat.auth.sessions import Sessions
from raptscallions_chat.auth.tokens import ApiTokens, TokenAuth
from raptscallions_chat.domain.errors import ChatError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.protocols import AuthRequest
    from raptscallions_chat.settings import ChatSettings
    from raptscallions_chat.store.database import Database
    from raptscallions_chat.tenants.directory import TenantDirectory

__all__ = ["AuthChain", "AuthWay", "auth_from", "sessions_from"]


class AuthWay(Protocol):
    """One way in."""

    async def recognize(self, request: AuthRequest) -> Principal | None:
        """Return who asks; None if the request does not come this way.

        Raises:
            ChatError: It does, but what it shows is not valid.
        """
        ...


class AuthChain:
    """Asks each way in until one recognizes the request.

    Args:
        ways: The ways in; what a client shows on purpose, such as a token, comes before what is always there.
    """

    def __init__(self, ways: Sequence[AuthWay]) -> None:
        self._ways = ways

    async def authenticate(self, request: AuthRequest) -> Principal:
        """Return who asks.

        Raises:
            ChatError: `unauthenticated`: nobody knows; or what a way in says against it.
        """
        for way in self._ways:
            if (principal := await way.recognize(request)) is not None:
                return principal
        raise ChatError("unauthenticated", "this needs authentication, such as Authorization: Bearer <token>")


def sessions_from(settings: ChatSettings, database: Database, tenants: TenantDirectory) -> Sessions:
    """Return the page's sign-ins, as the settings want them."""
    secret = settings.session_secret.get_secret_value() if settings.session_secret else None
    return Sessions(secret, tenants, settings.cors_origins, TokenAuth(ApiTokens(database), tenants))


def auth_from(settings: ChatSettings, database: Database, tenants: TenantDirectory, sessions: Sessions) -> AuthChain:
    """Return the ways in of `CHAT_AUTH`, and the page's cookie."""
    ways: list[AuthWay] = []
    if "token" in settings.auth:
        ways.append(TokenAuth(ApiTokens(database), tenants))
    if "jwt" in settings.auth:
        ways.append(JwtAuth(settings, tenants))
    ways.append(sessions)
    if "proxy" in settings.auth:
        ways.append(ProxyAuth(settings, tenants))
    if "dev" in settings.auth:
        ways.append(DevAuth(settings.cors_origins))
    return AuthChain(ways)
