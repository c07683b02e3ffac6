"""What the unit tests share: a quick hypothesis profile, and a counter of calls."""

import os
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick",
    max_examples=100,
    deadline=None,
    database=None,
    derandomize=bool(os.environ.get("CI")),
    # The fixture that every test gets cleans the environment; once a test is enough.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("quick")


@pytest.fixture
def calls_of() -> Callable[[Callable[[], object]], Counter[str]]:
    """Counts the calls that something takes, in Python and in C, by name: work that is the same on every machine."""

    def count(work: Callable[[], object]) -> Counter[str]:
        calls: Counter[str] = Counter()

        def note(frame: FrameType, event: str, argument: Any) -> None:
            if event == "call":
                calls[frame.f_code.co_qualname] += 1
            elif event == "c_call":
                calls[argument.__qualname__] += 1

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            work()
        finally:
            sys.setprofile(before)
        return calls

    return count
