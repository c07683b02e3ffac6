"""Attachments of users: stored once for the same bytes of a tenant, and deleted with the last that has them."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id, parse_id
from raptscallions_chat.files.media_types import KINDS, clean_name, media_type_of
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import attachments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_ai.messages import ContentPart
    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.protocols import Files
    from raptscallions_chat.store.database import Database

__all__ = ["Attachment", "Attachments", "storage_key"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a user has attached, or may attach, to a message.

    Attributes:
        id: Its id.
        sha256: The digest of its bytes.
        size: How many there are.
        media_type: What it is.
        name: What the user calls it.
        storage_key: Where its bytes are.
        created_at: When it was stored.
    """

    id: str
    sha256: str
    size: int
    media_type: str
    name: str
    storage_key: str
    created_at: datetime

    def part(self) -> dict[str, Any]:
        """Return what a message keeps of it."""
        return {
            "type": "attachment",
            "id": self.id,
            "name": self.name,
            "media_type": self.media_type,
            "size": self.size,
        }


def storage_key(tenant_id: str, sha256: str) -> str:
    """Return where a tenant's bytes with this digest are; no two tenants share any."""
    return f"{tenant_id}/{sha256[:2]}/{sha256}"


class Attachments:
    """The attachments of users.

    Args:
        database: Where their rows are.
        files: Where their bytes are.
        max_bytes: The largest one; 0 for no limit.
    """

    def __init__(self, database: Database, files: Files, max_bytes: int) -> None:
        self._database = database
        self._files = files
        self.max_bytes = max_bytes

    async def add(self, principal: Principal, data: bytes, *, name: str, media_type: str = "") -> Attachment:
        """Store a file.

        Raises:
            ChatError: `attachment_too_large`, `invalid_request`: it is empty, or `unsupported_media_type`.
        """
        self.check_size(len(data))
        if not data:
            raise ChatError("invalid_request", "The file is empty.")
        found = media_type_of(data, media_type)
        sha256 = hashlib.sha256(data).hexdigest()
        attachment = Attachment(
            id=new_id(),
            sha256=sha256,
            size=len(data),
            media_type=found,
            name=clean_name(name),
            storage_key=storage_key(principal.tenant_id, sha256),
            created_at=utc_now(),
        )
        values = {name: getattr(attachment, name) for name in Attachment.__slots__}
        owner = {"tenant_id": principal.tenant_id, "user_id": principal.user_id}
        # The row first: whoever deletes the last attachment with the same bytes sees that they are needed again.
        async with self._database.write() as connection:
            await _lock(connection, [attachment.storage_key])
            await connection.execute(insert(attachments).values({**values, **owner, "status": "storing"}))
        await self._files.put(attachment.storage_key, data)
        async with self._database.write() as connection:
            stored = update(attachments).values(status="stored").where(attachments.c.id == attachment.id)
            await connection.execute(stored)
        return attachment

    def check_size(self, size: int) -> None:
        """Refuse a file that is too large.

        Raises:
            ChatError: `attachment_too_large`.
        """
        if self.max_bytes and size > self.max_bytes:
            message = f"A file must not be larger than {self.max_bytes} bytes."
            raise ChatError("attachment_too_large", message, details={"limit": self.max_bytes})

    async def find(self, principal: Principal, ids: Sequence[str]) -> list[Attachment]:
        """Return attachments of a user, in the order of their ids.

        Raises:
            ChatError: `not_found`: one is unknown, deleted or another user's.
        """
        wanted = [parse_id(id_) for id_ in ids]
        query = select(attachments).where(
            attachments.c.id.in_([id_ for id_ in wanted if id_ is not None]),
            attachments.c.tenant_id == principal.tenant_id,
            attachments.c.user_id == principal.user_id,
            attachments.c.status.in_(["stored", "shared"]),
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        by_id = {row["id"]: row for row in rows}
        if None in wanted or len(by_id) < len(set(wanted)):
            raise ChatError("not_found", "There is no such attachment.")
        return [Attachment(**{name: by_id[id_][name] for name in Attachment.__slots__}) for id_ in wanted]

    async def attach(self, principal: Principal, ids: Sequence[str], conversation_id: str) -> list[Attachment]:
        """Return attachments that are to be part of a conversation from now on, and are deleted with it.

        One that is part of another conversation already stays until its user deletes it.

        Raises:
            ChatError: `not_found`: one is unknown, deleted or another user's.
        """
        found = await self.find(principal, ids)
        chosen = (attachments.c.id.in_([each.id for each in found]), attachments.c.status == "stored")
        place = attachments.c.conversation_id
        async with self._database.write() as connection:
            shared = update(attachments).values(conversation_id=None, status="shared")
            await connection.execute(shared.where(*chosen, place.is_not(None), place != conversation_id))
            put = update(attachments).values(conversation_id=conversation_id)
            await connection.execute(put.where(*chosen, place.is_(None)))
        return found

    async def read(self, attachment: Attachment) -> bytes:
        """Return the bytes of an attachment.

        Raises:
            ChatError: `not_found`: they are gone.
        """
        try:
            return await self._files.get(attachment.storage_key)
        except KeyError:
            raise ChatError("not_found", "The bytes of this attachment are gone.") from None

    async def remove(self, principal: Principal, attachment_id: str) -> None:
        """Delete an attachment, and its bytes if no other attachment has the same ones.

        Raises:
            ChatError: `not_found`.
        """
        found = (await self.find(principal, [attachment_id]))[0]
        await self.erase([found.id])

    async def erase(self, ids: Iterable[str]) -> int:
        """Delete attachments whoever's they are, with the bytes that no other one has; return how many there were."""
        living = attachments.c.status != "deleted"
        chosen = (attachments.c.id.in_(list(ids)), living)
        async with self._database.write() as connection:
            keys = (await connection.execute(select(attachments.c.storage_key).where(*chosen))).scalars().all()
            await _lock(connection, keys)
            gone = update(attachments).values(status="deleted", deleted_at=utc_now()).where(*chosen)
            await connection.execute(gone)
            needed = select(attachments.c.storage_key).where(attachments.c.storage_key.in_(keys), living)
            unused = set(keys) - set((await connection.execute(needed)).scalars())
            # Before the end of the transaction, so that the same bytes that are attached just now are stored after it.
            for key in sorted(unused):
                await self._files.delete(key)
        return len(keys)

    async def content_parts(self, principal: Principal, parts: Sequence[Mapping[str, Any]]) -> list[ContentPart]:
        """Return what a model gets of the attachments among a message's parts; those that are gone are named."""
        ids = [str(part["id"]) for part in parts if part.get("type") == "attachment"]
        content: list[ContentPart] = []
        for id_ in ids:
            try:
                found = (await self.find(principal, [id_]))[0]
                content.append(_content(found, await self.read(found)))
            except ChatError:
                content.append({"type": "text", "text": "[A file that was attached here has been deleted.]"})
        return content


async def _lock(connection: AsyncConnection, keys: Sequence[str]) -> None:
    """Wait for others who store or delete the same bytes; on SQLite every writer does."""
    if connection.dialect.name == "postgresql":
        for key in sorted(set(keys)):
            await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))


def _content(attachment: Attachment, data: bytes) -> ContentPart:
    kind = KINDS[attachment.media_type]
    if kind == "text":
        return {"type": "text", "text": f"[File: {attachment.name}]\n{data.decode('utf-8')}"}
    encoded = base64.b64encode(data).decode()
    if kind == "audio":
        form = "mp3" if attachment.media_type == "audio/mpeg" else "wav"
        return {"type": "input_audio", "input_audio": {"data": encoded, "format": form}}
    url = f"data:{attachment.media_type};base64,{encoded}"
    if kind == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"filename": attachment.name, "file_data": url}}
