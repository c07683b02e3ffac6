"""The circuit breaker: three failures in a row open it, one call a rest may try, an answer closes it."""

from __future__ import annotations

import pytest

from raptscallions_ai._call.breaker import CircuitBreaker


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(clock)


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.failed()


def test_two_failures_change_nothing_and_the_third_opens_it(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    assert breaker.allows()
    fail(breaker, 1)
    assert not breaker.allows()


def test_an_answer_between_failures_starts_the_count_anew(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.allows()


def test_after_a_rest_one_call_may_try(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 4.9
    assert not breaker.allows()
    clock.now += 0.2
    assert [breaker.allows() for _ in range(3)] == [True, False, False]


def test_an_answer_closes_it(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 6
    assert breaker.allows()
    breaker.succeeded()
    assert all(breaker.allows() for _ in range(3))
    fail(breaker, 2)
    assert breaker.allows()


def test_a_failed_try_begins_another_rest(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    rests: list[int] = []
    for _ in range(6):
        waited = 0
        while not breaker.allows():
            clock.now += 1
            waited += 1
        breaker.failed()
        rests.append(waited)
    assert rests == [5, 5, 5, 5, 5, 5]


def test_how_long_it_rests_is_a_setting(clock: Clock) -> None:
    breaker = CircuitBreaker(clock, cooldown=60)
    fail(breaker, 3)
    clock.now += 59
    assert not breaker.allows()
    clock.now += 1
    assert breaker.allows()


def test_calls_that_were_under_way_do_not_prolong_the_rest(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 20)
    clock.now += 5
    assert breaker.allows()


def test_a_try_that_nobody_reports_on_makes_room_for_another(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 5
    assert breaker.allows()
    clock.now += 5
    assert breaker.allows()


def test_its_repr_tells_the_state(breaker: CircuitBreaker) -> None:
    assert repr(breaker) == "CircuitBreaker(closed)"
    fail(breaker, 3)
    assert repr(breaker) == "CircuitBreaker(resting)"
