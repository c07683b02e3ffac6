"""Endpoints of runs: look, follow, stop, continue, generate again."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from raptscallions_chat.domain.commands import Outcome, Reply, Sent
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.events import parse_cursor
from raptscallions_chat.domain.records import Run
from raptscallions_chat.domain.statuses import ENDS
from raptscallions_chat.http.dependencies import (
    AskedOnce,
    MessageId,
    RunId,
    User,
    json_reply,
    responses,
    services,
    stored_reply,
)
from raptscallions_chat.http.payloads import encode, run_payload, sent_payload
from raptscallions_chat.http.schemas import ContinueRequest, RegenerateRequest, RunOut, RunReply, SentOut
from raptscallions_chat.http.streams import EventStreamResponse

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncGenerator, Mapping

    from raptscallions_chat.domain.principal import Principal

__all__ = ["AT_ONCE", "begin_reply", "router", "sent_reply", "stream_of"]

router = APIRouter(tags=["runs"])

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "The run's events.", "content": {"text/event-stream": {}}},
    204: {"description": "The reader has everything."},
}
AT_ONCE: dict[int | str, dict[str, Any]] = {
    200: {"description": "With `Accept: text/event-stream`: the events at once.", "content": {"text/event-stream": {}}}
}
_BEGINS: dict[int | str, dict[str, Any]] = {**responses(400, 402, 404, 409, 422, 424, 429), **AT_ONCE}


@router.get("/runs/{run_id}", response_model=RunOut, responses=responses(404))
async def get_run(request: Request, user: User, run_id: RunId) -> Response:
    """Return a run: how far it is, how it ended, and what it used."""
    return json_reply(200, run_payload(await services(request).runtime.store.get_run(run_id, user)))


@router.get("/runs/{run_id}/events", responses={**responses(404, 422, 429), **_STREAM})
async def follow_run(
    request: Request,
    user: User,
    run_id: RunId,
    after: Annotated[
        str | None, Query(max_length=100, description="The id of the last event that the reader has.")
    ] = None,
    last_event_id: Annotated[str | None, Header(description="The same, as `EventSource` sends it.")] = None,
) -> Response:
    """Follow a run to its end, from the event after the one that is named, or from the beginning."""
    run = await services(request).runtime.store.get_run(run_id, user)
    number = parse_cursor(run_id, last_event_id if last_event_id is not None else after)
    if number is None:
        raise ChatError("bad_cursor", "The cursor is not the id of an event of this run.")
    if run.status in ENDS:
        if number == run.last_seq:
            return Response(status_code=204)
        if number > run.last_seq:
            raise ChatError("bad_cursor", "The run has no such event.")
    return stream_of(request, user, run_id, number)


@router.post(
    "/runs/{run_id}/stop",
    status_code=202,
    response_model=RunReply,
    responses={**responses(404, 422), 200: {"model": RunReply, "description": "The run was over already."}},
)
async def stop_run(request: Request, asked: AskedOnce, run_id: RunId) -> Response:
    """Stop a run; what has come of its answer is kept. Asking again does no harm."""
    before = await services(request).runtime.store.get_run(run_id, asked.principal)
    status = 200 if before.status in ENDS else 202

    def reply(run: Run) -> Reply:
        return Reply(status, encode({"run": run_payload(run)}), run.id)

    outcome = await services(request).runtime.stop(asked.principal, run_id, "user", asked.once(reply))
    return stored_reply(outcome, status, lambda run: {"run": run_payload(run)})


@router.post("/runs/{run_id}/continue", status_code=202, response_model=SentOut, responses=_BEGINS)
async def continue_run(
    request: Request, asked: AskedOnce, run_id: RunId, body: ContinueRequest | None = None
) -> Response:
    """Go on with an answer that was stopped, interrupted or failed, by a new run."""
    here = services(request)
    guards = await here.guards(asked.principal)
    outcome = await here.runtime.continue_run(
        asked.principal,
        run_id,
        model=None if body is None else body.model,
        options=_options(body),
        request=asked.once(begin_reply),
        guards=guards,
    )
    return await sent_reply(request, asked.principal, outcome)


@router.post("/messages/{message_id}/regenerate", status_code=202, response_model=SentOut, responses=_BEGINS)
async def regenerate(
    request: Request, asked: AskedOnce, message_id: MessageId, body: RegenerateRequest | None = None
) -> Response:
    """Write another answer beside one; the message is the answer, or what it answers."""
    here = services(request)
    guards = await here.guards(asked.principal)
    outcome = await here.runtime.regenerate(
        asked.principal,
        message_id,
        model=None if body is None else body.model,
        options=_options(body),
        request=asked.once(begin_reply),
        guards=guards,
    )
    return await sent_reply(request, asked.principal, outcome)


def begin_reply(sent: Sent) -> Reply:
    """Return the reply to keep for a request that began a run."""
    return Reply(202, encode(sent_payload(sent)), sent.run.id)


async def sent_reply(request: Request, user: Principal, outcome: Outcome[Sent]) -> Response:
    """Return what was stored, or the answer's events if the client wants these at once."""
    run_id = outcome.result.run.id if outcome.result is not None else None
    if run_id is None and outcome.replayed is not None:
        run_id = outcome.replayed.run_id
    if run_id is not None and _wants_events(request):
        headers = {"Location": f"/runs/{run_id}/events", "X-Run-Id": run_id}
        if outcome.replayed is not None:
            headers["Idempotency-Replayed"] = "true"
        return stream_of(request, user, run_id, 0, headers)
    return stored_reply(outcome, 202, sent_payload)


def stream_of(
    request: Request, user: Principal, run_id: str, after: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a run's events that follow one.

    Raises:
        ChatError: `too_many_streams`: the user reads as many as are allowed.
    """
    here = services(request)
    who = (user.tenant_id, user.user_id)
    if here.streams_per_user and here.open_streams[who] >= here.streams_per_user:
        message = f"You follow {here.streams_per_user} streams already; close one."
        raise ChatError("too_many_streams", message, details={"limit": here.streams_per_user}, retry_after=2.0)
    return EventStreamResponse(_counted(here.open_streams, who, here.runtime.following.follow(run_id, after)), headers)


async def _counted(
    open_streams: Counter[tuple[str, str]], who: tuple[str, str], events: AsyncGenerator[bytes]
) -> AsyncGenerator[bytes]:
    open_streams[who] += 1
    try:
        async with aclosing(events):
            async for data in events:
                yield data
    finally:
        open_streams[who] -= 1
        if not open_streams[who]:
            del open_streams[who]


def _wants_events(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "").lower()


def _options(body: ContinueRequest | RegenerateRequest | None) -> dict[str, Any] | None:
    if body is None or body.options is None:
        return None
    return body.options.model_dump(exclude_none=True)
