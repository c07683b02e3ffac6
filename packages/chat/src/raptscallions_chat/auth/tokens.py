"""API tokens: random, shown once, and stored as their digest only."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

from sqlalchemy import RowMapping, insert, select, update

from raptscallions_chat.auth.jwks import bearer
from raptscallions_chat.auth.roles import Scope, check_scope
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.principal import Principal
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import api_tokens
from raptscallions_chat.tenants.cache import ShortCache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_chat.protocols import AuthRequest
    from raptscallions_chat.store.database import Database
    from raptscallions_chat.tenants.directory import TenantDirectory

__all__ = ["ApiToken", "ApiTokens", "TokenAuth", "token_digest"]

_PREFIX = "rsc_"
_USED_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What is known of a token; never the token itself.

    Attributes:
        id: Its id.
        tenant_id: The tenant it is for.
        user_id: The user who acts with it.
        name: What it is called.
        scopes: What it may be used for; empty for everything that its user may do.
        created_at: When it was made.
        expires_at: When it ends; None for never.
        revoked_at: When it was revoked.
        last_used_at: When it was last used, to the hour.
    """

    id: str
    tenant_id: str
    user_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Return whether it is neither revoked nor over."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class ApiTokens:
    """The tokens in the database.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        tenant_id: str,
        user_id: str,
        name: str,
        *,
        scopes: Sequence[str] = (),
        lifetime: timedelta | None = None,
    ) -> tuple[str, ApiToken]:
        """Make a token; return its text, which nobody can get again, and what is stored of it.

        Raises:
            ChatError: `invalid_request`: a scope is unknown.
        """
        if unknown := set(scopes) - set(get_args(Scope)):
            known = ", ".join(get_args(Scope))
            raise ChatError("invalid_request", f"there is no scope {sorted(unknown)[0]!r}; there are: {known}")
        text, now = _PREFIX + secrets.token_urlsafe(32), utc_now()
        values: dict[str, Any] = {
            "id": new_id(),
            "tenant_id": tenant_id,
            "user_id": user_id,
            "name": name,
            "sha256": _digest(text),
            "scopes": list(scopes),
            "created_at": now,
            "expires_at": None if lifetime is None else now + lifetime,
        }
        async with self._database.write() as connection:
            row = (await connection.execute(insert(api_tokens).values(values).returning(*_COLUMNS))).mappings().one()
        return text, _token(row)

    async def find(self, digest: str) -> ApiToken | None:
        """Return the token with this SHA-256; None if there is none, or it is over."""
        query = select(*_COLUMNS).where(api_tokens.c.sha256 == digest)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        token = None if row is None else _token(row)
        return token if token is not None and token.is_valid(utc_now()) else None

    async def of_tenant(self, tenant_id: str) -> list[ApiToken]:
        """Return the tokens of a tenant, the newest first."""
        query = select(*_COLUMNS).where(api_tokens.c.tenant_id == tenant_id).order_by(api_tokens.c.id.desc())
        async with self._database.read() as connection:
            return [_token(row) for row in (await connection.execute(query)).mappings()]

    async def revoke(self, tenant_id: str, token_id: str) -> bool:
        """End a token; return whether there was a living one."""
        change = update(api_tokens).values(revoked_at=utc_now())
        change = change.where(api_tokens.c.id == token_id, api_tokens.c.tenant_id == tenant_id)
        async with self._database.write() as connection:
            return (await connection.execute(change.where(api_tokens.c.revoked_at.is_(None)))).rowcount > 0

    async def used(self, token: ApiToken) -> None:
        """Note that a token is in use."""
        async with self._database.write() as connection:
            await connection.execute(
                update(api_tokens).values(last_used_at=utc_now()).where(api_tokens.c.id == token.id)
            )


class TokenAuth:
    """Takes API tokens, sent as `Authorization: Bearer rsc_...`; one that is revoked ends within five seconds.

    Args:
        tokens: The tokens.
        tenants: Tells which role a user has.
    """

    def __init__(self, tokens: ApiTokens, tenants: TenantDirectory) -> None:
        self._tokens = tokens
        self._tenants = tenants
        self._seen: ShortCache[ApiToken | None] = ShortCache()

    async def recognize(self, request: AuthRequest) -> Principal | None:
        """Return the user of a token; None for a request without one of ours.

        Raises:
            ChatError: `unauthenticated`: there is no such token; `forbidden`: it may not be used for this.
        """
        if (digest := token_digest(request)) is None:
            return None
        token = await self.valid(digest)
        scopes = frozenset(token.scopes) or None
        check_scope(scopes, request.method)
        tenant = await self._tenants.get(token.tenant_id)
        return Principal(tenant.id, token.user_id, await self._tenants.roles_in(tenant, token.user_id), scopes)

    async def valid(self, digest: str) -> ApiToken:
        """Return the token with this SHA-256.

        Raises:
            ChatError: `unauthenticated`: there is none, or it is over.
        """
        token = await self._seen.get(digest, lambda: self._looked_up(digest))
        if token is None or not token.is_valid(utc_now()):
            raise ChatError("unauthenticated", "the token is unknown, revoked or over")
        return token

    async def _looked_up(self, digest: str) -> ApiToken | None:
        token = await self._tokens.find(digest)
        if token is not None and (token.last_used_at is None or utc_now() - token.last_used_at > _USED_EVERY):
            await self._tokens.used(token)
        return token


def token_digest(request: AuthRequest) -> str | None:
    """Return the SHA-256 of the API token that a request carries; None if it carries none of ours."""
    text = bearer(request)
    return _digest(text) if text is not None and text.startswith(_PREFIX) else None


_COLUMNS = (
    api_tokens.c.id,
    api_tokens.c.tenant_id,
    api_tokens.c.user_id,
    api_tokens.c.name,
    api_tokens.c.scopes,
    api_tokens.c.created_at,
    api_tokens.c.expires_at,
    api_tokens.c.revoked_at,
    api_tokens.c.last_used_at,
)


def _token(row: RowMapping) -> ApiToken:
    values: dict[str, Any] = {**row, "scopes": tuple(row["scopes"])}
    return ApiToken(**values)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
