import pickle
from typing import Any

import pytest

from raptscallions_ai.options.timeouts import Timeouts

PHASES = ["connect", "first_chunk", "idle", "total"]


def test_defaults() -> None:
    assert Timeouts() == Timeouts(connect=10.0, first_chunk=120.0, idle=120.0, total=None)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("limit", [None, 1, 0.001, 86_400.0], ids=str)
def test_limits_that_are_accepted(phase: str, limit: float | None) -> None:
    assert getattr(Timeouts(**{phase: limit}), phase) == limit


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    "limit", [0, -1, -0.5, float("nan"), float("inf"), float("-inf"), True, False, "5", [], 1j], ids=repr
)
def test_limits_that_are_refused_are_named(phase: str, limit: Any) -> None:
    with pytest.raises(ValueError, match=rf"Timeouts\.{phase} must be "):
        Timeouts(**{phase: limit})


@pytest.mark.parametrize(
    ("seconds", "connect"), [(60, 10.0), (10, 10), (3.5, 3.5), (0.01, 0.01)], ids=["long", "equal", "short", "tiny"]
)
def test_a_number_is_the_limit_for_first_and_next_content(seconds: float, connect: float) -> None:
    assert Timeouts.of(seconds) == Timeouts(connect=connect, first_chunk=seconds, idle=seconds, total=None)


def test_timeouts_are_taken_as_they_are() -> None:
    timeouts = Timeouts(total=5)
    assert Timeouts.of(timeouts) is timeouts


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, "5", None], ids=repr)
def test_a_number_that_is_no_limit(seconds: Any) -> None:
    with pytest.raises(ValueError, match="timeout must be "):
        Timeouts.of(seconds)


def test_they_can_be_compared_pickled_and_not_changed() -> None:
    timeouts = Timeouts(connect=None, total=1.5)
    assert pickle.loads(pickle.dumps(timeouts)) == timeouts
    assert len({timeouts, Timeouts(connect=None, total=1.5)}) == 1
    with pytest.raises(AttributeError):
        timeouts.total = 2  # pyright: ignore[reportAttributeAccessIssue] - this is what must fail
