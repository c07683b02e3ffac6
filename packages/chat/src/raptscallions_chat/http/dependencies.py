"""What a request is turned into before an endpoint sees it: who asks, for what, and whether it was asked before."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

from fastapi import Depends, Path, Request
from starlette.responses import Response

from raptscallions_chat.domain.commands import Idempotent, Outcome, Reply
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import parse_id
from raptscallions_chat.domain.principal import Principal
from raptscallions_chat.http.payloads import encode
from raptscallions_chat.http.schemas import ErrorOut

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from raptscallions_chat.domain.commands import Guard
    from raptscallions_chat.features import Features
    from raptscallions_chat.protocols import Admission, Auth, AuthRequest
    from raptscallions_chat.runs.runtime import Runtime

__all__ = [
    "Asked",
    "AskedOnce",
    "ConversationId",
    "MessageId",
    "RunId",
    "Services",
    "User",
    "auth_request",
    "features",
    "json_reply",
    "responses",
    "services",
    "stored_reply",
]

T = TypeVar("T")
ToolFinder: TypeAlias = "Callable[[Principal, str], Awaitable[str | None]]"
"""Finds the newest version of a tool by its name."""

_LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Services:
    """What endpoints work with; kept on the application's state.

    Attributes:
        runtime: Sends, runs and streams.
        auth: Who a request is from.
        admission: Limits of sends; None for none.
        max_message_bytes: The largest message; 0 for no limit.
        streams_per_user: The most streams that a user reads at a time in this process; 0 for no limit.
        open_streams: How many each user reads now.
        tools: Finds tools; None if there are none.
        features: Everything around runs.
    """

    runtime: Runtime
    auth: Auth
    admission: Admission | None = None
    max_message_bytes: int = 0
    streams_per_user: int = 0
    open_streams: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    tools: ToolFinder | None = None
    features: Features | None = None

    async def guards(self, principal: Principal, *, sends: bool = False) -> tuple[Guard, ...]:
        """Refuse what may not begin a run, and return what is still to be asked in the transaction that stores it.

        Args:
            principal: Who asks.
            sends: Whether it is a new message, which the conversation's tool may not allow.

        Raises:
            ChatError: A limit is reached.
        """
        admitted = None if self.admission is None else await self.admission.admit(principal)
        of_tool = self.features.conversation_tools.guard if sends and self.features is not None else None
        return tuple(guard for guard in (admitted, of_tool) if guard is not None)

    async def find_tool(self, principal: Principal, name: str) -> str:
        """Return the id of a tool's newest version.

        Raises:
            ChatError: `unknown_tool`.
        """
        found = None if self.tools is None else await self.tools(principal, name)
        if found is None:
            raise ChatError("unknown_tool", "There is no such tool.", details={"tool": name})
        return found


def services(request: Request) -> Services:
    """Return what endpoints work with."""
    found: Services = request.app.state.services
    return found


def features(request: Request) -> Features:
    """Return everything around runs."""
    found = services(request).features
    assert found is not None
    return found


@dataclass(frozen=True, slots=True)
class _AuthRequest:
    """What authentication sees of a request."""

    headers: Mapping[str, str]
    peer: str | None
    method: str
    cookies: Mapping[str, str]


def auth_request(request: Request) -> AuthRequest:
    """Return what authentication sees of a request."""
    return _AuthRequest(
        headers=request.headers,
        peer=None if request.client is None else request.client.host,
        method=request.method,
        cookies=request.cookies,
    )


async def _user(request: Request) -> Principal:
    return await services(request).auth.authenticate(auth_request(request))


User = Annotated[Principal, Depends(_user)]
"""Who asks."""


class Asked:
    """A request, and whether the client gave it a name so that it is not carried out twice."""

    def __init__(self, principal: Principal, path: str, key: str | None, sha256: str) -> None:
        self.principal = principal
        self._path = path
        self._key = key
        self._sha256 = sha256

    def once(self, reply: Callable[[T], Reply]) -> Idempotent[T] | None:
        """Return what the store needs to carry the request out once; None if it has no name."""
        if self._key is None:
            return None
        return Idempotent(self.principal, self._path, self._key, self._sha256, reply)


async def asked(request: Request, principal: User) -> Asked:
    """Return the request by its name.

    Raises:
        ChatError: `invalid_request`: the name is too long, or cannot be read.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return Asked(principal, request.url.path, None, "")
    if not key or len(key) > _LONGEST_KEY or not key.isprintable():
        raise ChatError("invalid_request", f"Idempotency-Key must be 1 to {_LONGEST_KEY} printable characters.")
    digest = hashlib.sha256(await request.body()).hexdigest()
    return Asked(principal, request.url.path[:300], key, digest)


AskedOnce = Annotated[Asked, Depends(asked)]
"""The request by its name."""


def _id(what: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        found = parse_id(text)
        if found is None:
            raise ChatError("not_found", f"There is no such {what}.")
        return found

    return parse


def _conversation_id(conversation_id: Annotated[str, Path(description="The conversation's id.")]) -> str:
    return _id("conversation")(conversation_id)


def _message_id(message_id: Annotated[str, Path(description="The message's id.")]) -> str:
    return _id("message")(message_id)


def _run_id(run_id: Annotated[str, Path(description="The run's id.")]) -> str:
    return _id("run")(run_id)


ConversationId = Annotated[str, Depends(_conversation_id)]
MessageId = Annotated[str, Depends(_message_id)]
RunId = Annotated[str, Depends(_run_id)]


def json_reply(status: int, payload: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Return a reply of JSON."""
    return Response(encode(payload), status, headers, "application/json")


def stored_reply(outcome: Outcome[T], status: int, payload: Callable[[T], Mapping[str, Any]]) -> Response:
    """Return the reply to a request that was carried out now, or the one of before."""
    if outcome.replayed is not None:
        replayed = {"Idempotency-Replayed": "true"}
        return Response(outcome.replayed.body, outcome.replayed.status, replayed, "application/json")
    assert outcome.result is not None
    return json_reply(status, payload(outcome.result))


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the errors of an endpoint for its documentation."""
    return {status: {"model": ErrorOut, "description": _MEANINGS[status]} for status in (*statuses, 401, 403, 503)}


_MEANINGS = {
    400: "The body is not JSON.",
    401: "Nobody knows who asks.",
    402: "A budget is used up.",
    403: "This is not allowed.",
    404: "There is no such thing, or it is another user's.",
    409: "The state of the conversation does not allow this now; `code` says why.",
    412: "It has changed since it was read.",
    413: "It is too large.",
    415: "A file of this type cannot be attached.",
    422: "The request is invalid; `code` and `details` say why.",
    424: "No AI is configured.",
    429: "Too much at a time; see `Retry-After`.",
    503: "Not now; see `Retry-After`.",
}
