"""No authentication, for the developer's own machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_chat.auth.origins import check_origin
from raptscallions_chat.auth.roles import roles_from
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import ROOT_TENANT, Principal
from raptscallions_chat.settings_checks import is_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_chat.protocols import AuthRequest

__all__ = ["DevAuth"]

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
_LONGEST_NAME = 200


class DevAuth:
    """Takes requests from this machine as those of the user that `X-Chat-User` names, `dev` without it.

    Everybody here is an admin of the root tenant. A request that came through a proxy, whose user may be anywhere, and
    one that a page of another site sent are refused.

    Args:
        origins: Origins of other sites whose pages may send requests.
    """

    def __init__(self, origins: Sequence[str] = ()) -> None:
        self._origins = origins

    async def recognize(self, request: AuthRequest) -> Principal | None:
        """Return the user; None for requests from elsewhere.

        Raises:
            ChatError: `forbidden`: a page of another site sent it.
        """
        if request.peer is None or not is_loopback(request.peer):
            return None
        if any(name in request.headers for name in _FORWARDED):
            return None
        check_origin(request, self._origins)
        user = request.headers.get("x-chat-user", "").strip() or "dev"
        if len(user) > _LONGEST_NAME or not user.isprintable():
            raise ChatError("unauthenticated", f"X-Chat-User must be printable, and at most {_LONGEST_NAME} characters")
        return Principal(ROOT_TENANT, user, roles_from("admin"))
