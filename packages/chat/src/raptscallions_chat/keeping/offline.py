"""The erasure of a user from the command line, beside a service that may run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_chat.files.attachments import Attachments
from raptscallions_chat.files.local import files_from_url
from raptscallions_chat.keeping.erasure import Erasure, Receipt
from raptscallions_chat.keeping.purge import Purge
from raptscallions_chat.store.sql_store import SqlStore
from raptscallions_chat.tenants.audit import AuditLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.settings import ChatSettings
    from raptscallions_chat.store.database import Database

__all__ = ["erase_offline"]


class _StoreOnly:
    """Stops runs by a note in the store, which their worker reads at its next sign of life."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    async def stop(self, principal: Principal, run_id: str) -> None:
        await self._store.request_stop(principal, run_id, "user")

    def forget(self, run_ids: Sequence[str]) -> None:
        """Events of runs in a log are gone after `CHAT_LOG_TTL_S`."""


async def erase_offline(
    settings: ChatSettings, database: Database, tenant_id: str, user_id: str, actor: str
) -> Receipt:
    """Erase a user without a runtime in this process; return the receipt."""
    attachments = Attachments(database, files_from_url(settings.storage_url), settings.max_attachment_bytes)
    purge = Purge(database, _StoreOnly(SqlStore(database)), attachments)
    return await Erasure(database, purge, attachments, AuditLog(database)).erase(tenant_id, user_id, actor)
