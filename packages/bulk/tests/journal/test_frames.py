"""Frames: what was cut off or damaged is seen, wherever that is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_bulk.journal.frames import Damage, frame, read_frames

CONTENTS = st.lists(st.binary(min_size=2, max_size=40), min_size=1, max_size=8)


@given(CONTENTS)
def test_what_was_framed_is_read_again(contents: list[bytes]) -> None:
    assert list(read_frames(b"".join(map(frame, contents)))) == contents


@pytest.mark.requirement("E06-T001.AC1")
@given(CONTENTS, st.data())
def test_a_torn_tail_costs_no_more_than_the_frame_that_was_torn(contents: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(map(frame, contents))
    cut = data.draw(st.integers(0, len(whole)))
    read = list(read_frames(whole[:cut]))
    ends = [0]
    for content in contents:
        ends.append(ends[-1] + len(frame(content)))
    kept = max(number for number, end in enumerate(ends) if end <= cut)
    assert read[:kept] == contents[:kept]
    assert read[kept:] == ([] if cut in ends else [Damage(ends[kept], is_tail=True)])


@given(CONTENTS, st.data())
def test_no_damaged_byte_goes_unseen(contents: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(b"".join(map(frame, contents)))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    read = list(read_frames(bytes(whole)))
    assert isinstance(read[-1], Damage)
    assert read[:-1] == contents[: len(read) - 1]


def test_damage_in_the_middle_is_no_torn_tail() -> None:
    whole = bytearray(frame(b"first") + frame(b"second") + frame(b"third"))
    whole[len(frame(b"first")) + 9] ^= 1
    assert list(read_frames(bytes(whole)))[-1] == Damage(len(frame(b"first")), is_tail=False)
