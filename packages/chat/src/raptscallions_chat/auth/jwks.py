"""JSON Web Tokens of an identity provider, checked with the keys that it publishes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import jwt
from jwt import PyJWKClient

from raptscallions_chat.auth.roles import roles_from
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import Principal

if TYPE_CHECKING:
    from raptscallions_chat.protocols import AuthRequest
    from raptscallions_chat.settings import ChatSettings
    from raptscallions_chat.tenants.directory import TenantDirectory

__all__ = ["JwtAuth", "bearer"]

# Public-key algorithms only: with a shared secret, whoever can check a token could make one.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_LEEWAY_S = 30


class SigningKeys(Protocol):
    """Where the keys of tokens come from."""

    def get_signing_key_from_jwt(self, token: str) -> Any:
        """Return the key that a token names; blocks."""
        ...


def bearer(request: AuthRequest) -> str | None:
    """Return the token of an `Authorization: Bearer` header; None without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


class JwtAuth:
    """Takes the tokens of one issuer: signature, expiry, issuer and audience are checked, `sub` is the user.

    Keys are kept for five minutes; a key that is not known yet is looked for, at most once in 30 seconds.

    Args:
        settings: Where the keys are, and what a token must say.
        tenants: Finds the tenant that a token names.
        keys: Where the keys come from, if not from `settings.jwks_url`.
    """

    def __init__(self, settings: ChatSettings, tenants: TenantDirectory, keys: SigningKeys | None = None) -> None:
        self._settings = settings
        self._tenants = tenants
        self._keys = keys or PyJWKClient(str(settings.jwks_url), timeout=10)

    async def recognize(self, request: AuthRequest) -> Principal | None:
        """Return the user of a token; None for a request without one.

        Raises:
            ChatError: `unauthenticated`: the token is not valid; `forbidden`: there is no such tenant.
        """
        token = bearer(request)
        if token is None or token.count(".") != 2:
            return None
        claims = await self._claims(token)
        named = claims.get(self._settings.jwt_tenant_claim)
        tenant = await self._tenants.home_of(claims["sub"], named if isinstance(named, str) and named else None)
        roles = roles_from(claims.get(self._settings.jwt_role_claim))
        return Principal(tenant.id, claims["sub"], roles | await self._tenants.roles_in(tenant, claims["sub"]))

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            key = await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)
            return jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=self._settings.jwt_audience,
                issuer=self._settings.jwt_issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "sub", "aud"], "verify_iss": self._settings.jwt_issuer is not None},
            )
        except jwt.PyJWKClientConnectionError:
            raise ChatError("store_unavailable", "the keys of the identity provider cannot be had right now") from None
        except jwt.PyJWTError as error:
            raise ChatError("unauthenticated", f"the token is not valid: {_reason(error)}") from None


def _reason(error: jwt.PyJWTError) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "it has expired"
        case jwt.InvalidAudienceError() | jwt.InvalidIssuerError():
            return "it was made for another service"
        case jwt.MissingRequiredClaimError():
            return f"it has no {error.claim}"
        case jwt.PyJWKClientError():
            return "its key is not one of the identity provider's"
        case _:
            return "its signature or form is wrong"
