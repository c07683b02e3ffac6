"""Endpoints for what a tenant has: credentials of AI gateways, API tokens, and tools."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field, SecretStr, StringConstraints
from starlette.responses import Response

from raptscallions_chat.credentials.urls import check_base_url
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import ROOT_TENANT
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

__all__ = ["router"]

router = APIRouter(prefix="/tenants", tags=["tenants"])


class AddCredential(ManagingRequest):
    """A key of an AI gateway; it is sealed at once, and never told again."""

    provider: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")] = Field(
        "openrouter", examples=["openrouter"]
    )
    api_key: SecretStr = Field(min_length=1, max_length=4000)
    name: Annotated[str, StringConstraints(max_length=200)] = ""
    base_url: Annotated[str, StringConstraints(max_length=2000)] | None = None
    default_model: Annotated[str, StringConstraints(max_length=300)] | None = None


class ChangeCredential(ManagingRequest):
    """Another key for a credential."""

    api_key: SecretStr = Field(min_length=1, max_length=4000)


class CreateToken(ManagingRequest):
    """A token to be made for a user."""

    user_id: Name
    name: Name = Field(examples=["laptop"])
    scopes: tuple[Literal["read", "chat", "admin"], ...] = ()
    days: int | None = Field(None, ge=1, le=36_500, description="How long it is valid; without it until it is revoked.")


class PutTool(ManagingRequest):
    """A version of a tool."""

    yaml: Annotated[str, StringConstraints(max_length=256 * 1024)] = Field(
        examples=["name: tutor\nversion: 1\nsystem: You help with fractions.\n"]
    )


@router.get("/{tenant_id}/credentials", response_model=ItemsOut, responses=responses(404))
async def list_credentials(request: Request, tenant: Administered) -> Response:
    """Return a tenant's credentials, without their keys."""
    found = await features(request).vault.of_tenant(tenant.id)
    return json_reply(200, {"items": list(map(fields_of, found))})


@router.post(
    "/{tenant_id}/credentials",
    status_code=201,
    response_model=dict[str, Any],
    responses=responses(400, 404, 409, 422, 424),
)
async def add_credential(request: Request, asked: AskedOnce, tenant: Administered, body: AddCredential) -> Response:
    """Store a key of an AI gateway for a tenant and all below it."""
    if body.base_url is not None:
        check_base_url(body.base_url, trusted=asked.principal.tenant_id == ROOT_TENANT)

    async def work() -> dict[str, Any]:
        stored = await features(request).vault.add(
            tenant.id,
            body.provider,
            body.api_key.get_secret_value().strip(),
            name=clean(body.name),
            base_url=body.base_url,
            default_model=body.default_model,
        )
        features(request).forget_credentials()
        await note(request, asked.principal, tenant, "credential.add", stored.id, provider=stored.provider)
        return fields_of(stored)

    return await once(request, asked, 201, work)


@router.patch(
    "/{tenant_id}/credentials/{credential_id}", response_model=dict[str, Any], responses=responses(404, 422, 424)
)
async def change_credential(
    request: Request, user: User, tenant: Administered, credential_id: ItemId, body: ChangeCredential
) -> Response:
    """Put another key into a credential."""
    key = body.api_key.get_secret_value().strip()
    changed = await features(request).vault.replace_key(tenant.id, item_id(credential_id), key)
    features(request).forget_credentials()
    await note(request, user, tenant, "credential.change", changed.id, provider=changed.provider)
    return json_reply(200, fields_of(changed))


@router.post(
    "/{tenant_id}/credentials/{credential_id}/deactivate",
    response_model=dict[str, Any],
    responses=responses(404, 422),
)
async def deactivate_credential(
    request: Request, asked: AskedOnce, tenant: Administered, credential_id: ItemId
) -> Response:
    """Use a credential no more, and keep it."""

    async def work() -> dict[str, Any]:
        changed = await features(request).vault.deactivate(tenant.id, item_id(credential_id))
        features(request).forget_credentials()
        await note(request, asked.principal, tenant, "credential.deactivate", changed.id)
        return fields_of(changed)

    return await once(request, asked, 200, work)


@router.delete("/{tenant_id}/credentials/{credential_id}", status_code=204, responses=responses(404))
async def delete_credential(request: Request, user: User, tenant: Administered, credential_id: ItemId) -> Response:
    """Delete a credential."""
    await features(request).vault.remove(tenant.id, item_id(credential_id))
    features(request).forget_credentials()
    await note(request, user, tenant, "credential.remove", credential_id)
    return Response(status_code=204)


@router.get("/{tenant_id}/tokens", response_model=ItemsOut, responses=responses(404))
async def list_tokens(request: Request, tenant: Administered) -> Response:
    """Return a tenant's API tokens, without their text."""
    found = await features(request).tokens.of_tenant(tenant.id)
    return json_reply(200, {"items": list(map(fields_of, found))})


@router.post("/{tenant_id}/tokens", status_code=201, response_model=dict[str, Any], responses=responses(400, 404, 422))
async def create_token(request: Request, asked: AskedOnce, tenant: Administered, body: CreateToken) -> Response:
    """Make an API token for a user; `token` is told this once."""
    lifetime = None if body.days is None else timedelta(days=body.days)

    async def work() -> dict[str, Any]:
        text, token = await features(request).tokens.create(
            tenant.id, clean(body.user_id), clean(body.name), scopes=body.scopes, lifetime=lifetime
        )
        await note(request, asked.principal, tenant, "token.create", token.id)
        return {**fields_of(token), "token": text}

    return await once(request, asked, 201, work, private="token")


@router.delete("/{tenant_id}/tokens/{token_id}", status_code=204, responses=responses(404))
async def revoke_token(request: Request, user: User, tenant: Administered, token_id: ItemId) -> Response:
    """End a token."""
    if not await features(request).tokens.revoke(tenant.id, item_id(token_id)):
        raise ChatError("not_found", "There is no such token.")
    await note(request, user, tenant, "token.revoke", token_id)
    return Response(status_code=204)


@router.get("/{tenant_id}/tools", response_model=ItemsOut, responses=responses(404))
async def list_tools(request: Request, tenant: Mine) -> Response:
    """Return the tools that a tenant may use, each in its newest version."""
    found = await features(request).tools.of_tenant(tenant.id)
    items = [
        {
            "id": each.id,
            "name": each.definition.name,
            "version": each.definition.version,
            "description": each.definition.description,
            "model": each.definition.model,
            "created_at": each.created_at,
        }
        for each in found
    ]
    return json_reply(200, {"items": items})


@router.post(
    "/{tenant_id}/tools", status_code=201, response_model=dict[str, Any], responses=responses(400, 404, 409, 422)
)
async def put_tool(request: Request, asked: AskedOnce, tenant: Managed, body: PutTool) -> Response:
    """Store a version of a tool; versions never change."""

    async def work() -> dict[str, Any]:
        stored = await features(request).tools.put(tenant.id, body.yaml)
        named = {"name": stored.definition.name, "version": stored.definition.version}
        await note(request, asked.principal, tenant, "tool.put", stored.id, **named)
        return {"id": stored.id, **named, "created_at": stored.created_at}

    return await once(request, asked, 201, work)


@router.delete("/{tenant_id}/tools/{name}", status_code=204, responses=responses(404))
async def archive_tool(request: Request, user: User, tenant: Managed, name: ItemId) -> Response:
    """Take a tool from those that new conversations may have; those that have it keep it."""
    if not await features(request).tools.archive(tenant.id, name):
        raise ChatError("not_found", "There is no such tool.")
    await note(request, user, tenant, "tool.archive", name)
    return Response(status_code=204)
