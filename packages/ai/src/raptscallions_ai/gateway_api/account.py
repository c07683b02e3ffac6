"""The gateway's side of the money: what a key may still spend, and what an account has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.fields import amount, moment, text
from raptscallions_ai._dialects.json import json_object
from raptscallions_ai.errors import InvalidResponseError, PermissionDeniedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from raptscallions_ai._call.document import JsonApi

__all__ = ["Credits", "KeyInfo", "fetch_credits", "fetch_key_info"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """The gateway's record of an API key; amounts are in USD.

    Attributes:
        label: The key's name, or its first and last letters.
        limit: The most that it may spend in a period; None for no limit.
        limit_remaining: What is left of that; None for no limit.
        limit_reset: The period: `daily`, `weekly`, `monthly`, or None for a limit that is never reset.
        include_byok_in_limit: Whether what is paid with the account's own provider keys counts.
        usage: What it has spent in all.
        usage_daily: What it has spent today, in UTC.
        usage_weekly: What it has spent this week, from Monday on.
        usage_monthly: What it has spent this month.
        byok_usage: What was paid with the account's own provider keys.
        is_free_tier: Whether the account has never paid.
        is_management_key: Whether it manages the account; such a key cannot chat.
        expires_at: When it becomes invalid.
        raw: The entry as the gateway sent it.
    """

    label: str = ""
    limit: Decimal | None = None
    limit_remaining: Decimal | None = None
    limit_reset: str | None = None
    include_byok_in_limit: bool = False
    usage: Decimal | None = None
    usage_daily: Decimal | None = None
    usage_weekly: Decimal | None = None
    usage_monthly: Decimal | None = None
    byok_usage: Decimal | None = None
    is_free_tier: bool = False
    is_management_key: bool = False
    expires_at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credits:
    """What an account has paid in and spent, in USD.

    Attributes:
        total_credits: What was paid in.
        total_usage: What was spent.
        raw: The entry as the gateway sent it.
    """

    total_credits: Decimal
    total_usage: Decimal
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def remaining(self) -> Decimal:
        """What is left."""
        return self.total_credits - self.total_usage


async def fetch_key_info(api: JsonApi) -> KeyInfo:
    """Return the gateway's record of the key.

    Raises:
        NotSupportedError: The gateway has no such record.
        AiError: The server could not be reached.
    """
    entry = json_object(json_object(await api.get("/key")).get("data"))
    if not entry:
        raise InvalidResponseError("it does not describe a key")
    return KeyInfo(
        label=text(entry, "label") or "",
        limit_reset=text(entry, "limit_reset"),
        include_byok_in_limit=entry.get("include_byok_in_limit") is True,
        is_free_tier=entry.get("is_free_tier") is True,
        is_management_key=entry.get("is_management_key") is True,
        expires_at=moment(entry, "expires_at"),
        raw=entry,
        limit=amount(entry, "limit"),
        limit_remaining=amount(entry, "limit_remaining"),
        usage=amount(entry, "usage"),
        usage_daily=amount(entry, "usage_daily"),
        usage_weekly=amount(entry, "usage_weekly"),
        usage_monthly=amount(entry, "usage_monthly"),
        byok_usage=amount(entry, "byok_usage"),
    )


async def fetch_credits(api: JsonApi) -> Credits:
    """Return what the account has.

    Raises:
        PermissionDeniedError: The key is not a management key.
        NotSupportedError: The gateway has no accounts.
        AiError: The server could not be reached.
    """
    try:
        document = await api.get("/credits")
    except PermissionDeniedError as error:
        message = "The AI gateway shows its credits only to a management key; key_info() shows what this key may spend"
        raise PermissionDeniedError(message, details={"reason": error.message}, attempts=error.attempts) from None
    entry = json_object(json_object(document).get("data"))
    bought, used = amount(entry, "total_credits"), amount(entry, "total_usage")
    if bought is None or used is None:
        raise InvalidResponseError("it does not describe an account")
    return Credits(total_credits=bought, total_usage=used, raw=entry)
