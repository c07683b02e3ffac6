"""Which models go on from an assistant message at the end of the conversation instead of answering it."""

from __future__ import annotations

import re

__all__ = ["accepts_prefill"]

# Anthropic's models up to 4.5 do. From 4.6 on they refuse it with a 400 ("What's new in Claude 4.6", prefill removal).
_ACCEPTING = re.compile(
    r"(?:.*/)?claude-(?:2|3|instant)(?:[.-].*)?"
    r"|(?:.*/)?claude-(?:opus|sonnet|haiku)-4(?:[.-][0-5])?(?:-\d{8}|-latest)?",
    re.IGNORECASE,
)


def accepts_prefill(model: str) -> bool:
    """Return whether the model is known to continue the last assistant message; what is not known does not count.

    Args:
        model: Its id, with or without a routing variant such as `:nitro`.
    """
    name = model.partition(":")[0]
    return not model.endswith(":thinking") and _ACCEPTING.fullmatch(name) is not None
