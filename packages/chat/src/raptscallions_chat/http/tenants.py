"""Endpoints for those who manage tenants: the tree, members, budgets, and the audit of it all."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import parse_id
from raptscallions_chat.domain.text import clean
from raptscallions_chat.http.dependencies import AskedOnce, User, features, json_reply, responses
from raptscallions_chat.http.managing import (
    Administered,
    ItemId,
    ItemsOut,
    Managed,
    ManagingRequest,
    Mine,
    Name,
    fields_of,
    item_id,
    note,
    once,
)
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.tenants.directory import Tenant

__all__ = ["router"]

router = APIRouter(prefix="/tenants", tags=["tenants"])

UserName = Annotated[str, Path(max_length=200, description="The user's name.")]


class TenantSettings(ManagingRequest):
    """Limits of a tenant's users, 0 for none; what is left out is what the tenant above says."""

    messages_per_minute: int | None = Field(None, ge=0, le=1_000_000)
    tenant_messages_per_minute: int | None = Field(None, ge=0, le=1_000_000)
    runs_per_user: int | None = Field(None, ge=0, le=1_000_000)
    allow_shared_key: bool | None = None


class CreateTenant(ManagingRequest):
    """A tenant to be made below another one."""

    name: Name = Field(examples=["class-7b"])


class ChangeTenant(ManagingRequest):
    """What to change of a tenant."""

    name: Name | None = None
    settings: TenantSettings | None = None
    retention_days: int | None = Field(None, ge=0, le=100_000)
    closed: bool | None = Field(None, description="Whether nobody gets in any more.")


class PutMember(ManagingRequest):
    """A user's role."""

    role: Literal["member", "manager", "admin"]


class PutBudget(ManagingRequest):
    """How much may be spent, in USD."""

    window: Literal["day", "month", "total"]
    limit_usd: Decimal = Field(ge=0, max_digits=18, decimal_places=9, allow_inf_nan=False, examples=["25.00"])
    alert_usd: Decimal | None = Field(None, ge=0, max_digits=18, decimal_places=9, allow_inf_nan=False)
    user_id: Name | None = Field(None, description="One user's; the whole tenant's without it.")


class TenantOut(BaseModel):
    """A tenant."""

    id: str
    parent_id: str | None
    name: str
    settings: dict[str, Any]
    retention_days: int | None
    created_at: datetime
    archived_at: datetime | None


class PageOut(ItemsOut):
    """A page of things, ascending; the first page has the last ones."""

    next: str | None


@router.get("/{tenant_id}", response_model=TenantOut, responses=responses(404))
async def get_tenant(tenant: Mine) -> Response:
    """Return a tenant: one's own, or one below it."""
    return json_reply(200, _tenant(tenant))


@router.patch("/{tenant_id}", response_model=TenantOut, responses=responses(404, 409, 422))
async def change_tenant(request: Request, user: User, tenant: Administered, body: ChangeTenant) -> Response:
    """Change a tenant's name, limits or retention, or close it."""
    values = body.model_dump(exclude_unset=True, exclude={"closed", "settings"})
    if body.settings is not None:
        values["settings"] = {**tenant.settings, **body.settings.model_dump(exclude_unset=True)}
    if values.get("name", "") is None:
        del values["name"]
    if body.closed is not None:
        if tenant.id == user.tenant_id:
            raise ChatError("conflict", "You cannot close the tenant that you are in.")
        values["archived_at"] = utc_now() if body.closed else None
    changed = await features(request).tenants.change(tenant.id, **values) if values else tenant
    await note(request, user, tenant, "tenant.change", tenant.id, fields=sorted(values))
    return json_reply(200, _tenant(changed))


@router.get("/{tenant_id}/tenants", response_model=ItemsOut, responses=responses(404))
async def list_tenants(request: Request, tenant: Managed) -> Response:
    """Return the tenants directly below one."""
    return json_reply(200, {"items": list(map(_tenant, await features(request).tenants.below(tenant.id)))})


