"""Which redirects are followed: those to the same origin, because the key and the prompt would go along."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from raptscallions_ai._transport.errors import RedirectRefusedError
from raptscallions_ai._transport.http.errors import Replaced

if TYPE_CHECKING:
    from raptscallions_ai._transport.connections import OnReplaced
    from raptscallions_ai._transport.errors import StatusError

__all__ = ["GET_REDIRECTS", "POST_REDIRECTS", "Redirects", "redirect_target"]

_MOST_REQUESTS = 3
POST_REDIRECTS = frozenset({307, 308})  # the others would drop the body
GET_REDIRECTS = POST_REDIRECTS | {301, 302, 303}


def redirect_target(redirect: StatusError, followed: frozenset[int]) -> str:
    """Return the URL that a request is redirected to.

    Args:
        redirect: The response.
        followed: The statuses that may be followed.

    Raises:
        RedirectRefusedError: It is another origin, the body would be dropped on the way, or it says nothing of where.
    """
    if not (location := redirect.headers.get("location")) and redirect.status in followed:
        raise RedirectRefusedError("nowhere: there is no Location")
    target = urljoin(redirect.url, location or "")
    before, after = urlsplit(redirect.url), urlsplit(target)
    same_origin = (before.scheme, before.netloc) == (after.scheme, after.netloc)
    if not same_origin or redirect.status not in followed:
        raise RedirectRefusedError(f"{after.scheme}://{after.netloc.rpartition('@')[2]}{after.path}")
    return target


class Redirects:
    """The redirects of one request, each of which is another request.

    Args:
        followed: The statuses that may be followed.
        on_replaced: Called before a redirect is followed.
    """

    def __init__(self, followed: frozenset[int], on_replaced: OnReplaced | None) -> None:
        self._followed = followed
        self._on_replaced = on_replaced
        self._count = 0
        self._sent_at = time.monotonic()

    def follow(self, redirect: StatusError) -> str:
        """Return the URL that a request is redirected to.

        Args:
            redirect: The response.

        Raises:
            StatusError: It is no redirect.
            RedirectRefusedError: It must not be followed.
        """
        if not 300 <= redirect.status < 400:
            raise redirect
        target = redirect_target(redirect, self._followed)
        self._count += 1
        if self._count == _MOST_REQUESTS:
            raise RedirectRefusedError("itself, again and again")
        if self._on_replaced is not None:
            waited = time.monotonic() - self._sent_at
            self._on_replaced(Replaced(urlsplit(target).path, waited, redirect.status))
        self._sent_at = time.monotonic()
        return target
