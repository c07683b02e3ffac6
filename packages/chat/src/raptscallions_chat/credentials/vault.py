"""The tenants' credentials in the database: sealed, one active for each provider, rotated without downtime."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import RowMapping, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from raptscallions_chat.credentials.envelope import KeyRing, SealedSecret
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_chat.store.database import Database

__all__ = ["Credential", "CredentialVault"]

_HINT = 4
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Credential:
    """What may be shown of a credential.

    Attributes:
        id: Its id.
        tenant_id: Whose it is.
        provider: The gateway or engine that it is for, such as `openrouter`.
        name: What it is called.
        hint: The last characters of the key.
        base_url: The gateway's URL; None for the provider's own.
        default_model: The model of calls that name none; None for the provider's own.
        version: How often it has been changed, counted from 1.
        active: Whether it is used.
        created_at: When it was stored.
        updated_at: When it was last changed.
    """

    id: str
    tenant_id: str
    provider: str
    name: str
    hint: str
    base_url: str | None
    default_model: str | None
    version: int
    active: bool
    created_at: datetime
    updated_at: datetime


class CredentialVault:
    """Credentials of tenants.

    Args:
        database: Where they are.
        ring: The keys that seal them; None if the service has none, so that nothing can be stored or opened.
    """

    def __init__(self, database: Database, ring: KeyRing | None) -> None:
        self._database = database
        self._ring = ring

    async def add(
        self,
        tenant_id: str,
        provider: str,
        api_key: str,
        *,
        name: str = "",
        base_url: str | None = None,
        default_model: str | None = None,
    ) -> Credential:
        """Seal and store a key.

        Raises:
            ChatError: `conflict`: the tenant has an active one for the provider; `ai_not_configured`: the service has
                no `CHAT_KEYS`.
        """
        ring, id_, now = self._keys(), new_id(), utc_now()
        sealed = ring.seal(api_key, bound_to=_owner(tenant_id, id_, provider))
        values: dict[str, Any] = {
            "id": id_,
            "tenant_id": tenant_id,
            "provider": provider,
            "name": name or provider,
            "hint": api_key[-_HINT:] if len(api_key) >= 4 * _HINT else "",
            "base_url": base_url,
            "default_model": default_model,
            **_columns(sealed),
            "active": True,
            "created_at": now,
            "updated_at": now,
        }
        try:
            async with self._database.write() as connection:
                added = await connection.execute(insert(credentials).values(values).returning(*_SHOWN))
                return _credential(added.mappings().one())
        except IntegrityError:
            message = f"there is an active credential for {provider} already; deactivate it, or change its key"
            raise ChatError("conflict", message) from None

    async def replace_key(self, tenant_id: str, credential_id: str, api_key: str) -> Credential:
        """Put another key into a credential; calls that run go on with the old one.

        Raises:
            ChatError: `not_found`; `ai_not_configured`: the service has no `CHAT_KEYS`.
        """
        ring, found = self._keys(), await self.get(tenant_id, credential_id)
        sealed = ring.seal(api_key, bound_to=_owner(tenant_id, credential_id, found.provider))
        hint = api_key[-_HINT:] if len(api_key) >= 4 * _HINT else ""
        return await self._change(found, hint=hint, **_columns(sealed))

    async def deactivate(self, tenant_id: str, credential_id: str) -> Credential:
        """Use a credential no more, and keep it.

        Raises:
            ChatError: `not_found`.
        """
        found = await self.get(tenant_id, credential_id)
        return await self._change(found, active=False, deactivated_at=utc_now()) if found.active else found

    async def remove(self, tenant_id: str, credential_id: str) -> None:
        """Delete a credential.

        Raises:
            ChatError: `not_found`.
        """
        chosen = credentials.c.id == credential_id, credentials.c.tenant_id == tenant_id
        async with self._database.write() as connection:
            if not (await connection.execute(delete(credentials).where(*chosen))).rowcount:
                raise ChatError("not_found", "there is no such credential")

    async def get(self, tenant_id: str, credential_id: str) -> Credential:
        """Return a credential of a tenant.

        Raises:
            ChatError: `not_found`.
        """
        query = select(*_SHOWN).where(credentials.c.id == credential_id, credentials.c.tenant_id == tenant_id)
        if not (found := await self._read(query)):
            raise ChatError("not_found", "there is no such credential")
        return found[0]

    async def of_tenant(self, tenant_id: str) -> list[Credential]:
        """Return a tenant's credentials, the newest first."""
        return await self._read(
            select(*_SHOWN).where(credentials.c.tenant_id == tenant_id).order_by(credentials.c.id.desc())
        )

    async def nearest(self, line: Sequence[str]) -> list[Credential]:
        """Return the active credentials of the first tenant in a line that has any."""
        found = await self._read(select(*_SHOWN).where(credentials.c.tenant_id.in_(line), credentials.c.active))
        owners = {credential.tenant_id for credential in found}
        owner = next((tenant_id for tenant_id in line if tenant_id in owners), None)
        return [credential for credential in found if credential.tenant_id == owner]

    async def open(self, credential: Credential) -> str:
        """Return the key of a credential.

        Raises:
            ChatError: `not_found`: it is gone; `ai_not_configured`: the service has no `CHAT_KEYS`.
            UnknownKeyError: The key that seals it is not in `CHAT_KEYS`.
            WrongKeyError: It cannot be opened.
        """
        ring = self._keys()
        query = select(credentials.c.sealed, credentials.c.key_name, credentials.c.wrapped_key)
        async with self._database.read() as connection:
            rows = await connection.execute(query.where(credentials.c.id == credential.id))
            row = rows.mappings().one_or_none()
        if row is None:
            raise ChatError("not_found", "there is no such credential")
        return ring.open(_sealed(row), bound_to=_owner(credential.tenant_id, credential.id, credential.provider))

    async def rotate(self) -> int:
        """Wrap every data key that is under an older key with the first one; return how many there were.

        Safe to run at any time, in several processes, and again; what is used meanwhile opens before and after.

        Raises:
            ChatError: `ai_not_configured`: the service has no `CHAT_KEYS`.
            UnknownKeyError: A key that seals one is not in `CHAT_KEYS`; those before it are done.
            WrongKeyError: One cannot be opened.
        """
        ring, count = self._keys(), 0
        waiting = select(credentials).where(credentials.c.key_name != ring.first).order_by(credentials.c.id)
        last = ""
        while True:
            page = waiting.where(credentials.c.id > last) if last else waiting
            async with self._database.read() as connection:
                rows = (await connection.execute(page.limit(_BATCH))).mappings().all()
            if not rows:
                return count
            moved = [(row, ring.rewrap(_sealed(row), bound_to=_owner_of(row))) for row in rows]
            async with self._database.write() as connection:
                for row, sealed in moved:
                    # Whoever changed the row meanwhile has sealed it with the first key.
                    same = credentials.c.id == row["id"], credentials.c.wrapped_key == row["wrapped_key"]
                    values = {"key_name": sealed.key_name, "wrapped_key": sealed.wrapped_key}
                    count += (await connection.execute(update(credentials).values(values).where(*same))).rowcount
            last = rows[-1]["id"]

    async def key_names(self) -> set[str]:
        """Return the names of the keys that are in use."""
        async with self._database.read() as connection:
            return set((await connection.execute(select(credentials.c.key_name).distinct())).scalars())

    async def _change(self, found: Credential, **values: Any) -> Credential:
        chosen = credentials.c.id == found.id, credentials.c.tenant_id == found.tenant_id
        change = update(credentials).values(**values, version=credentials.c.version + 1, updated_at=utc_now())
        async with self._database.write() as connection:
            changed = await connection.execute(change.where(*chosen).returning(*_SHOWN))
            if (row := changed.mappings().one_or_none()) is None:
                raise ChatError("not_found", "there is no such credential")
        return _credential(row)

    async def _read(self, query: Select[*tuple[Any, ...]]) -> list[Credential]:
        async with self._database.read() as connection:
            return [_credential(row) for row in (await connection.execute(query)).mappings()]

    def _keys(self) -> KeyRing:
        if self._ring is None:
            raise ChatError("ai_not_configured", "the service has no CHAT_KEYS, so that it can keep no credentials")
        return self._ring


_SHOWN = (
    credentials.c.id,
    credentials.c.tenant_id,
    credentials.c.provider,
    credentials.c.name,
    credentials.c.hint,
    credentials.c.base_url,
    credentials.c.default_model,
    credentials.c.version,
    credentials.c.active,
    credentials.c.created_at,
    credentials.c.updated_at,
)


def _credential(row: RowMapping) -> Credential:
    return Credential(**row)


def _owner(tenant_id: str, credential_id: str, provider: str) -> str:
    return f"{tenant_id}|{credential_id}|{provider}"


def _owner_of(row: RowMapping) -> str:
    return _owner(row["tenant_id"], row["id"], row["provider"])


def _sealed(row: RowMapping) -> SealedSecret:
    return SealedSecret(row["key_name"], row["wrapped_key"], row["sealed"])


def _columns(sealed: SealedSecret) -> dict[str, Any]:
    return {"key_name": sealed.key_name, "wrapped_key": sealed.wrapped_key, "sealed": sealed.ciphertext}
