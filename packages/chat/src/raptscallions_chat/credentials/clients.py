"""The client that answers for a tenant: of the nearest credential upwards, else the service's own."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from raptscallions_ai import AiSettings, OpenRouterClient
from raptscallions_chat.credentials.envelope import UnknownKeyError, WrongKeyError
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.tenants.cache import ShortCache

if TYPE_CHECKING:
    from raptscallions_ai import ChatClient
    from raptscallions_chat.credentials.vault import Credential, CredentialVault
    from raptscallions_chat.tenants.directory import TenantDirectory

__all__ = ["ClientFactory", "TenantClients", "client_of"]

_log = logging.getLogger("raptscallions_chat")

ClientFactory: TypeAlias = "Callable[[Credential, str], ChatClient]"
"""Makes the client of a credential and its key."""

_NOT_CONFIGURED = "no AI is configured: the tenant has no credential, and the service's own may not be used"


def client_of(credential: Credential, api_key: str) -> ChatClient:
    """Return a client of the gateway that a credential is for: OpenRouter, or any one that speaks OpenAI's API."""
    fields = AiSettings.model_fields
    return OpenRouterClient(
        api_key=api_key,
        base_url=credential.base_url or str(fields["gateway_url"].default),
        default_model=credential.default_model or str(fields["default_model"].default),
    )


class TenantClients:
    """Clients, kept for each credential and version; one that nobody uses is closed after a while.

    Args:
        vault: The credentials.
        tenants: The tree.
        own: The service's own client, which is not closed here; None if it has none.
        allow_own: Whether tenants without a credential may use it; a tenant's `allow_shared_key` goes before.
        make: Makes the client of a credential.
        size: How many idle clients are kept.
        idle_s: Seconds after which an idle one is closed.
    """

    def __init__(
        self,
        vault: CredentialVault,
        tenants: TenantDirectory,
        *,
        own: ChatClient | None = None,
        allow_own: bool = True,
        make: ClientFactory = client_of,
        size: int = 256,
        idle_s: float = 600.0,
    ) -> None:
        self._vault = vault
        self._tenants = tenants
        self._own = own
        self._allow_own = allow_own
        self._make = make
        self._size = size
        self._idle_s = idle_s
        self._choices: ShortCache[list[Credential]] = ShortCache(seconds=2.0)
        self._kept: OrderedDict[tuple[str, int], _Kept] = OrderedDict()
        self._lock = asyncio.Lock()

    async def lease(self, tenant_id: str, model: str | None) -> _Lease:
        """Return the client for a run; give it back with `release`.

        Raises:
            ChatError: `ai_not_configured`; `not_found`: there is no such tenant.
        """
        credential = await self._choose(tenant_id, model)
        if credential is None:
            return _Lease(await self._own_client(tenant_id), None, None)
        async with self._lock:
            key = (credential.id, credential.version)
            kept = self._kept.get(key)
            if kept is None:
                kept = self._kept[key] = _Kept(self._make(credential, await self._key(credential)))
            kept.users += 1
            self._kept.move_to_end(key)
        return _Lease(kept.client, credential.id, lambda: self._give_back(kept))

    async def check(self, tenant_id: str, model: str | None) -> None:
        """Refuse what `lease` would refuse, without opening anything.

        Raises:
            ChatError: `ai_not_configured`; `not_found`: there is no such tenant.
        """
        if await self._choose(tenant_id, model) is None:
            await self._own_client(tenant_id)

    def forget(self, tenant_id: str | None = None) -> None:
        """Look the credentials of a tenant, or of all, up anew."""
        self._choices.forget(tenant_id)

    async def aclose(self) -> None:
        """Close every client that was made here."""
        async with self._lock:
            kept, self._kept = list(self._kept.values()), OrderedDict()
        for each in kept:
            await _close(each.client)

    async def _choose(self, tenant_id: str, model: str | None) -> Credential | None:
        tenant = await self._tenants.get(tenant_id)
        found = await self._choices.get(tenant_id, lambda: self._vault.nearest(tenant.line))
        provider = (model or "").partition("/")[0]
        by_name = {credential.provider: credential for credential in found}
        return by_name.get(provider) or by_name.get("openrouter") or next(iter(found), None)

    async def _own_client(self, tenant_id: str) -> ChatClient:
        tenant = await self._tenants.get(tenant_id)
        allowed = await self._tenants.setting(tenant, "allow_shared_key")
        if self._own is None or not (self._allow_own if allowed is None else allowed):
            raise ChatError("ai_not_configured", _NOT_CONFIGURED)
        return self._own

    async def _key(self, credential: Credential) -> str:
        try:
            return await self._vault.open(credential)
        except (UnknownKeyError, WrongKeyError) as error:
            _log.error("credential %s cannot be opened: %s", credential.id, error)
            raise ChatError("ai_not_configured", "the tenant's credential cannot be opened; see the log") from None

    async def _give_back(self, kept: _Kept) -> None:
        kept.users -= 1
        kept.idle_since = monotonic()
        for client in await self._idle():
            await _close(client)

    async def _idle(self) -> list[ChatClient]:
        """Take out the clients that have been idle for too long, are of an older version, or are too many."""
        newest: dict[str, int] = {}
        for id_, version in self._kept:
            newest[id_] = max(version, newest.get(id_, 0))
        overdue = monotonic() - self._idle_s
        out: list[ChatClient] = []
        for key, each in list(self._kept.items()):  # the least recently used ones first
            too_many = len(self._kept) > self._size
            if each.users == 0 and (each.idle_since < overdue or key[1] < newest[key[0]] or too_many):
                out.append(self._kept.pop(key).client)
        return out


@dataclass(slots=True)
class _Kept:
    client: ChatClient
    users: int = 0
    idle_since: float = 0.0


class _Lease:
    """A client in use; see `LeasedClient`."""

    def __init__(
        self, client: ChatClient, credential_id: str | None, give_back: Callable[[], Awaitable[None]] | None
    ) -> None:
        self.client = client
        self.credential_id = credential_id
        self._give_back = give_back

    async def release(self) -> None:
        """Give the client back; a second time does nothing."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            await give_back()


async def _close(client: ChatClient) -> None:
    try:
        await client.aclose()
    except Exception:
        _log.warning("a client could not be closed", exc_info=True)
