"""Endpoints for attachments."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.responses import Response

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.http.bodies import read_body
from raptscallions_chat.http.dependencies import AskedOnce, User, features, responses
from raptscallions_chat.http.replays import carried_out_once

if TYPE_CHECKING:
    from raptscallions_chat.files.attachments import Attachment

__all__ = ["router"]

router = APIRouter(prefix="/attachments", tags=["attachments"])

AttachmentId = Annotated[str, Path(description="The attachment's id.", max_length=100)]
_FORM_OVERHEAD = 64 * 1024


class AttachmentOut(BaseModel):
    """A file that may be part of a message: `{"type": "attachment", "id": ...}`."""

    id: str
    name: str
    media_type: str
    size: int
    sha256: str
    created_at: datetime


@router.post(
    "",
    status_code=201,
    response_model=AttachmentOut,
    responses=responses(400, 413, 415, 422),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {"file": {"type": "string", "format": "binary"}},
                    }
                },
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def upload(request: Request, asked: AskedOnce) -> Response:
    """Store a file: as the field `file` of a form, or as the body itself with its name in `X-File-Name`."""
    here = features(request)
    name, media_type, data = await _given(request, here.attachments.max_bytes)

    async def work() -> dict[str, Any]:
        stored = await here.attachments.add(asked.principal, data, name=name, media_type=media_type)
        return _payload(stored)

    return await carried_out_once(here.database, asked, 201, work)


@router.get(
    "/{attachment_id}",
    responses={**responses(404), 200: {"content": {"application/octet-stream": {}}, "description": "The bytes."}},
)
async def download(request: Request, user: User, attachment_id: AttachmentId) -> Response:
    """Return the bytes of a file."""
    here = features(request)
    found = (await here.attachments.find(user, [attachment_id]))[0]
    headers = {
        # Nothing that was uploaded runs in a page of ours.
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name)}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, max-age=86400, immutable",
        "ETag": f'"{found.sha256}"',
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(await here.attachments.read(found), headers=headers, media_type=found.media_type)


@router.delete("/{attachment_id}", status_code=204, responses=responses(404))
async def delete(request: Request, user: User, attachment_id: AttachmentId) -> Response:
    """Delete a file; messages that have it keep its name."""
    await features(request).attachments.remove(user, attachment_id)
    return Response(status_code=204)


async def _given(request: Request, most: int) -> tuple[str, str, bytes]:
    kind = request.headers.get("content-type", "")
    limit = most + _FORM_OVERHEAD if most else 0
    body = await read_body(request, limit, code="attachment_too_large")
    if not kind.lower().startswith("multipart/form-data"):
        return request.headers.get("x-file-name", "file"), kind, body
    request._body = body  # pyright: ignore[reportPrivateUsage] - Starlette's own place for a body that was read
    async with request.form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise ChatError("invalid_request", "The form must have a field `file` with a file.")
        return file.filename or "file", file.content_type or "", await file.read()


def _payload(attachment: Attachment) -> dict[str, Any]:
    return {name: getattr(attachment, name) for name in AttachmentOut.model_fields}
