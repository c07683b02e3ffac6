"""The page's sign-in: a signed cookie that scripts cannot read, and a CSRF token that other sites cannot know."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING, Any

import jwt

from raptscallions_chat.auth.origins import SAFE_METHODS, check_origin
from raptscallions_chat.auth.roles import check_scope
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import Principal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_chat.auth.tokens import TokenAuth
    from raptscallions_chat.protocols import AuthRequest
    from raptscallions_chat.tenants.directory import TenantDirectory

__all__ = ["COOKIE", "CSRF_HEADER", "LIFETIME_S", "Session", "Sessions"]

COOKIE = "raptscallions_chat"
CSRF_HEADER = "X-CSRF-Token"
LIFETIME_S = 12 * 3600
_AUDIENCE = "raptscallions-chat/session"


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in.

    Attributes:
        cookie: The value of the cookie.
        csrf_token: What each request that changes something must carry in its `X-CSRF-Token` header.
        expires_in: Seconds until it ends.
    """

    cookie: str
    csrf_token: str
    expires_in: int


class Sessions:
    """Signs users in with a cookie, and recognizes them by it.

    Args:
        secret: What the cookies are signed with; None for a random one, which ends all sessions at a restart.
        tenants: Tells the roles of a user now, not those at sign-in.
        origins: Origins of other sites whose pages may send requests.
        tokens: Knows whether the API token that a user signed in with is still valid.
    """

    def __init__(
        self,
        secret: str | None,
        tenants: TenantDirectory,
        origins: Sequence[str] = (),
        tokens: TokenAuth | None = None,
    ) -> None:
        self._key = hashlib.sha256((secret or secrets.token_hex(32)).encode()).hexdigest()
        self._tenants = tenants
        self._origins = origins
        self._tokens = tokens

    def start(self, principal: Principal, token_sha256: str | None = None) -> Session:
        """Return a new session of a user who has authenticated by other means.

        Args:
            principal: The user.
            token_sha256: The digest of the API token that they signed in with, which ends the session when it ends.
        """
        id_ = secrets.token_urlsafe(16)
        claims: dict[str, Any] = {
            "aud": _AUDIENCE,
            "jti": id_,
            "sub": principal.user_id,
            "tenant": principal.tenant_id,
            "roles": sorted(principal.roles),
            "scopes": None if principal.scopes is None else sorted(principal.scopes),
            "exp": int(time()) + LIFETIME_S,
            "token": token_sha256,
        }
        return Session(jwt.encode(claims, self._key, algorithm="HS256"), self._csrf_token(id_), LIFETIME_S)

    def csrf_token(self, request: AuthRequest) -> str | None:
        """Return the CSRF token of a request's session; None if it has none."""
        claims = self._claims(request)
        return None if claims is None else self._csrf_token(claims["jti"])

    async def recognize(self, request: AuthRequest) -> Principal | None:
        """Return the user of a session; None for a request without one that is valid.

        Raises:
            ChatError: `unauthenticated`: the API token behind it is over; `forbidden`: the CSRF token is missing or
                wrong, another site's page sent the request, or the tenant is closed.
        """
        claims = self._claims(request)
        if claims is None:
            return None
        check_origin(request, self._origins)
        if request.method not in SAFE_METHODS:
            sent = request.headers.get(CSRF_HEADER.lower(), "")
            if not hmac.compare_digest(sent.encode(), self._csrf_token(claims["jti"]).encode()):
                raise ChatError("forbidden", f"the header {CSRF_HEADER} is missing or wrong; GET /session tells it")
        if self._tokens is not None and claims["token"] is not None:
            await self._tokens.valid(claims["token"])
        scopes = None if claims["scopes"] is None else frozenset(claims["scopes"])
        check_scope(scopes, request.method)
        tenant = await self._tenants.get(claims["tenant"])
        roles = frozenset(claims["roles"]) | await self._tenants.roles_in(tenant, claims["sub"])
        return Principal(tenant.id, claims["sub"], roles, scopes)

    def _claims(self, request: AuthRequest) -> dict[str, Any] | None:
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        try:
            return jwt.decode(cookie, self._key, algorithms=["HS256"], audience=_AUDIENCE, options={"require": ["exp"]})
        except jwt.PyJWTError:
            return None

    def _csrf_token(self, session_id: str) -> str:
        return hmac.new(self._key.encode(), session_id.encode(), hashlib.sha256).hexdigest()
