"""Endpoints about the user: who it is, what was used, which models there are, what happens, and being forgotten."""

from __future__ import annotations

import inspect
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from raptscallions_chat.auth.roles import require
from raptscallions_chat.auth.sessions import COOKIE
from raptscallions_chat.auth.tokens import token_digest
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.http.dependencies import (
    AskedOnce,
    User,
    auth_request,
    features,
    json_reply,
    responses,
    services,
)
from raptscallions_chat.http.replays import carried_out_once
from raptscallions_chat.http.schemas import UsageOut
from raptscallions_chat.http.streams import EventStreamResponse
from raptscallions_chat.limits.usage import Scope, UsageRow, moments
from raptscallions_chat.store.database import utc_now

__all__ = ["router"]

router = APIRouter(tags=["account"])


class SessionOut(BaseModel):
    """Who asks, and what the page must send with each change."""

    user_id: str
    tenant_id: str
    roles: list[str]
    csrf_token: str | None = Field(description="For the header X-CSRF-Token; null without a cookie.")
    expires_in: int | None = Field(None, description="Seconds until the session ends.")


class UsageRowOut(BaseModel):
    """What one model, user or day used."""

    key: str | None
    runs: int
    usage: UsageOut


class UsageReportOut(BaseModel):
    """Usage of a time."""

    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    by: Literal["model", "user", "day"]
    items: list[UsageRowOut]
    total: UsageRowOut


class ModelOut(BaseModel):
    """A model that may be named in `model`; prices are in USD for a million tokens."""

    id: str
    name: str
    context_length: int | None
    prompt_price: str | None
    completion_price: str | None


class ModelsOut(BaseModel):
    """The models that the tenant's gateway has."""

    items: list[ModelOut]
    default: str | None


class ReceiptOut(BaseModel):
    """What was erased."""

    id: str
    erased_as: str
    at: datetime
    deleted: dict[str, int]
    held: int
    pending: bool


@router.get("/session", response_model=SessionOut, responses=responses())
async def get_session(request: Request, user: User) -> Response:
    """Return who asks."""
    token = features(request).sessions.csrf_token(auth_request(request))
    return json_reply(200, _session(user.user_id, user.tenant_id, user.roles, token, None))


@router.post("/session", status_code=201, response_model=SessionOut, responses=responses())
async def sign_in(request: Request, user: User) -> Response:
    """Sign in with a cookie; the request itself is authenticated by other means, such as an API token."""
    digest = token_digest(auth_request(request))
    session = features(request).sessions.start(user, digest)
    reply = json_reply(201, _session(user.user_id, user.tenant_id, user.roles, session.csrf_token, session.expires_in))
    secure = request.url.scheme == "https"
    reply.set_cookie(
        COOKIE, session.cookie, max_age=session.expires_in, path="/", secure=secure, httponly=True, samesite="strict"
    )
    return reply


@router.delete("/session", status_code=204, responses=responses())
async def sign_out(request: Request, user: User) -> Response:
    """Forget the cookie."""
    reply = Response(status_code=204)
    reply.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return reply


@router.get("/usage", response_model=UsageReportOut, responses=responses(422))
async def get_usage(
    request: Request,
    user: User,
    since: Annotated[
        str | None, Query(alias="from", max_length=40, description="A date or time; 30 days before `to` without it.")
    ] = None,
    until: Annotated[
        str | None, Query(alias="to", max_length=40, description="A date, which is included, or a time; else now.")
    ] = None,
    by: Annotated[Literal["model", "user", "day"], Query(description="What to group by.")] = "day",
    of: Annotated[
        Literal["me", "tenant"], Query(description="`tenant` includes those below it, and needs the role manager.")
    ] = "me",
) -> Response:
    """Return what was used in a time, and what it cost."""
    here = features(request)
    begin, end = moments(since, until, utc_now())
    if of == "tenant":
        require(user, "manager")
    tenant = await here.tenants.get(user.tenant_id)
    scope = Scope(tenant.id, tenant.path, None if of == "tenant" else user.user_id)
    report = await here.usage.report(scope, begin, end, by)
    body = {"from": begin, "to": end, "by": by, "items": list(map(_row, report.rows)), "total": _row(report.total)}
    return json_reply(200, body)


@router.get("/models", response_model=ModelsOut, responses=responses(424))
async def list_models(request: Request, user: User) -> Response:
    """Return the models of the gateway that answers for the tenant, if it tells them."""
    lease = await services(request).runtime.clients.lease(user.tenant_id, None)
    try:
        client: Any = lease.client
        found: Any = client.models() if hasattr(client, "models") else ()
        models: list[Any] = list(await found if inspect.isawaitable(found) else found)
        default = client.resolve_model() if hasattr(client, "resolve_model") else None
    finally:
        await lease.release()
    items = list(map(_model, models))
    return json_reply(200, {"items": items, "default": default})


@router.get(
    "/events",
    responses={
        **responses(429),
        200: {"description": "What happens to the user's conversations.", "content": {"text/event-stream": {}}},
    },
)
async def follow_user(request: Request, user: User) -> Response:
    """Follow what begins, ends and changes in all of the user's conversations; one stream for all pages.

    Events are hints: `run_started` and `run_ended` {conversation_id, run_id, status}, `conversation_changed` {title},
    `conversation_deleted`, `title` {title}. After `ready`, lists that were read before may be old.
    """
    return EventStreamResponse(features(request).events.follow(user))


@router.post("/users/{user_id}/erase", status_code=202, response_model=ReceiptOut, responses=responses(404, 422))
async def erase_user(
    request: Request, asked: AskedOnce, user_id: Annotated[str, Path(max_length=200, description="A user, or `me`.")]
) -> Response:
    """Erase a user of the tenant: everything but what it cost. Others than oneself need the role admin."""
    principal = asked.principal
    target = principal.user_id if user_id == "me" else user_id
    if target != principal.user_id:
        require(principal, "admin")
    elif principal.scopes is not None and not principal.scopes & {"chat", "admin"}:
        raise ChatError("forbidden", "this token may not erase its user")
    here = features(request)

    async def work() -> dict[str, Any]:
        receipt = await here.erasure.erase(principal.tenant_id, target, principal.user_id)
        return receipt.payload()

    return await carried_out_once(here.database, asked, 202, work)


def _session(
    user_id: str, tenant_id: str, roles: frozenset[str], csrf_token: str | None, expires_in: int | None
) -> dict[str, Any]:
    told = {"user_id": user_id, "tenant_id": tenant_id, "roles": sorted(roles)}
    return {**told, "csrf_token": csrf_token, "expires_in": expires_in}


def _row(row: UsageRow) -> dict[str, Any]:
    return {"key": row.key, "runs": row.runs, "usage": row.usage.payload()}


def _model(model: Any) -> dict[str, Any]:
    pricing = getattr(model, "pricing", None)
    return {
        "id": model.id,
        "name": getattr(model, "name", None) or model.id,
        "context_length": getattr(model, "context_length", None),
        "prompt_price": _price(getattr(pricing, "prompt", None)),
        "completion_price": _price(getattr(pricing, "completion", None)),
    }


def _price(each: Any) -> str | None:
    return None if each is None else f"{(each * 1_000_000).normalize():f}"
