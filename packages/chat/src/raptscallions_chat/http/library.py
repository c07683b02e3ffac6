"""Endpoints for what becomes of conversations: names, ends, copies, searches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import parse_id
from raptscallions_chat.domain.transfer import (
    conversation_header,
    message_record,
    openai_document,
    parse_conversation,
)
from raptscallions_chat.http.bodies import read_body
from raptscallions_chat.http.dependencies import (
    AskedOnce,
    ConversationId,
    User,
    features,
    json_reply,
    responses,
    services,
)
from raptscallions_chat.http.payloads import conversation_payload, encode
from raptscallions_chat.http.replays import carried_out_once
from raptscallions_chat.http.schemas import ConversationOut
from raptscallions_chat.store.search import MARKS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


__all__ = ["of_conversations", "router"]

of_conversations = APIRouter(tags=["conversations"])
router = APIRouter(tags=["conversations"])

_MOST_IMPORTED = 64 * 1024 * 1024


class HitOut(BaseModel):
    """A message that was found; in `snippet` each found word stands between U+E000 and U+E001."""

    message_id: str
    conversation_id: str
    title: str | None
    role: str
    created_at: str
    snippet: str


class HitPage(BaseModel):
    """Messages that were found, the latest first."""

    items: list[HitOut]
    next: str | None = Field(description="The `before` of the next page; null at the end.")


@of_conversations.get(
    "/{conversation_id}/export",
    responses={**responses(404, 422), 200: {"content": {"application/json": {}}, "description": "The conversation."}},
)
async def export_conversation(
    request: Request,
    user: User,
    conversation_id: ConversationId,
    form: Annotated[
        Literal["full", "openai"],
        Query(alias="format", description="`full` has every branch; `openai` the current path as OpenAI's messages."),
    ] = "full",
) -> Response:
    """Return a conversation as one JSON document, which `POST /import` takes back."""
    here = features(request)
    conversation = await services(request).runtime.store.get_conversation(user, conversation_id)
    headers = {"Content-Disposition": f'attachment; filename="conversation-{conversation_id}.json"'}
    if form == "openai":
        return json_reply(200, openai_document(conversation, await here.copies.path(user, conversation_id)), headers)
    tool = None if conversation.tool_id is None else await here.tools.get(conversation.tool_id)
    head = conversation_header(conversation, None if tool is None else tool.definition.name)

    async def document() -> AsyncGenerator[bytes]:
        yield encode(head)[:-1] + b',"messages":['
        separator = b""
        async for page in here.copies.all_messages(user, conversation_id):
            for message in page:
                yield separator + encode(message_record(message))
                separator = b","
        yield b"]}"

    return StreamingResponse(document(), headers=headers, media_type="application/json")


@router.post("/import", status_code=201, response_model=ConversationOut, responses=responses(400, 404, 413, 422))
async def import_conversation(request: Request, asked: AskedOnce) -> Response:
    """Store a conversation from JSON: one that was exported here, or `{"messages": [...]}` in OpenAI's format."""
    here = features(request)
    try:
        document: object = json.loads(await read_body(request, _MOST_IMPORTED))
    except (ValueError, RecursionError):
        raise ChatError("malformed_json", "The body is not JSON.") from None
    given = parse_conversation(document)
    tool = None if given.tool is None else await here.tools.newest(asked.principal.tenant_id, given.tool)

    async def work() -> dict[str, Any]:
        made = await here.copies.add(asked.principal, given, None if tool is None else tool.id)
        return conversation_payload(made)

    return await carried_out_once(here.database, asked, 201, work)


@router.get("/search", response_model=HitPage, responses=responses(422))
async def search(
    request: Request,
    user: User,
    q: Annotated[str, Query(min_length=1, max_length=500, description="Words, of which the last may be cut.")],
    before: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """Find messages that have all words."""
    place = None if before is None else parse_id(before)
    if before is not None and place is None:
        raise ChatError("bad_cursor", "`before` is none that a page gave.")
    hits, following = await features(request).search.find(user, q, before=place, limit=limit)
    items = [{name: getattr(hit, name) for name in HitOut.model_fields} for hit in hits]
    return json_reply(200, {"items": items, "next": following, "marks": list(MARKS)})
