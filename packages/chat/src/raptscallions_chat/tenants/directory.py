"""The tree of tenants and its members, in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, delete, insert, select, update

from raptscallions_chat.auth.roles import ROLES, highest
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id, parse_id
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import members, tenants
from raptscallions_chat.tenants.cache import ShortCache

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_chat.store.database import Database

__all__ = ["Member", "Tenant", "TenantDirectory"]

_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant.

    Attributes:
        id: Its id.
        parent_id: The tenant above it; None for the root.
        path: The ids from the root down to it, joined by `/`.
        name: What it is called; unique below its parent.
        settings: What is set for it: `messages_per_minute`, `runs_per_user`, `allow_shared_key`.
        retention_days: Days after which untouched conversations are deleted; None for what its parent says.
        created_at: When it was made.
        archived_at: When it was closed; nobody gets in any more.
    """

    id: str
    parent_id: str | None
    path: str
    name: str
    settings: dict[str, Any]
    retention_days: int | None
    created_at: datetime
    archived_at: datetime | None

    @property
    def line(self) -> list[str]:
        """The ids of this tenant and of those above it, the nearest first."""
        return self.path.split("/")[::-1]


@dataclass(frozen=True, slots=True)
class Member:
    """A user's place in a tenant.

    Attributes:
        tenant_id: The tenant.
        user_id: The user.
        role: `member`, `manager` or `admin`.
        created_at: Since when.
    """

    tenant_id: str
    user_id: str
    role: str
    created_at: datetime


