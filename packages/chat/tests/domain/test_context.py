"""What of a conversation is sent: whole turns from its end."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from raptscallions_chat.domain.context import first_that_fits
from raptscallions_chat.domain.records import Message
from raptscallions_chat.store.database import utc_now

NOW = utc_now()
EMPTY = dict.fromkeys(("parent_id", "parts", "model", "run_id", "finish_reason", "completed_at"))


def message(role: str, size: int) -> Message:
    return Message(
        id="m", conversation_id="c", seq=1, role=role, status="complete", text="x" * size, created_at=NOW, **EMPTY
    )


def size(messages: Sequence[Message]) -> int:
    return sum(len(each.text) for each in messages)


@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant", "system"]), st.integers(1, 20)), max_size=30),
    st.integers(-5, 200),
)
def test_what_is_sent_is_the_longest_end_of_whole_turns_that_fits(said: list[tuple[str, int]], room: int) -> None:
    path = [message(role, length) for role, length in said]
    first = first_that_fits(path, room, size)
    begins = [
        place for place in range(len(path)) if said[place][0] == "user" and (not place or said[place - 1][0] != "user")
    ]
    if not begins or first == 0:
        # Nothing is left out: there is no turn, or from the first one on all fits, or it is the only one.
        assert not begins or size(path[begins[0] :]) <= room or len(begins) == 1
        return
    assert first in begins
    assert size(path[first:]) <= room or first == begins[-1]
    earlier = begins[begins.index(first) - 1]
    assert size(path[earlier:]) > room
