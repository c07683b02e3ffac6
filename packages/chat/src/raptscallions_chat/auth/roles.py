"""What a user may do in a tenant, and in every tenant below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from raptscallions_chat.domain.errors import ChatError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raptscallions_chat.domain.principal import Principal

__all__ = ["ROLES", "Role", "Scope", "check_scope", "highest", "require", "roles_from"]

Role: TypeAlias = Literal["member", "manager", "admin"]
"""`member`: their own conversations; `manager`: also the tenant's usage, audit and tools; `admin`: everything of it."""

Scope: TypeAlias = Literal["read", "chat", "admin"]
"""What a token may be used for: to read; to do what any user does; to manage. Each includes those before it."""

ROLES: tuple[Role, ...] = get_args(Role)
_SCOPES: tuple[Scope, ...] = get_args(Scope)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def roles_from(value: object) -> frozenset[str]:
    """Return the roles that a claim or a header names, and `member` always; what is no role of ours is left out."""
    words: list[object] = []
    if isinstance(value, str):
        words += value.replace(",", " ").split()
    elif isinstance(value, list):
        words += cast("list[object]", value)
    return frozenset({word for word in words if isinstance(word, str) and word in ROLES} | {"member"})


def highest(roles: Iterable[str]) -> Role:
    """Return the role among these that includes the others; `member` if there is none."""
    given = frozenset(roles)
    for role in ("admin", "manager"):
        if role in given:
            return role
    return "member"


def require(principal: Principal, role: Role) -> None:
    """Refuse a user who has not at least this role.

    Raises:
        ChatError: `forbidden`.
    """
    if ROLES.index(highest(principal.roles)) < ROLES.index(role):
        raise ChatError("forbidden", f"this needs the role {role}")
    if role != "member" and principal.scopes is not None and "admin" not in principal.scopes:
        raise ChatError("forbidden", "this needs a token with the scope admin")


def check_scope(scopes: frozenset[str] | None, method: str) -> None:
    """Refuse a request that changes something if the token may only read.

    Raises:
        ChatError: `forbidden`.
    """
    if scopes is None or scopes & {"chat", "admin"} or (method in _SAFE and "read" in scopes):
        return
    raise ChatError("forbidden", f"this token may be used only for: {', '.join(sorted(scopes)) or 'nothing'}")
