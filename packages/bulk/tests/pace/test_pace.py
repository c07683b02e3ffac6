"""The rules of the pace, one by one, and what holds after any sequence of events."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raptscallions_bulk.pace.controller import Pace
from raptscallions_bulk.pace.recent import Recent
from raptscallions_bulk.pace.told import told_rate


def drive(pace: Pace, seconds: float, *, latency: float = 0.5, begun: float = 0.0) -> list[float]:
    """Send all that is let through, answer each after a while, and return the times of sending."""
    now, ends_at, sent = begun, begun + seconds, list[float]()
    open_: list[float] = []
    while now < ends_at:
        wait = pace.wait(now, 100)
        if wait <= 0:
            pace.sent(now, 100)
            sent.append(now)
            open_.append(now + latency)
            continue
        following = open_[0] if open_ else math.inf
        now = min(now + wait, following)
        while open_ and open_[0] <= now:
            pace.answered(open_.pop(0), latency, expected=100, used=100)
    for end in open_:
        pace.answered(max(end, now), latency, expected=100, used=100)
    return sent


def test_the_window_grows_as_long_as_answers_are_as_quick_as_ever() -> None:
    pace = Pace(0.0, max_open=64)
    drive(pace, 20)
    assert pace.window.size == 64


def test_the_window_never_passes_what_was_given() -> None:
    pace = Pace(0.0, max_open=3)
    drive(pace, 20)
    assert pace.window.size == 3
    assert pace.binding == "window"


def test_a_rate_that_is_told_is_kept_from_the_start() -> None:
    pace = Pace(0.0, requests=10.0)
    sent = drive(pace, 30)
    assert 290 <= len(sent) <= 310
    assert pace.binding == "requests"


def test_tokens_that_are_told_are_kept_from_the_start() -> None:
    pace = Pace(0.0, tokens=1000.0)
    sent = drive(pace, 30)
    assert 290 <= len(sent) <= 310
    assert pace.binding == "tokens"


def test_nothing_is_sent_before_the_gateway_says_so() -> None:
    pace = Pace(0.0)
    pace.sent(0.0, 100)
    pace.refused(0.1, 100, retry_after=7.0)
    assert pace.wait(0.2, 100) == pytest.approx(6.9)
    assert pace.binding == "retry-after"
    assert pace.wait(7.2, 100) < 2


def test_a_burst_of_refusals_cuts_the_rate_once() -> None:
    pace = Pace(0.0)
    drive(pace, 20)
    for _ in range(5):
        pace.sent(20.0, 100)
    pace.refused(20.1, 100)
    learned = pace.requests.rate
    for _ in range(4):
        pace.refused(20.2, 100)
    assert pace.requests.rate == pytest.approx(learned, rel=0.02)


def fail(pace: Pace, now: float, count: int = 12) -> None:
    for number in range(count):
        at = now + number / 10
        pace.sent(at, 100)
        pace.failed(at + 0.05)


def test_an_outage_is_probed_by_single_requests_that_come_more_seldom() -> None:
    pace = Pace(0.0, requests=10.0)
    drive(pace, 5)
    fail(pace, 6.0)
    assert pace.in_outage
    now, gaps = 9.0, list[float]()
    for _ in range(12):
        wait = pace.wait(now, 100)
        assert pace.binding == "outage"
        now += wait
        pace.sent(now, 100)
        assert pace.wait(now, 100) == math.inf  # one at a time
        pace.failed(now)
        gaps.append(wait)
    assert gaps[1] < 15
    assert gaps[-1] == pytest.approx(20.0)
    assert max(gaps) == pytest.approx(20.0)


def test_after_an_outage_the_rate_comes_back_step_by_step() -> None:
    pace = Pace(0.0, requests=10.0)
    drive(pace, 5)
    fail(pace, 6.0)
    pace.sent(20.0, 100)
    pace.answered(20.5, 0.5)
    assert not pace.in_outage
    assert pace.requests.rate == pytest.approx(5.0)
    drive(pace, 15, begun=20.5)
    assert pace.requests.rate == pytest.approx(10.0, rel=0.05)


def test_an_answer_from_before_does_not_end_an_outage() -> None:
    pace = Pace(0.0, requests=10.0)
    pace.sent(5.0, 100)
    fail(pace, 6.0)
    pace.answered(9.0, 4.0)
    assert pace.in_outage


def test_a_single_bad_request_is_no_sign_of_load() -> None:
    pace = Pace(0.0, max_open=64)
    for number in range(200):
        pace.sent(number / 10, 100)
        pace.left()
    assert not pace.in_outage
    assert pace.requests.rate == math.inf


def test_a_clock_that_goes_back_or_jumps_ahead_does_no_harm() -> None:
    recent = Recent(100.0)
    recent.add(100.0, 5)
    recent.add(90.0, 5)
    assert recent.rate(100.2, 10.0) > 0
    recent.add(1e9, 1)
    assert recent.rate(1e9, 10.0) <= 1 / 0.25
    pace = Pace(100.0, requests=10.0)
    pace.sent(100.0, 100)
    assert 0 <= pace.wait(50.0, 100) < math.inf


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["send", "answer", "refuse", "fail", "leave", "tell"]),
        st.floats(0, 5),
        st.floats(1, 5000),
    ),
    max_size=120,
)


@settings(deadline=None)
@given(EVENTS)
def test_after_any_events_the_counts_are_right_and_a_wait_is_a_wait(events: list[tuple[str, float, float]]) -> None:
    now, pace, open_ = 0.0, Pace(0.0, max_open=16), list[tuple[float, float]]()
    for kind, passed, tokens in events:
        now += passed
        if kind == "send" and pace.wait(now, tokens) <= 0:
            pace.sent(now, tokens)
            open_.append((now, tokens))
        elif kind == "tell":
            pace.told(now, requests=tokens)
        elif open_ and kind != "send":
            begun, sent = open_.pop(0)
            if kind == "answer":
                pace.answered(now, now - begun, expected=sent, used=tokens)
            elif kind == "refuse":
                pace.refused(now, sent, retry_after=passed)
            elif kind == "fail":
                pace.failed(now)
            else:
                pace.left()
        assert pace.window.open == len(open_) <= 16
        assert 1 <= pace.window.size <= 16
        assert pace.requests.rate > 0
        assert pace.wait(now, tokens) >= 0
    # Whatever happened, it does not stand still for ever.
    for begun, sent in open_:
        pace.answered(now, now - begun, expected=sent)
    for _ in range(200):
        if (wait := pace.wait(now, 1)) <= 0:
            break
        assert wait < math.inf
        now += wait
    assert pace.wait(now, 1) <= 0


@settings(deadline=None, max_examples=30)
@given(st.floats(0.5, 50), st.floats(0.01, 2))
def test_a_told_rate_is_never_passed_by_more_than_a_second_of_it(rate: float, latency: float) -> None:
    sent = drive(Pace(0.0, requests=rate), 20, latency=latency)
    for first in range(0, len(sent), 7):
        for last in range(first, len(sent), 7):
            assert last - first + 1 <= rate * (sent[last] - sent[first] + 1) + 2


@pytest.mark.requirement("E06-T002.AC6")
@pytest.mark.parametrize(
    ("limit", "left", "reset", "rate"),
    [
        (3000, None, None, 50.0),  # a minute's, where nothing says otherwise
        (10_000, 9_900, 0.6, 10_000 / 60),
        (14_400, 14_370, 180.0, 14_400 / 86_400),  # a day's
        (10_000, 9_999, 0.006, None),  # too little is used up to tell
        (100, 50, 0.0, None),
        (0, 0, 1.0, None),
        (None, 5, 1.0, None),
    ],
)
def test_a_limit_that_is_told_is_a_rate(
    limit: int | None, left: int | None, reset: float | None, rate: float | None
) -> None:
    told = told_rate(limit, left, reset)
    assert told == (None if rate is None else pytest.approx(rate))
