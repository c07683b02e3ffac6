"""`raptscallions-chat serve`, which kills itself with SIGKILL at the point that CHAT_TEST_DIE_AT names.

A point is `before` or `after`, what is done, and which time: `after append_pieces 3`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from raptscallions_chat.cli import main
from raptscallions_chat.log.memory import MemoryLog
from raptscallions_chat.log.redis_log import RedisLog
from raptscallions_chat.prompting import ConversationPrompts
from raptscallions_chat.runs.live import LiveRun
from raptscallions_chat.store.sql_store import SqlStore


def arm(point: str) -> None:
    """Let the process die at a point."""
    when, name, times = point.split()
    left = int(times)

    def due() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    def at_the_point(now: bool, here: str) -> None:
        if now and when == here:
            os.kill(os.getpid(), signal.SIGKILL)

    def deadly(whole: Callable[..., Any]) -> Callable[..., Any]:
        async def later(*args: Any, **options: Any) -> Any:
            now = due()
            at_the_point(now, "before")
            result = await whole(*args, **options)
            at_the_point(now, "after")
            return result

        def at_once(*args: Any, **options: Any) -> Any:
            now = due()
            at_the_point(now, "before")
            result = whole(*args, **options)
            at_the_point(now, "after")
            return result

        return at_once if name in ("append", "opened") else later

    owners: dict[str, tuple[type, ...]] = {
        "append": (MemoryLog, RedisLog),
        "opened": (LiveRun,),
        "prompt": (ConversationPrompts,),
    }
    for owner in owners.get(name, (SqlStore,)):
        setattr(owner, name, deadly(getattr(owner, name)))


if point := os.environ.pop("CHAT_TEST_DIE_AT", ""):
    arm(point)
main()