class TenantDirectory:
    """Tenants and members.

    What requests ask for is remembered for five seconds, so that a change reaches every process in that time.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tenants: ShortCache[Tenant | None] = ShortCache()
        self._roles: ShortCache[frozenset[str]] = ShortCache()
        self._homes: ShortCache[str | None] = ShortCache()

    async def get(self, tenant_id: str) -> Tenant:
        """Return a tenant.

        Raises:
            ChatError: `not_found`.
        """
        found = await self._tenants.get(tenant_id, lambda: self._by_id(tenant_id)) if parse_id(tenant_id) else None
        if found is None:
            raise ChatError("not_found", "there is no such tenant")
        return found

    async def find(self, reference: str) -> Tenant:
        """Return the tenant with this id, name, or path of names such as `school/class-7b`.

        Raises:
            ChatError: `not_found`: there is none, or several have the name.
        """
        if parse_id(reference):
            return await self.get(reference)
        parts = [part for part in reference.split("/") if part]
        if not parts:
            raise ChatError("not_found", "there is no such tenant")
        async with self._database.read() as connection:
            named = await _all(connection, _QUERY.where(tenants.c.name == parts[-1]))
        found = [each for each in named if (await self.names_of(each))[-len(parts) :] == parts]
        if len(found) != 1:
            problem = "there is no such tenant" if not found else "several tenants have this name; give the id or path"
            raise ChatError("not_found", problem)
        return found[0]

    async def names_of(self, tenant: Tenant) -> list[str]:
        """Return the names from the root down to a tenant."""
        return [(await self.get(id_)).name for id_ in reversed(tenant.line)]

    async def below(self, tenant_id: str) -> list[Tenant]:
        """Return the tenants directly below a tenant, by name."""
        async with self._database.read() as connection:
            return await _all(connection, _QUERY.where(tenants.c.parent_id == tenant_id).order_by(tenants.c.name))

    async def tree(self, tenant_id: str = ROOT_TENANT) -> list[Tenant]:
        """Return a tenant and all below it, parents before children."""
        top = await self.get(tenant_id)
        inside = (tenants.c.id == top.id) | tenants.c.path.startswith(top.path + "/", autoescape=True)
        async with self._database.read() as connection:
            return await _all(connection, _QUERY.where(inside).order_by(tenants.c.path))

    async def create(self, name: str, parent_id: str = ROOT_TENANT) -> Tenant:
        """Make a tenant below another one.

        Raises:
            ChatError: `not_found`: there is no such parent; `conflict`: it has a child of this name;
                `invalid_request`: the name is empty, or the tree too deep.
        """
        name = " ".join(name.split())
        if not name or "/" in name or len(name) > 200:
            raise ChatError("invalid_request", "a tenant's name must have 1 to 200 characters, and no slash")
        parent = await self.get(parent_id)
        if len(parent.line) >= _DEEPEST:
            raise ChatError("invalid_request", f"a tenant must not be deeper than {_DEEPEST} levels")
        id_ = new_id()
        values: dict[str, Any] = {
            "id": id_,
            "parent_id": parent.id,
            "path": f"{parent.path}/{id_}",
            "name": name,
            "settings": {},
            "created_at": utc_now(),
        }
        async with self._database.write() as connection:
            same = _QUERY.where(tenants.c.parent_id == parent.id, tenants.c.name == name)
            if await _all(connection, same):
                raise ChatError("conflict", f"there is a tenant {name!r} already")
            await connection.execute(insert(tenants).values(values))
        self._tenants.forget(id_)
        return await self.get(id_)

    async def change(self, tenant_id: str, **values: Any) -> Tenant:
        """Change `name`, `settings`, `retention_days` or `archived_at` of a tenant.

        Raises:
            ChatError: `not_found`.
        """
        await self.get(tenant_id)
        async with self._database.write() as connection:
            await connection.execute(update(tenants).values(values).where(tenants.c.id == tenant_id))
        self._tenants.forget(tenant_id)
        return await self.get(tenant_id)

    async def setting(self, tenant: Tenant, name: str) -> Any:
        """Return what the nearest tenant upwards says about a setting; None if none does."""
        for id_ in tenant.line:
            above = await self.get(id_)
            if (value := above.settings.get(name)) is not None:
                return value
        return None

    async def home_of(self, user_id: str, reference: str | None) -> Tenant:
        """Return the tenant of a user whom somebody else has authenticated.

        That is the one that was named; else the only one that the user is a member of; else the root, if there is no
        other tenant at all.

        Raises:
            ChatError: `forbidden`: there is no such tenant, or none can be told.
        """
        try:
            if reference is not None:
                id_ = await self._homes.get(f"={reference}", lambda: self._id_of(reference))
            else:
                id_ = await self._homes.get(f"@{user_id}", lambda: self._only_home(user_id))
            if id_ is not None:
                return await self._open(id_)
        except ChatError as error:
            if error.code != "not_found":
                raise
        raise ChatError("forbidden", "the tenant of this user cannot be told: it is not named, or unknown")

    async def roles_in(self, tenant: Tenant, user_id: str) -> frozenset[str]:
        """Return a user's roles in a tenant; those in a tenant above count below, too.

        Raises:
            ChatError: `forbidden`: the tenant is closed.
        """
        await self._open(tenant.id)
        return await self._roles.get(f"{tenant.id} {user_id}", lambda: self._roles_of(tenant, user_id))

    async def put_member(self, tenant_id: str, user_id: str, role: str) -> None:
        """Make a user a member of a tenant, or change the role.

        Raises:
            ChatError: `not_found`: there is no such tenant; `invalid_request`: there is no such role.
        """
        if role not in ROLES:
            raise ChatError("invalid_request", f"there is no role {role!r}; there are: {', '.join(ROLES)}")
        await self.get(tenant_id)
        place = (members.c.tenant_id == tenant_id) & (members.c.user_id == user_id)
        async with self._database.write() as connection:
            if not (await connection.execute(update(members).values(role=role).where(place))).rowcount:
                values = {"tenant_id": tenant_id, "user_id": user_id, "role": role, "created_at": utc_now()}
                await connection.execute(insert(members).values(values))
        self._roles.forget()
        self._homes.forget()

    async def remove_member(self, tenant_id: str, user_id: str) -> bool:
        """Take a user out of a tenant; return whether they were in it."""
        place = (members.c.tenant_id == tenant_id) & (members.c.user_id == user_id)
        async with self._database.write() as connection:
            removed = (await connection.execute(delete(members).where(place))).rowcount > 0
        self._roles.forget()
        self._homes.forget()
        return removed

    async def members_of(self, tenant_id: str) -> list[Member]:
        """Return the members of a tenant, by name."""
        query = select(members).where(members.c.tenant_id == tenant_id).order_by(members.c.user_id)
        async with self._database.read() as connection:
            return [Member(**row) for row in (await connection.execute(query)).mappings()]

    async def _open(self, tenant_id: str) -> Tenant:
        """Return a tenant that neither is closed nor is below one that is."""
        tenant = await self.get(tenant_id)
        for id_ in tenant.line:
            if (await self.get(id_)).archived_at is not None:
                raise ChatError("forbidden", "this tenant is closed")
        return tenant

    async def _by_id(self, tenant_id: str) -> Tenant | None:
        async with self._database.read() as connection:
            found = await _all(connection, _QUERY.where(tenants.c.id == tenant_id))
        return found[0] if found else None

    async def _id_of(self, reference: str) -> str:
        return (await self.find(reference)).id

    async def _only_home(self, user_id: str) -> str | None:
        async with self._database.read() as connection:
            query = select(members.c.tenant_id).where(members.c.user_id == user_id).limit(2)
            homes = (await connection.execute(query)).scalars().all()
            if not homes:
                homes = (await connection.execute(select(tenants.c.id).limit(2))).scalars().all()
        return homes[0] if len(homes) == 1 else None

    async def _roles_of(self, tenant: Tenant, user_id: str) -> frozenset[str]:
        query = select(members.c.role).where(members.c.user_id == user_id, members.c.tenant_id.in_(tenant.line))
        async with self._database.read() as connection:
            return frozenset({highest((await connection.execute(query)).scalars().all())})


_QUERY = select(
    tenants.c.id,
    tenants.c.parent_id,
    tenants.c.path,
    tenants.c.name,
    tenants.c.settings,
    tenants.c.retention_days,
    tenants.c.created_at,
    tenants.c.archived_at,
)


async def _all(connection: AsyncConnection, query: Select[*tuple[Any, ...]]) -> list[Tenant]:
    return [Tenant(**row) for row in (await connection.execute(query)).mappings()]
