"""The ledger: any sequence of records gives one state for each row, and money that adds up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raptscallions_bulk.journal.records import (
    Answered,
    Failed,
    Lost,
    Opened,
    Record,
    Reset,
    Returned,
    Same,
    Sent,
    decode,
    encode,
)
from raptscallions_bulk.ledger.bitmap import Bitmap
from raptscallions_bulk.ledger.latency import Latencies
from raptscallions_bulk.ledger.ledger import Ledger


def after(*records: Record) -> Ledger:
    ledger = Ledger()
    for record in records:
        ledger.apply(record)
    return ledger


def sent(row: int, reserved: int = 100, *, recovers: bool = False) -> Sent:
    return Sent(row, 1.0, reserved, b"r" * 16, recovers)


def answered(row: int, cost: int = 7, *, from_cache: bool = False) -> Answered:
    return Answered(row, 2.0, cost, 10, 20, 0.5, from_cache=from_cache)


@pytest.mark.requirement("E06-T001.AC3")
def test_each_way_of_a_row_ends_in_its_state() -> None:
    again = Opened(2, 5.0)
    for records, state, spent, reserved in [
        ([], "waiting", 0, 0),
        ([sent(0)], "sent", 0, 100),
        ([sent(0), answered(0)], "answered", 7, 0),
        ([sent(0), Failed(0, 2.0, 3, "ContentPolicyError")], "failed", 3, 0),
        ([sent(0), Returned(0, 2.0, "RateLimitError")], "waiting", 0, 0),
        ([sent(0), again], "in doubt", 0, 100),
        ([sent(0), again, Lost(0, 6.0, 42)], "lost", 42, 0),
        ([sent(0), again, sent(0, recovers=True)], "sent", 0, 200),
        ([sent(0), again, sent(0, recovers=True), answered(0, 42, from_cache=True)], "answered", 42, 0),
        ([sent(0), again, sent(0, recovers=True), Returned(0, 2.0, "RateLimitError")], "in doubt", 0, 100),
        ([sent(0), again, sent(0, recovers=True), again], "in doubt", 0, 200),
        ([sent(0), again, Reset(0)], "waiting", 100, 0),
        ([sent(0), Failed(0, 2.0, 3, "X"), Reset(0, "X")], "waiting", 3, 0),
        ([Same(0, 5)], "answered", 0, 0),
    ]:
        ledger = after(*records)
        assert (ledger.state(0), ledger.spent, ledger.reserved) == (state, spent, reserved), records
        assert ledger.is_waiting(0) == (state == "waiting")
        assert ledger.in_doubt == (reserved if state == "in doubt" else 0)


def test_errors_are_grouped_by_class_and_forgotten_when_asked_again() -> None:
    ledger = after(Failed(1, 2.0, 0, "A", 1, 10), Failed(2, 2.0, 0, "A"), Failed(3, 2.0, 0, "B"))
    assert {name: group.count for name, group in ledger.errors.items()} == {"A": 2, "B": 1}
    assert (ledger.errors["A"].row, ledger.errors["A"].offset) == (1, 10)
    ledger.apply(Reset(3, "B"))
    assert list(ledger.errors) == ["A"]


ROWS = st.integers(0, 4)
RECORDS = st.one_of(
    st.builds(Opened, st.integers(1, 9), st.just(1.0)),
    st.builds(sent, ROWS, st.integers(0, 1000)),
    st.builds(answered, ROWS, st.integers(0, 1000), from_cache=st.booleans()),
    st.builds(Returned, ROWS, st.just(1.0), st.sampled_from(["A", "B"])),
    st.builds(Failed, ROWS, st.just(1.0), st.integers(0, 1000), st.sampled_from(["A", "B"])),
    st.builds(Lost, ROWS, st.just(1.0), st.integers(0, 1000)),
    st.builds(Same, ROWS, ROWS),
    st.builds(Reset, ROWS, st.sampled_from(["A", "B"])),
)


@pytest.mark.requirement("E06-T001.AC3")
@settings(deadline=None)
@given(st.lists(RECORDS, max_size=40), st.data())
def test_a_snapshot_anywhere_in_the_middle_makes_no_difference(records: list[Record], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(records)))
    ledger = Ledger.restored(after(*records[:cut]).snapshot())
    for record in records[cut:]:
        ledger.apply(decode(encode(record)))
    whole = after(*records)
    assert ledger.snapshot() == whole.snapshot()
    assert (ledger.reserved, ledger.in_doubt) == (whole.reserved, whole.in_doubt)


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=60))
def test_money_is_never_negative_and_what_is_reserved_belongs_to_open_rows(records: list[Record]) -> None:
    ledger, spent = Ledger(), 0
    for record in records:
        ledger.apply(record)
        assert ledger.spent >= spent, "what is spent is never taken back"
        spent = ledger.spent
        assert ledger.reserved == sum(entry.reserved for entry in ledger.open.values())
        assert ledger.in_doubt == sum(entry.reserved for entry in ledger.doubtful().values())
        assert 0 <= ledger.in_doubt <= ledger.reserved


@given(st.sets(st.integers(0, 20_000)), st.sets(st.integers(0, 20_000)))
def test_a_bitmap_is_a_set(numbers: set[int], without: set[int]) -> None:
    bitmap = Bitmap()
    for number in numbers:
        assert bitmap.add(number)
        assert not bitmap.add(number)
    for number in without:
        assert bitmap.discard(number) == (number in numbers)
    left = numbers - without
    for same in (bitmap, Bitmap(bitmap.to_bytes())):
        assert sorted(left) == list(same)
        assert len(same) == len(left)
        assert all((number in same) == (number in left) for number in numbers | without)


@given(st.lists(st.floats(0.002, 3000), min_size=1))
def test_percentiles_are_right_within_a_tenth(seconds: list[float]) -> None:
    latencies = Latencies()
    for one in seconds:
        latencies.add(one)
    ordered = sorted(seconds)
    for part in (0.5, 0.95):
        exact = ordered[max(0, -int(-part * len(ordered) // 1) - 1)]
        assert latencies.percentile(part) == pytest.approx(exact, rel=0.1)
    assert Latencies().percentile(0.5) is None
