"""Endpoints of conversations and their messages."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from raptscallions_chat.domain.commands import Reply, Send
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import parse_id
from raptscallions_chat.domain.principal import Principal
from raptscallions_chat.domain.records import Conversation
from raptscallions_chat.domain.text import clean
from raptscallions_chat.domain.titles import clean_title, first_words
from raptscallions_chat.domain.tree import UNSET
from raptscallions_chat.http.dependencies import (
    AskedOnce,
    ConversationId,
    User,
    features,
    json_reply,
    responses,
    services,
    stored_reply,
)
from raptscallions_chat.http.message_input import message_text
from raptscallions_chat.http.payloads import conversation_payload, encode, message_payload
from raptscallions_chat.http.runs import AT_ONCE, begin_reply, sent_reply, stream_of
from raptscallions_chat.http.schemas import (
    ChangeConversation,
    ConversationOut,
    ConversationPage,
    CreateConversation,
    ForkConversation,
    MessagePage,
    SendRequest,
    SentOut,
)

__all__ = ["router"]

router = APIRouter(tags=["conversations"])

Limit = Annotated[int, Query(ge=1, le=200, description="The most items.")]
Cursor = Annotated[str | None, Query(max_length=100)]


@router.post("", status_code=201, response_model=ConversationOut, responses=responses(400, 404, 422))
async def create_conversation(request: Request, asked: AskedOnce, body: CreateConversation) -> Response:
    """Begin a conversation."""
    here = services(request)
    title = None if body.title is None else clean(body.title).strip() or None
    tool = await here.find_tool(asked.principal, body.tool) if body.tool is not None else None
    once = asked.once(_created)
    outcome = await here.runtime.store.create_conversation(
        asked.principal,
        title=title,
        tool_id=tool,
        model=None if body.model is None else clean(body.model),
        request=once,
    )
    return stored_reply(outcome, 201, conversation_payload)


@router.get("", response_model=ConversationPage, responses=responses(422))
async def list_conversations(request: Request, user: User, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Return a page of the user's conversations: first the latest ones, ascending within the page."""
    place = None if cursor is None else _cursor(cursor, "cursor")
    items, before = await services(request).runtime.store.list_conversations(user, cursor=place, limit=limit)
    return json_reply(200, {"items": list(map(conversation_payload, items)), "next": before})


@router.get("/{conversation_id}", response_model=ConversationOut, responses=responses(404))
async def get_conversation(request: Request, user: User, conversation_id: ConversationId) -> Response:
    """Return a conversation, with its version as `ETag`."""
    found = await services(request).runtime.store.get_conversation(user, conversation_id)
    return json_reply(200, conversation_payload(found), {"ETag": f'"{found.version}"'})


@router.patch("/{conversation_id}", response_model=ConversationOut, responses=responses(400, 404, 409, 412, 422))
async def change_conversation(
    request: Request,
    user: User,
    conversation_id: ConversationId,
    body: ChangeConversation,
    if_match: Annotated[str | None, Header(description="The `ETag` that it must have.")] = None,
) -> Response:
    """Rename a conversation, choose another model or path for it, or open it again."""
    values: dict[str, Any] = {}
    if "title" in body.model_fields_set:
        title = clean(clean_title(body.title or "")) or None
        values |= {"title": title, "title_source": None if title is None else "user"}
    if "model" in body.model_fields_set:
        values["model"] = None if body.model is None else clean(body.model)
    if body.state is not None:
        values |= {"state": "active", "completed_at": None}
    if body.head_id is not None:
        values["head_id"] = await _head(request, user, conversation_id, body.head_id)
    changed = await services(request).runtime.store.update_conversation(
        user, conversation_id, values, version=_version(if_match)
    )
    await features(request).tell(user, "conversation_changed", conversation_id, title=changed.title)
    return json_reply(200, conversation_payload(changed), {"ETag": f'"{changed.version}"'})


@router.delete("/{conversation_id}", status_code=204, responses=responses(404, 409))
async def delete_conversation(request: Request, user: User, conversation_id: ConversationId) -> Response:
    """Delete a conversation with everything that was said in it; an answer that is being written is stopped."""
    await features(request).purge.delete(user, conversation_id)
    await features(request).tell(user, "conversation_deleted", conversation_id)
    return Response(status_code=204)


@router.post("/{conversation_id}/complete", response_model=ConversationOut, responses=responses(404, 409, 422))
async def complete_conversation(request: Request, asked: AskedOnce, conversation_id: ConversationId) -> Response:
    """Complete a conversation; nothing more can be said in it, but it can be read and forked."""
    outcome = await services(request).runtime.store.complete_conversation(
        asked.principal, conversation_id, asked.once(_completed)
    )
    return stored_reply(outcome, 200, conversation_payload)


