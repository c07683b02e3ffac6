"""What is wrong with a conversation, before it is sent."""

from __future__ import annotations

import difflib
from operator import itemgetter
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["check_conversation"]

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_WITH_CONTENT = frozenset({"system", "developer", "user"})
_TYPES = frozenset({str, list, tuple})
_ROLE, _CONTENT = itemgetter("role"), itemgetter("content")


def check_conversation(messages: Sequence[Mapping[str, object]]) -> None:
    """Check the roles of messages, and that there is something to answer.

    Raises:
        TypeError: A content is neither text nor a list of parts.
        ValueError: There are no messages, a role is unknown, or a message that needs content has none.
    """
    if not messages:
        raise ValueError("messages must not be empty")
    # Sets and maps are as fast for a long conversation as for a short one; only what looks odd is looked at one by one.
    try:
        contents = [*map(_CONTENT, messages)]
    except KeyError:
        contents = [None]
    if not ({*map(_ROLE, messages)} <= _ROLES and all(contents) and {*map(type, contents)} <= _TYPES):
        for position, message in enumerate(messages):
            _check(f"messages[{position}]", message)


def _check(where: str, message: Mapping[str, object]) -> None:
    role, content = cast("str", message.get("role")), message.get("content")
    if role not in _ROLES:
        near = difflib.get_close_matches(role, _ROLES, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it must be one of {', '.join(sorted(_ROLES))}"
        raise ValueError(f"{where} has the role {role!r}; {hint}")
    if content is not None and not isinstance(content, str | list | tuple):
        raise TypeError(f"{where}: content must be a str or a list of parts, not {type(content).__name__}")
    if not content and role in _WITH_CONTENT:
        raise ValueError(f"{where} has no content, which a message of the role {role!r} needs")
