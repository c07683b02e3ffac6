"""Endpoints for `useChat` of Vercel's AI SDK: send, resume, stop, and what was said before.

The service keeps the conversation: of the messages that a page sends only the last one counts.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import NAMESPACE_URL, uuid5

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import IntegrityError
from starlette.responses import Response

from raptscallions_ai.web import from_ui_messages
from raptscallions_chat.domain.commands import Idempotent, Send
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import parse_id
from raptscallions_chat.domain.titles import first_words
from raptscallions_chat.domain.tree import UNSET
from raptscallions_chat.http.dependencies import User, features, json_reply, responses, services
from raptscallions_chat.http.message_input import message_text
from raptscallions_chat.http.payloads import message_payload
from raptscallions_chat.http.runs import begin_reply
from raptscallions_chat.http.schemas import ModelName, SendRequest
from raptscallions_chat.http.streams import EventStreamResponse
from raptscallions_chat.http.ui_parts import UI_HEADERS, ui_stream

if TYPE_CHECKING:
    from raptscallions_chat.domain.commands import Outcome, Sent
    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.domain.records import Conversation

__all__ = ["router"]

router = APIRouter(prefix="/ui", tags=["AI SDK"])

ChatId = Annotated[str, Path(description="The chat's id, as the page names it.", min_length=1, max_length=200)]
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "A UI message stream, version 1.", "content": {"text/event-stream": {}}}
}
_NOTHING: dict[int | str, dict[str, Any]] = {204: {"description": "No answer is being written."}}


class UiChat(BaseModel):
    """What `DefaultChatTransport` sends."""

    model_config = ConfigDict(
        extra="ignore",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "chat-1",
                    "trigger": "submit-message",
                    "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}],
                }
            ]
        },
    )

    id: str = Field(min_length=1, max_length=200, description="The chat's id: any text, or a conversation's id.")
    messages: list[dict[str, Any]] = Field(min_length=1, max_length=10_000)
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    message_id: str | None = Field(None, alias="messageId", max_length=200)
    model: ModelName | None = None


@router.post(
    "/chat", responses={**responses(400, 402, 404, 409, 413, 422, 424, 429), **_STREAM}, response_class=Response
)
async def send(request: Request, user: User, body: UiChat) -> Response:
    """Store the last message, and stream its answer; it goes on whatever becomes of the page."""
    here = services(request)
    conversation = await _conversation(request, user, body.id, make=True)
    guards = await here.guards(user, sends=body.trigger == "submit-message")
    if body.trigger == "regenerate-message":
        message_id = await _to_regenerate(request, user, body, conversation)
        outcome = await here.runtime.regenerate(user, message_id, guards=guards)
        return _answer(request, outcome)
    last = body.messages[-1]
    if last.get("role") != "user":
        raise ChatError("invalid_request", "The last message must be the user's.")
    text, parts = _said(last, here.max_message_bytes)
    await features(request).attach(user, conversation.id, parts)
    before = [message for message in body.messages[:-1] if message.get("role") == "assistant"]
    parent = parse_id(str(before[-1].get("id", ""))) if before else None
    is_edit = body.message_id is not None
    command = Send(
        principal=user,
        conversation_id=conversation.id,
        text=text,
        parts=parts,
        # A page that knows of no answer begins, or does not say what it follows.
        parent_id=parent if parent is not None or is_edit else UNSET,
        branch=is_edit,
        model=body.model,
        on_busy=here.runtime.options.on_busy,
        title=first_words(text) or None,
        queue_depth=here.runtime.options.queue_depth,
        worker_id=here.runtime.claimant,
        guards=guards,
    )
    return _answer(request, await here.runtime.send(command, _once(user, conversation, last, body)))


@router.get("/chat/{chat_id}/stream", responses={**responses(404, 429), **_STREAM, **_NOTHING}, response_class=Response)
async def resume(request: Request, user: User, chat_id: ChatId) -> Response:
    """Stream the answer that is being written, from its beginning."""
    try:
        conversation = await _conversation(request, user, chat_id)
    except ChatError as error:
        if error.code != "not_found":
            raise
        return Response(status_code=204)  # a page that has not sent anything yet asks, too
    run = await services(request).runtime.store.live_run(conversation.id)
    if run is None:
        return Response(status_code=204)
    return _stream(request, run.id, run.answer_message_id)


@router.post("/chat/{chat_id}/stop", status_code=202, responses={**responses(404), **_NOTHING}, response_class=Response)
async def stop(request: Request, user: User, chat_id: ChatId) -> Response:
    """Stop the answer that is being written; leaving the page does not."""
    conversation = await _conversation(request, user, chat_id)
    run = await services(request).runtime.store.live_run(conversation.id)
    if run is None:
        return Response(status_code=204)
    await services(request).runtime.stop(user, run.id)
    return json_reply(202, {"run_id": run.id})


@router.get("/chat/{chat_id}/messages", responses=responses(404), response_model=dict[str, Any])
async def messages(request: Request, user: User, chat_id: ChatId) -> Response:
    """Return the messages for `useChat({messages})`; an answer that is being written is left to `resume`."""
    conversation = await _conversation(request, user, chat_id)
    found, _ = await services(request).runtime.store.list_messages(
        user, conversation.id, before=None, leaf=None, limit=200
    )
    told = [message_payload(message) for message in found if message.status != "streaming"]
    return json_reply(200, {"id": chat_id, "messages": list(map(_ui_message, told))})


async def _conversation(request: Request, user: Principal, chat_id: str, *, make: bool = False) -> Conversation:
    """Return the conversation with this id, or the one that stands for what the page calls so."""
    store = services(request).runtime.store
    own = str(uuid5(NAMESPACE_URL, f"raptscallions-chat:{user.tenant_id}/{user.user_id}/{chat_id}"))
    for id_ in (parse_id(chat_id), own):
        if id_ is None:
            continue
        try:
            return await store.get_conversation(user, id_)
        except ChatError as error:
            if error.code != "not_found":
                raise
    if not make:
        raise ChatError("not_found", "There is no such conversation.")
    try:
        made = await store.create_conversation(user, title=None, tool_id=None, model=None, id=own)
    except IntegrityError:  # two requests at once, or it was deleted
        return await store.get_conversation(user, own)
    assert made.result is not None
    return made.result


async def _to_regenerate(request: Request, user: Principal, body: UiChat, conversation: Conversation) -> str:
    named = None if body.message_id is None else parse_id(body.message_id)
    message_id = named or conversation.head_id
    if message_id is None:
        raise ChatError("not_found", "There is no answer to generate again.")
    found = await services(request).runtime.store.get_message(user, message_id)
    if found.conversation_id != conversation.id:
        raise ChatError("not_found", "There is no such message.")
    return found.id


def _said(message: dict[str, Any], most_bytes: int) -> tuple[str, list[dict[str, Any]] | None]:
    try:
        (said,) = from_ui_messages([message])
    except ValueError as error:
        raise ChatError("invalid_request", f"The last message cannot be read: {error}") from None
    if isinstance(said.content, str):
        return message_text(SendRequest.model_validate({"message": said.content}), most_bytes)
    parts: list[Any] = list(said.content or ())
    return message_text(SendRequest.model_validate({"parts": parts}), most_bytes)


def _once(
    user: Principal, conversation: Conversation, message: dict[str, Any], body: UiChat
) -> Idempotent[Sent] | None:
    """Let a message that a page sends twice, because it lost the connection, be answered once."""
    id_ = message.get("id")
    if not isinstance(id_, str) or not id_ or body.message_id is not None:
        return None
    digest = hashlib.sha256(json.dumps(message.get("parts"), sort_keys=True).encode()).hexdigest()
    return Idempotent(user, f"/ui/chat/{conversation.id}", id_[:255], digest, begin_reply)


def _answer(request: Request, outcome: Outcome[Sent]) -> Response:
    if outcome.result is not None:
        return _stream(request, outcome.result.run.id, outcome.result.answer.id)
    assert outcome.replayed is not None
    assert outcome.replayed.run_id is not None
    answer_id: str = json.loads(outcome.replayed.body)["answer"]["id"]
    return _stream(request, outcome.replayed.run_id, answer_id)


def _stream(request: Request, run_id: str, answer_id: str) -> Response:
    frames = services(request).runtime.following.follow(run_id)
    return EventStreamResponse(ui_stream(frames, answer_id), headers={**UI_HEADERS, "X-Run-Id": run_id})


def _ui_message(message: dict[str, Any]) -> dict[str, Any]:
    parts = [part for each in message["parts"] if (part := _ui_part(each)) is not None]
    return {"id": message["id"], "role": message["role"], "parts": parts, "metadata": {"status": message["status"]}}


def _ui_part(part: dict[str, Any]) -> dict[str, Any] | None:
    match part["type"]:
        case "text" | "reasoning":
            return {"type": part["type"], "text": part["text"], "state": "done"}
        case "image_url":
            url = part["image_url"]["url"]
            return {"type": "file", "url": url, "mediaType": url[5:].partition(";")[0] or "image/*"}
        case "tool_call":
            return _ui_call(part)
        case "attachment":
            told = {"mediaType": part.get("media_type") or "application/octet-stream", "filename": part.get("name")}
            return {"type": "file", "url": f"/attachments/{part['id']}", **told}
        case _:
            return None


def _ui_call(part: dict[str, Any]) -> dict[str, Any]:
    try:
        given: object = json.loads(part["arguments"] or "{}")
    except ValueError:
        given = part["arguments"]
    call = {"type": f"tool-{part['name']}", "toolCallId": part["id"], "input": given}
    if "result" in part:
        return {**call, "state": "output-available", "output": part["result"]}
    if "error" in part:
        return {**call, "state": "output-error", "errorText": str(part["error"])}
    return {**call, "state": "input-available"}