@router.post("/{tenant_id}/tenants", status_code=201, response_model=TenantOut, responses=responses(400, 404, 409, 422))
async def create_tenant(request: Request, asked: AskedOnce, tenant: Administered, body: CreateTenant) -> Response:
    """Make a tenant below one."""

    async def work() -> dict[str, Any]:
        made = await features(request).tenants.create(clean(body.name), tenant.id)
        await note(request, asked.principal, tenant, "tenant.create", made.id, name=made.name)
        return _tenant(made)

    return await once(request, asked, 201, work)


@router.get("/{tenant_id}/members", response_model=ItemsOut, responses=responses(404))
async def list_members(request: Request, tenant: Managed) -> Response:
    """Return the members of a tenant."""
    found = await features(request).tenants.members_of(tenant.id)
    items = [{"user_id": each.user_id, "role": each.role, "created_at": each.created_at} for each in found]
    return json_reply(200, {"items": items})


@router.put("/{tenant_id}/members/{user_id}", status_code=204, responses=responses(404, 422))
async def put_member(
    request: Request, user: User, tenant: Administered, user_id: UserName, body: PutMember
) -> Response:
    """Make a user a member, or change the role."""
    await features(request).tenants.put_member(tenant.id, clean(user_id), body.role)
    await note(request, user, tenant, "member.put", user_id, role=body.role)
    return Response(status_code=204)


@router.delete("/{tenant_id}/members/{user_id}", status_code=204, responses=responses(404))
async def remove_member(request: Request, user: User, tenant: Administered, user_id: UserName) -> Response:
    """Take a user out of a tenant."""
    if not await features(request).tenants.remove_member(tenant.id, clean(user_id)):
        raise ChatError("not_found", "There is no such member.")
    await note(request, user, tenant, "member.remove", user_id)
    return Response(status_code=204)


@router.get("/{tenant_id}/budgets", response_model=ItemsOut, responses=responses(404))
async def list_budgets(request: Request, tenant: Managed) -> Response:
    """Return a tenant's budgets, and what is spent of each."""
    found = await features(request).budgets.of_tenant(tenant.id)
    return json_reply(200, {"items": [{**fields_of(budget), "spent_usd": spent} for budget, spent in found]})


@router.put("/{tenant_id}/budgets", response_model=dict[str, Any], responses=responses(404, 422))
async def put_budget(request: Request, user: User, tenant: Administered, body: PutBudget) -> Response:
    """Set a budget of a tenant or of one of its users."""
    budget = await features(request).budgets.put(tenant.id, **dict(body))
    await note(request, user, tenant, "budget.put", budget.id, window=budget.window, limit_usd=str(budget.limit_usd))
    return json_reply(200, fields_of(budget))


@router.delete("/{tenant_id}/budgets/{budget_id}", status_code=204, responses=responses(404))
async def remove_budget(request: Request, user: User, tenant: Administered, budget_id: ItemId) -> Response:
    """Delete a budget."""
    await features(request).budgets.remove(tenant.id, item_id(budget_id))
    await note(request, user, tenant, "budget.remove", budget_id)
    return Response(status_code=204)


@router.get("/{tenant_id}/audit", response_model=PageOut, responses=responses(404, 422))
async def list_audit(
    request: Request,
    tenant: Managed,
    before: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Return what was done in a tenant, and by whom."""
    place = None if before is None else parse_id(before)
    if before is not None and place is None:
        raise ChatError("bad_cursor", "`before` is none that a page gave.")
    entries, following = await features(request).audit.page(tenant.id, before=place, limit=limit)
    return json_reply(200, {"items": list(map(fields_of, entries)), "next": following})


def _tenant(tenant: Tenant) -> dict[str, Any]:
    return {name: getattr(tenant, name) for name in TenantOut.model_fields}
