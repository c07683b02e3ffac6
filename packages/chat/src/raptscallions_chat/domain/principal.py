"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ROOT_TENANT", "Principal"]

ROOT_TENANT = "00000000-0000-7000-8000-000000000000"
"""The tenant that a new database has; all others are below it."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A user of a tenant, as authentication found them.

    Attributes:
        tenant_id: The tenant.
        user_id: The user's name in it.
        roles: The user's roles there.
        scopes: What the credential may be used for; None if it is not limited.
    """

    tenant_id: str
    user_id: str
    roles: frozenset[str] = field(default_factory=frozenset[str])
    scopes: frozenset[str] | None = None
