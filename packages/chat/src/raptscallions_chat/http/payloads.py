"""What is stored, as the API tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from raptscallions_chat.domain.commands import Sent
    from raptscallions_chat.domain.records import Conversation, Message, Run

__all__ = ["conversation_payload", "encode", "message_payload", "run_payload", "sent_payload", "stream_path"]

encode = msgspec.json.Encoder(decimal_format="string").encode


def stream_path(run_id: str) -> str:
    """Return where a run's events are."""
    return f"/runs/{run_id}/events"


def conversation_payload(conversation: Conversation) -> dict[str, Any]:
    """Return a conversation."""
    names = ("id", "title", "title_source", "state", "model", "tool_id", "head_id", "parent_id", "version")
    times = ("created_at", "last_activity_at", "completed_at")
    return {name: getattr(conversation, name) for name in (*names, *times)}


def message_payload(message: Message) -> dict[str, Any]:
    """Return a message, with its text among its parts."""
    return {
        "id": message.id,
        "conversation_id": message.conversation_id,
        "parent_id": message.parent_id,
        "seq": message.seq,
        "role": message.role,
        "status": message.status,
        "text": message.text,
        "parts": _parts(message),
        "run_id": message.run_id,
        "model": message.model,
        "usage": None if message.usage is None else message.usage.payload(),
        "finish_reason": message.finish_reason,
        "siblings": list(message.siblings) or [message.id],
        "created_at": message.created_at,
        "completed_at": message.completed_at,
    }


def run_payload(run: Run) -> dict[str, Any]:
    """Return a run."""
    return {
        "id": run.id,
        "conversation_id": run.conversation_id,
        "message_id": run.user_message_id,
        "answer_id": run.answer_message_id,
        "kind": run.kind,
        "status": run.status,
        "attempt": run.attempt,
        "continues": run.follows_run_id if run.kind == "continue" else None,
        "regenerates": run.follows_run_id if run.kind == "regenerate" else None,
        "stop_reason": run.stop_reason,
        "finish_reason": run.finish_reason,
        "model": run.model,
        "usage": run.usage.payload(),
        "error": run.error,
        "stream": stream_path(run.id),
        "queued_at": run.queued_at,
        "started_at": run.started_at,
        "first_token_at": run.first_token_at,
        "ended_at": run.ended_at,
        "settled_at": run.settled_at,
    }


def sent_payload(sent: Sent) -> dict[str, Any]:
    """Return what a send has stored."""
    return {
        "message": message_payload(sent.message),
        "answer": message_payload(sent.answer),
        "run": run_payload(sent.run),
        "stream": stream_path(sent.run.id),
    }


def _parts(message: Message) -> list[dict[str, Any]]:
    if message.parts is None:
        return [{"type": "text", "text": message.text}] if message.text else []
    if message.role != "assistant":
        return message.parts
    parts: list[dict[str, Any]] = []
    position = 0
    for part in message.parts:
        if part["type"] == "text":
            parts.append({"type": "text", "text": message.text[position : position + part["size"]]})
            position += part["size"]
        else:
            parts.append(part)
    return parts