@router.post(
    "/{conversation_id}/fork", status_code=201, response_model=ConversationOut, responses=responses(400, 404, 422)
)
async def fork_conversation(
    request: Request, asked: AskedOnce, conversation_id: ConversationId, body: ForkConversation | None = None
) -> Response:
    """Begin a conversation with a copy of the path to a message."""
    last = None if body is None or body.message_id is None else parse_id(body.message_id)
    if body is not None and body.message_id is not None and last is None:
        raise ChatError("unknown_parent", "`message_id` is no message of this conversation.")
    title = None if body is None or body.title is None else clean(body.title).strip() or None
    outcome = await services(request).runtime.store.fork_conversation(
        asked.principal, conversation_id, last, title, asked.once(_created)
    )
    return stored_reply(outcome, 201, conversation_payload)


@router.get("/{conversation_id}/messages", response_model=MessagePage, responses=responses(404, 422))
async def list_messages(
    request: Request,
    user: User,
    conversation_id: ConversationId,
    before: Cursor = None,
    leaf: Cursor = None,
    through: Annotated[
        str | None,
        Query(max_length=100, description="A message on the path, which goes on to the newest ones below it."),
    ] = None,
    limit: Limit = 50,
) -> Response:
    """Return a page of the path to a message, by default to the conversation's head: first its last messages."""
    items, following = await services(request).runtime.store.list_messages(
        user,
        conversation_id,
        before=None if before is None else _cursor(before, "before"),
        leaf=None if leaf is None else _cursor(leaf, "leaf"),
        through=None if through is None else _cursor(through, "through"),
        limit=limit,
    )
    return json_reply(200, {"items": list(map(message_payload, items)), "next": following})


@router.post(
    "/{conversation_id}/messages",
    status_code=202,
    response_model=SentOut,
    responses={**responses(400, 402, 404, 409, 413, 422, 424, 429), **AT_ONCE},
)
async def send_message(
    request: Request, asked: AskedOnce, conversation_id: ConversationId, body: SendRequest
) -> Response:
    """Send a message. It is answered whatever becomes of this request's connection; `stream` has the answer."""
    here = services(request)
    text, parts = message_text(body, here.max_message_bytes)
    given = body.parent_id if "parent_id" in body.model_fields_set else UNSET
    if given is not None and given != UNSET and (given := parse_id(given)) is None:
        raise ChatError("unknown_parent", "`parent_id` is no message of this conversation.")
    guards = await here.guards(asked.principal, sends=True)
    if here.features is not None:
        await here.features.attach(asked.principal, conversation_id, parts)
    command = Send(
        principal=asked.principal,
        conversation_id=conversation_id,
        text=text,
        parts=parts,
        parent_id=given,
        branch=body.branch,
        model=None if body.model is None else clean(body.model),
        options=_options(body),
        on_busy=body.on_busy or here.runtime.options.on_busy,
        title=first_words(text) or None,
        queue_depth=here.runtime.options.queue_depth,
        worker_id=here.runtime.claimant,
        guards=guards,
    )
    outcome = await here.runtime.send(command, asked.once(begin_reply))
    return await sent_reply(request, asked.principal, outcome)


@router.get(
    "/{conversation_id}/stream",
    responses={
        **responses(404),
        200: {"description": "The events of the run that goes on.", "content": {"text/event-stream": {}}},
        204: {"description": "No answer is being written."},
    },
)
async def stream_conversation(request: Request, user: User, conversation_id: ConversationId) -> Response:
    """Follow the answer that is being written, from its beginning."""
    here = services(request)
    await here.runtime.store.get_conversation(user, conversation_id)
    run = await here.runtime.store.live_run(conversation_id)
    if run is None:
        return Response(status_code=204)
    return stream_of(request, user, run.id, 0)


async def _head(request: Request, user: Principal, conversation_id: str, given: str) -> str:
    head_id = parse_id(given)
    store = services(request).runtime.store
    try:
        message = None if head_id is None else await store.get_message(user, head_id)
    except ChatError:
        message = None
    if message is None or message.conversation_id != conversation_id:
        raise ChatError("unknown_parent", "`head_id` is no message of this conversation.")
    if await store.live_run(conversation_id) is not None:
        raise ChatError("run_active", "An answer is being written; the current path cannot change meanwhile.")
    return message.id


def _completed(conversation: Conversation) -> Reply:
    return Reply(200, encode(conversation_payload(conversation)))


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    version = if_match.strip().removeprefix("W/").strip('"')
    # What is no version of ours is that of no conversation.
    return int(version) if version.isascii() and version.isdigit() and len(version) < 10 else -1


def _created(conversation: Conversation) -> Reply:
    return Reply(201, encode(conversation_payload(conversation)))


def _options(body: SendRequest) -> dict[str, Any]:
    return {} if body.options is None else body.options.model_dump(exclude_none=True)


def _cursor(text: str, name: str) -> str:
    found = parse_id(text)
    if found is None:
        raise ChatError("bad_cursor", f"`{name}` is none that a page gave.")
    return found
