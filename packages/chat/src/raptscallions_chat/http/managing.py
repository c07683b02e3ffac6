"""What endpoints for those who manage have in common: which tenant, whether they may, and a note in the audit."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Path, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from raptscallions_chat.auth.roles import require
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import parse_id
from raptscallions_chat.http.dependencies import Asked, User, features
from raptscallions_chat.http.replays import carried_out_once
from raptscallions_chat.tenants.directory import Tenant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response

    from raptscallions_chat.auth.roles import Role
    from raptscallions_chat.domain.principal import Principal

__all__ = [
    "Administered",
    "ItemId",
    "ItemsOut",
    "Managed",
    "ManagingRequest",
    "Mine",
    "Name",
    "fields_of",
    "item_id",
    "note",
    "once",
]

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ItemId = Annotated[str, Path(max_length=100)]


class ManagingRequest(BaseModel):
    """A request of somebody who manages; unknown fields are refused, and no value is told in an error."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ItemsOut(BaseModel):
    """A list of things."""

    items: list[dict[str, Any]]


def _managed(role: Role) -> Callable[..., Awaitable[Tenant]]:
    async def find(
        request: Request,
        user: User,
        tenant_id: Annotated[str, Path(description="A tenant's id, or `mine`.", max_length=100)],
    ) -> Tenant:
        wanted = user.tenant_id if tenant_id == "mine" else parse_id(tenant_id)
        if wanted is None:
            raise ChatError("not_found", "There is no such tenant.")
        tenant = await features(request).tenants.get(wanted)
        if user.tenant_id not in tenant.line:  # it is not the user's, nor below it
            raise ChatError("not_found", "There is no such tenant.")
        require(user, role)
        return tenant

    return find


Administered = Annotated[Tenant, Depends(_managed("admin"))]
Managed = Annotated[Tenant, Depends(_managed("manager"))]
Mine = Annotated[Tenant, Depends(_managed("member"))]


def item_id(text: str) -> str:
    """Return the id of something in a tenant.

    Raises:
        ChatError: `not_found`: the text is no id.
    """
    found = parse_id(text)
    if found is None:
        raise ChatError("not_found", "There is no such thing in this tenant.")
    return found


def fields_of(thing: Any) -> dict[str, Any]:
    """Return a dataclass as the API tells it."""
    return {field.name: getattr(thing, field.name) for field in fields(thing)}


async def note(request: Request, user: Principal, tenant: Tenant, action: str, target: str, **details: object) -> None:
    """Write into the audit what was done."""
    await features(request).audit.record(tenant.id, user.user_id, action, target, **details)


async def once(
    request: Request,
    asked: Asked,
    status: int,
    work: Callable[[], Awaitable[dict[str, Any]]],
    private: str | None = None,
) -> Response:
    """Carry a request out and reply, or reply as before; `private` names a field that is not kept."""
    return await carried_out_once(features(request).database, asked, status, work, private=private)
