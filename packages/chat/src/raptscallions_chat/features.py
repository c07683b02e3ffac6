"""What the service has around runs: who may use it, what they attach and find, what is kept, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raptscallions_chat.auth.chain import sessions_from
from raptscallions_chat.auth.tokens import ApiTokens
from raptscallions_chat.credentials.clients import TenantClients
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.files.attachments import Attachments
from raptscallions_chat.files.local import files_from_url
from raptscallions_chat.keeping.erasure import Erasure
from raptscallions_chat.keeping.purge import Purge
from raptscallions_chat.keeping.retention import Retention
from raptscallions_chat.limits.budgets import Budgets
from raptscallions_chat.limits.usage import UsageSums
from raptscallions_chat.prompting import ConversationTools
from raptscallions_chat.store.approvals import ApprovalStore
from raptscallions_chat.store.copies import ConversationCopies
from raptscallions_chat.store.search import MessageSearch
from raptscallions_chat.tenants.audit import AuditLog
from raptscallions_chat.tenants.tools import Tools
from raptscallions_chat.user_events import UserEvents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from raptscallions_chat.auth.sessions import Sessions
    from raptscallions_chat.credentials.vault import CredentialVault
    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.protocols import Clients, Files
    from raptscallions_chat.runs.runtime import Runtime
    from raptscallions_chat.settings import ChatSettings
    from raptscallions_chat.store.database import Database
    from raptscallions_chat.tenants.directory import TenantDirectory

__all__ = ["Features", "Shared", "make_features", "make_shared"]


@dataclass(frozen=True, slots=True)
class Shared:
    """What runs need, too, and is therefore there before the runtime."""

    database: Database
    tenants: TenantDirectory
    vault: CredentialVault
    tools: Tools
    conversation_tools: ConversationTools
    attachments: Attachments


@dataclass(frozen=True, slots=True)
class Features:
    """What endpoints work with, besides runs."""

    settings: ChatSettings
    database: Database
    tenants: TenantDirectory
    sessions: Sessions
    tokens: ApiTokens
    vault: CredentialVault
    clients: Clients
    budgets: Budgets
    usage: UsageSums
    audit: AuditLog
    attachments: Attachments
    tools: Tools
    conversation_tools: ConversationTools
    copies: ConversationCopies
    search: MessageSearch
    purge: Purge
    retention: Retention
    erasure: Erasure
    events: UserEvents
    approvals: ApprovalStore

    async def find_tool(self, principal: Principal, name: str) -> str | None:
        """Return the id of the newest version of a tool; None if there is none."""
        found = await self.tools.newest(principal.tenant_id, name)
        return None if found is None else found.id

    async def attach(
        self, principal: Principal, conversation_id: str, parts: Sequence[Mapping[str, Any]] | None
    ) -> None:
        """Attach the files of a message to its conversation.

        Raises:
            ChatError: `invalid_request`: one of them is not there.
        """
        ids = [str(part["id"]) for part in parts or () if part.get("type") == "attachment"]
        if not ids:
            return
        try:
            await self.attachments.attach(principal, ids, conversation_id)
        except ChatError:
            raise ChatError("invalid_request", "`parts` has an attachment that is not yours, or gone.") from None

    async def tell(self, user: Principal, kind: str, conversation_id: str, **fields: Any) -> None:
        """Tell the pages of a user what has become of a conversation."""
        await self.events.tell(user.tenant_id, user.user_id, kind, conversation_id=conversation_id, **fields)

    def forget_credentials(self) -> None:
        """Use changed credentials at once in this process; others do so within seconds."""
        if isinstance(self.clients, TenantClients):
            self.clients.forget()


def make_shared(
    settings: ChatSettings,
    database: Database,
    tenants: TenantDirectory,
    vault: CredentialVault,
    files: Files | None = None,
) -> Shared:
    """Return what runs need besides the store."""
    tools = Tools(database, tenants)
    kept = files or files_from_url(settings.storage_url)
    return Shared(
        database=database,
        tenants=tenants,
        vault=vault,
        tools=tools,
        conversation_tools=ConversationTools(database, tools),
        attachments=Attachments(database, kept, settings.max_attachment_bytes),
    )


def make_features(settings: ChatSettings, shared: Shared, runtime: Runtime, clients: Clients) -> Features:
    """Return everything around a runtime."""
    database, tenants = shared.database, shared.tenants
    audit = AuditLog(database)
    purge = Purge(database, runtime, shared.attachments)
    return Features(
        settings=settings,
        database=database,
        tenants=tenants,
        sessions=sessions_from(settings, database, tenants),
        tokens=ApiTokens(database),
        vault=shared.vault,
        clients=clients,
        budgets=Budgets(database, tenants),
        usage=UsageSums(database),
        audit=audit,
        attachments=shared.attachments,
        tools=shared.tools,
        conversation_tools=shared.conversation_tools,
        copies=ConversationCopies(database),
        search=MessageSearch(database),
        purge=purge,
        retention=Retention(database, tenants, purge, settings.retention_days),
        erasure=Erasure(database, purge, shared.attachments, audit),
        events=UserEvents(runtime.signals, lambda: runtime.closing),
        approvals=ApprovalStore(database),
    )
