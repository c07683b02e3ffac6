"""The chat page: files of the package, served so that nothing a model writes can do anything in it."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from raptscallions_chat.domain.errors import ChatError

__all__ = ["CONTENT_SECURITY_POLICY", "router"]

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parent.parent / "page"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # A picture from another place would tell that place what was said.
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        # What makes HTML of text is DOMPurify and nobody else; `worker` names one script, the page's own.
        "trusted-types dompurify worker",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Asked again at each visit, and answered with 304: a new version is there at once.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True, slots=True)
class _File:
    media_type: str
    data: bytes
    packed: bytes
    tag: str


@cache
def _files() -> dict[str, _File]:
    """Return all files of the page by their path, read once in a process."""
    found: dict[str, _File] = {}
    languages = " ".join(sorted(path.stem for path in (_FOLDER / "languages").glob("*.json")))
    for path in sorted(_FOLDER.rglob("*")):
        if path.suffix not in _TYPES:
            continue
        data = path.read_bytes()
        if path.suffix == ".html":
            data = data.replace(b"{languages}", languages.encode())
        tag = hashlib.sha256(data).hexdigest()[:32]
        found[path.relative_to(_FOLDER).as_posix()] = _File(_TYPES[path.suffix], data, gzip.compress(data, 9), tag)
    return found


IfNoneMatch = Annotated[str | None, Header()]
AcceptEncoding = Annotated[str, Header()]


@router.get("/")
async def index(if_none_match: IfNoneMatch = None, accept_encoding: AcceptEncoding = "") -> Response:
    """Return the page."""
    return _reply("index.html", if_none_match, accept_encoding)


@router.get("/page/{path:path}")
async def file(path: str, if_none_match: IfNoneMatch = None, accept_encoding: AcceptEncoding = "") -> Response:
    """Return a file that the page loads."""
    return _reply(path, if_none_match, accept_encoding)


def _reply(path: str, known: str | None, encodings: str) -> Response:
    found = _files().get(path)
    if found is None:
        raise ChatError("not_found", "There is nothing at this address.")
    tag = f'"{found.tag}"'
    if known is not None and tag in known:
        return Response(status_code=304, headers={**_HEADERS, "ETag": tag})
    headers = {**_HEADERS, "ETag": tag, "Content-Type": found.media_type}
    if "gzip" in encodings:
        return Response(found.packed, headers={**headers, "Content-Encoding": "gzip"})
    return Response(found.data, headers=headers)
