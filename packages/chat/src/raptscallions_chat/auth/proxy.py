"""A proxy in front that has authenticated the user, such as oauth2-proxy, and says who it is in headers."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from raptscallions_chat.auth.roles import roles_from
from raptscallions_chat.domain.principal import Principal

if TYPE_CHECKING:
    from raptscallions_chat.protocols import AuthRequest
    from raptscallions_chat.settings import ChatSettings
    from raptscallions_chat.tenants.directory import TenantDirectory

__all__ = ["ProxyAuth"]


class ProxyAuth:
    """Believes the headers of requests that come from a trusted network, and of no others.

    The proxy must remove these headers from what browsers send.

    Args:
        settings: The names of the headers, and the networks.
        tenants: Finds the tenant that a header names.
    """

    def __init__(self, settings: ChatSettings, tenants: TenantDirectory) -> None:
        self._networks = [ipaddress.ip_network(each, strict=False) for each in settings.trusted_proxies]
        self._user = settings.proxy_user_header.lower()
        self._tenant = settings.proxy_tenant_header.lower()
        self._role = settings.proxy_role_header.lower()
        self._tenants = tenants

    async def recognize(self, request: AuthRequest) -> Principal | None:
        """Return the user that the proxy names; None if it names none, or the request is not from a trusted network.

        Raises:
            ChatError: `forbidden`: there is no such tenant.
        """
        user = request.headers.get(self._user, "").strip()
        if not user or not self._trusts(request.peer):
            return None
        tenant = await self._tenants.home_of(user, request.headers.get(self._tenant, "").strip() or None)
        roles = roles_from(request.headers.get(self._role)) | await self._tenants.roles_in(tenant, user)
        return Principal(tenant.id, user, roles)

    def _trusts(self, peer: str | None) -> bool:
        try:
            address = ipaddress.ip_address(peer or "")
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)
