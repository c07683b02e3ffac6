"""Which redirects are followed: those to the same origin, because the key and the prompt would go along."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from raptscallions_ai._transport.errors import RedirectRefusedError

if TYPE_CHECKING:
    from raptscallions_ai._transport.errors import StatusError

__all__ = ["GET_REDIRECTS", "MOST_REDIRECTS", "POST_REDIRECTS", "redirect_target", "too_many_redirects"]

MOST_REDIRECTS = 3
POST_REDIRECTS = frozenset({307, 308})  # the others would drop the body
GET_REDIRECTS = POST_REDIRECTS | {301, 302, 303}


def redirect_target(redirect: StatusError, followed: frozenset[int]) -> str:
    """Return the URL that a request is redirected to.

    Args:
        redirect: The response.
        followed: The statuses that may be followed.

    Raises:
        RedirectRefusedError: It is another origin, or the body would be dropped on the way.
    """
    target = urljoin(redirect.url, redirect.headers.get("location", ""))
    before, after = urlsplit(redirect.url), urlsplit(target)
    same_origin = (before.scheme, before.netloc) == (after.scheme, after.netloc)
    if not same_origin or redirect.status not in followed:
        raise RedirectRefusedError(f"{after.scheme}://{after.netloc.rpartition('@')[2]}{after.path}")
    return target


def too_many_redirects() -> RedirectRefusedError:
    """Return the error for a gateway that redirects in circles."""
    return RedirectRefusedError("itself, again and again")
