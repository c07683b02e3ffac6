"""Keeping the processors from falling asleep between events.

A virtual machine's processor that halts needs a while to wake up, and then finds its caches cold; how much that takes
differs from one minute to the next with what else the host does. On Linux, loops that give way to anybody at once keep
the processors awake, as a governor for performance does on a machine of one's own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["processors_awake"]

# It ends by itself when the process that began it is gone.
_LOOP = """
import os
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() == {parent}:
    pass
"""


@contextmanager
def processors_awake() -> Generator[list[int]]:
    """Keep all processors busy with nothing; yields the loops' process ids, none where that cannot be done."""
    if not sys.platform.startswith("linux"):
        yield []
        return
    command = [sys.executable, "-c", _LOOP.format(parent=os.getpid())]
    loops = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield [loop.pid for loop in loops]
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
