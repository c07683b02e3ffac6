"""Redirects: followed within the origin with the body, refused where key and prompt would go elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import Complete, Expected, Fails
from raptscallions_ai.testing.faults.fault import Category, Fault
from raptscallions_ai.testing.faults.pieces import WHOLE, stream
from raptscallions_ai.testing.replies import Reply

if TYPE_CHECKING:
    from raptscallions_ai.testing.recording import RecordedRequest
    from raptscallions_ai.testing.script import Responder

_FOLLOWED = Complete(requests=2)
_ANSWER = stream(WHOLE)


def _to(location: str | None, status: int = 307) -> Reply:
    return Reply((), status, {"content-length": "0"} | ({} if location is None else {"location": location}), "length")


def _refused(says: str = "redirects", requests: int = 1) -> Fails:
    return Fails(error="InvalidResponseError", status_code=502, says=says, requests=requests)


def _redirect(id: str, title: str, *replies: Responder, expected: Expected, source: str = sources.HTTP) -> Fault:
    return Fault(
        id=id,
        title=title,
        category=Category.REDIRECTS,
        source=source,
        replies=replies,
        expected=expected,
    )


def _moved(status: int = 307) -> Responder:
    """Return what leads to the path that was asked for, with a query."""
    return lambda request: _to(f"{request.path}?moved=1", status)


def _moved_beside(request: RecordedRequest) -> Reply:
    """Redirect to the same, given relative to where it is."""
    return _to(f"{request.path.rpartition('/')[2]}?moved=1")


def _back(status: int = 307) -> Responder:
    """Return what leads to the path that was asked for."""
    return lambda request: _to(request.path, status)


def _to_another_host(request: RecordedRequest) -> Reply:
    """Redirect to the same port of another name, where the same gateway would answer."""
    port = urlsplit("//" + request.headers["host"]).port
    return _to(f"http://localhost:{port}{request.path}")


def _to_tls(request: RecordedRequest) -> Reply:
    """Redirect to the same host by another scheme."""
    return _to(f"https://{request.headers['host']}{request.path}", 308)


FAULTS = (
    _redirect(
        "redirect-307",
        "A 307 leads to another path of the gateway.",
        _moved(),
        _ANSWER,
        expected=_FOLLOWED,
    ),
    _redirect(
        "redirect-308",
        "A 308 leads to another path of the gateway.",
        _moved(308),
        _ANSWER,
        expected=_FOLLOWED,
    ),
    _redirect(
        "redirect-relative",
        "The new place is given relative to the old one.",
        _moved_beside,
        _ANSWER,
        expected=_FOLLOWED,
    ),
    _redirect(
        "redirect-other-host",
        "A 307 leads to another host, where key and prompt must not follow.",
        _to_another_host,
        _ANSWER,
        expected=_refused("redirects to http://localhost"),
        source=sources.HOSTILE,
    ),
    _redirect(
        "redirect-other-scheme",
        "A 308 leads to another scheme.",
        _to_tls,
        _ANSWER,
        expected=_refused("redirects to https://"),
        source=sources.HOSTILE,
    ),
    _redirect(
        "redirect-with-password",
        "The new place has a password in it.",
        _to("http://user:hunter2@127.0.0.1:9/x"),
        _ANSWER,
        expected=Fails(error="InvalidResponseError", status_code=502, hidden=("hunter2",)),
        source=sources.HOSTILE,
    ),
    _redirect(
        "redirect-loop",
        "Every redirect leads back.",
        *[_back()] * 20,
        expected=_refused("again and again", requests=3),
        source=sources.HOSTILE,
    ),
    *(
        _redirect(
            f"redirect-{status}",
            f"A {status} would turn the request into one without a body.",
            _back(status),
            _ANSWER,
            expected=_refused(),
        )
        for status in (301, 302, 303)
    ),
    _redirect(
        "redirect-nowhere",
        "A 307 does not say where to.",
        _to(None),
        expected=_refused("redirects to nowhere"),
        source=sources.NETWORK,
    ),
    _redirect(
        "redirect-304",
        "The gateway answers 304 to a request that has no condition.",
        Reply((), 304, {"content-length": "0"}, "length"),
        expected=Fails(error="InvalidResponseError", status_code=502),
        source=sources.HTTP,
    ),
)
