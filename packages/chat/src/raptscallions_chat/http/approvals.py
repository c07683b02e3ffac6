"""Endpoints for calls of tools that wait for their user."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from raptscallions_chat.domain.text import clean
from raptscallions_chat.http.dependencies import AskedOnce, RunId, User, features, json_reply, responses, services
from raptscallions_chat.http.payloads import sent_payload
from raptscallions_chat.http.replays import carried_out_once

__all__ = ["router"]

router = APIRouter(tags=["runs"])

_NAMES = ("call_id", "name", "arguments", "decision", "reason", "created_at", "decided_at")


class Decision(BaseModel):
    """Whether a call may run."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, json_schema_extra={"examples": [{"approve": True}]}
    )

    approve: bool
    reason: Annotated[str, StringConstraints(max_length=2000)] | None = Field(
        None, description="Why not; the model is told."
    )


@router.get("/runs/{run_id}/approvals", response_model=dict[str, Any], responses=responses(404))
async def list_approvals(request: Request, user: User, run_id: RunId) -> Response:
    """Return the calls of a run that its user is asked about."""
    await services(request).runtime.store.get_run(run_id, user)
    return json_reply(200, {"items": await _told(request, run_id)})


@router.post(
    "/runs/{run_id}/approvals/{call_id}", response_model=dict[str, Any], responses=responses(400, 404, 409, 422)
)
async def decide(
    request: Request,
    asked: AskedOnce,
    run_id: RunId,
    call_id: Annotated[str, Path(max_length=200, description="The call's id.")],
    body: Decision,
) -> Response:
    """Approve a call or deny it; with the last one of a run decided, a run begins that goes on in the same answer."""
    here = features(request)

    async def work() -> dict[str, Any]:
        found = await here.approvals.decide(
            asked.principal,
            run_id,
            clean(call_id),
            approve=body.approve,
            reason=None if body.reason is None else clean(body.reason),
        )
        going_on = None
        if all(each.decision is not None for each in found):
            outcome = await services(request).runtime.continue_run(asked.principal, run_id)
            going_on = None if outcome.result is None else sent_payload(outcome.result)
        return {"items": await _told(request, run_id), "continued": going_on}

    return await carried_out_once(here.database, asked, 200, work)


async def _told(request: Request, run_id: str) -> list[dict[str, Any]]:
    found = await features(request).approvals.of_run(run_id)
    return [{name: getattr(each, name) for name in _NAMES} for each in found]
