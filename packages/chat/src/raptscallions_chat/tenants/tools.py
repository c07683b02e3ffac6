"""The tools of tenants: versions that never change, of which a conversation keeps one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.domain.tool_definition import ToolDefinition, ToolDefinitionError, parse_tool
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import tools
from raptscallions_chat.tenants.cache import ShortCache

if TYPE_CHECKING:
    from raptscallions_chat.store.database import Database
    from raptscallions_chat.tenants.directory import TenantDirectory

__all__ = ["StoredTool", "Tools"]


@dataclass(frozen=True, slots=True)
class StoredTool:
    """A version of a tool.

    Attributes:
        id: Its id; a conversation keeps it.
        tenant_id: Whose it is; None for every tenant's.
        definition: What it says.
        yaml: As its author wrote it.
        created_at: When it was stored.
        archived_at: When it was taken from those that new conversations may have.
    """

    id: str
    tenant_id: str | None
    definition: ToolDefinition
    yaml: str
    created_at: datetime
    archived_at: datetime | None


class Tools:
    """Tools in the database; those of a tenant hide those of the same name above it.

    Args:
        database: Where they are.
        tenants: The tree.
    """

    def __init__(self, database: Database, tenants: TenantDirectory) -> None:
        self._database = database
        self._tenants = tenants
        self._by_id: ShortCache[StoredTool] = ShortCache(seconds=3600.0)

    async def put(self, tenant_id: str | None, yaml: str) -> StoredTool:
        """Store a version of a tool; the same text again is no error.

        Raises:
            ChatError: `invalid_request`: the text is not the YAML of a tool; `conflict`: the version says something
                else already.
        """
        try:
            definition = await asyncio.to_thread(parse_tool, yaml)
        except ToolDefinitionError as error:
            raise ChatError("invalid_request", f"This is not the YAML of a tool: {error}") from None
        values: dict[str, Any] = {
            "id": new_id(),
            "tenant_id": tenant_id,
            "name": definition.name,
            "version": definition.version,
            "yaml": yaml,
            "parsed": definition.model_dump(mode="json"),
            "created_at": utc_now(),
        }
        same = (_of(tenant_id), tools.c.name == definition.name, tools.c.version == definition.version)
        try:
            async with self._database.write() as connection:
                row = (await connection.execute(select(tools).where(*same))).mappings().one_or_none()
                if row is None:
                    stored = await connection.execute(insert(tools).values(values).returning(tools))
                    return _tool(stored.mappings().one())
        except IntegrityError:
            raise ChatError("conflict", "This version is being stored by somebody else.") from None
        if row["parsed"] != values["parsed"]:
            message = f"{definition.name} has a version {definition.version} already; a change needs a new one."
            raise ChatError("conflict", message, details={"version": definition.version})
        return _tool(row)

    async def load(self, folder: Path) -> int:
        """Store the YAML files of a folder as tools of every tenant; return how many there are.

        Raises:
            ChatError: One is not the YAML of a tool, or changes a version; the message names the file.
        """
        found = await asyncio.to_thread(_yaml_files, folder)
        for name, text in found.items():
            try:
                await self.put(None, text)
            except ChatError as error:
                raise ChatError(error.code, f"{name}: {error.message}") from None
        return len(found)

    async def get(self, tool_id: str) -> StoredTool:
        """Return a version of a tool, also an archived one.

        Raises:
            ChatError: `not_found`.
        """
        return await self._by_id.get(tool_id, lambda: self._look_up(tool_id))

    async def newest(self, tenant_id: str, name: str) -> StoredTool | None:
        """Return the newest version of a tool that a tenant may use; None if there is none."""
        found = [tool for tool in await self.of_tenant(tenant_id) if tool.definition.name == name]
        return found[0] if found else None

    async def of_tenant(self, tenant_id: str) -> list[StoredTool]:
        """Return the tools that a tenant may use, by name, each in its newest version."""
        tenant = await self._tenants.get(tenant_id)
        where = tools.c.tenant_id.in_(tenant.line) | tools.c.tenant_id.is_(None)
        query = select(tools).where(where, tools.c.archived_at.is_(None))
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        nearness: dict[str | None, int] = {id_: place for place, id_ in enumerate(tenant.line)}
        nearness[None] = len(nearness)
        found: dict[str, RowMapping] = {}
        for row in sorted(rows, key=lambda row: (nearness[row["tenant_id"]], -row["version"])):
            found.setdefault(row["name"], row)
        return [_tool(found[name]) for name in sorted(found)]

    async def archive(self, tenant_id: str, name: str) -> int:
        """Take all versions of a tenant's tool from those that new conversations may have; return how many."""
        owner = _of(tenant_id)
        if tenant_id == ROOT_TENANT:
            owner = owner | tools.c.tenant_id.is_(None)
        change = update(tools).values(archived_at=utc_now())
        change = change.where(owner, tools.c.name == name, tools.c.archived_at.is_(None))
        async with self._database.write() as connection:
            return (await connection.execute(change)).rowcount

    async def _look_up(self, tool_id: str) -> StoredTool:
        async with self._database.read() as connection:
            row = (await connection.execute(select(tools).where(tools.c.id == tool_id))).mappings().one_or_none()
        if row is None:
            raise ChatError("not_found", "There is no such tool.")
        return _tool(row)


def _yaml_files(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    return {path.name: path.read_text("utf-8") for path in paths}


def _of(tenant_id: str | None) -> Any:
    return tools.c.tenant_id.is_(None) if tenant_id is None else tools.c.tenant_id == tenant_id


def _tool(row: RowMapping) -> StoredTool:
    return StoredTool(
        id=row["id"],
        tenant_id=row["tenant_id"],
        definition=ToolDefinition.model_validate(row["parsed"]),
        yaml=row["yaml"],
        created_at=row["created_at"],
        archived_at=row["archived_at"],
    )
