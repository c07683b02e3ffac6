"""Where messages go, and what events add up to, whatever their order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from raptscallions_chat.domain.answer import Answer
from raptscallions_chat.domain.events import event_of, line_of, parse_cursor
from raptscallions_chat.domain.statuses import ENDS, RUN_CHANGES, RunStatus, may_change, message_status
from raptscallions_chat.domain.text import clean
from raptscallions_chat.domain.tree import UNSET, place

TEXTS = st.text(min_size=1, max_size=8)
EVENTS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    TEXTS.map(lambda text: {"type": "content", "content": text}),
    TEXTS.map(lambda text: {"type": "reasoning", "content": text}),
    st.tuples(st.integers(0, 2), TEXTS).map(
        lambda piece: {
            "type": "tool_call",
            "index": piece[0],
            "id": f"call_{piece[0]}",
            "name": "tool",
            "arguments": piece[1],
        }
    ),
)


class Tree(RuleBasedStateMachine):
    """A conversation that messages are sent to by tabs that may be stale."""

    def __init__(self) -> None:
        super().__init__()
        self.parents: dict[str, str | None] = {}
        self.head: str | None = None

    def _add(self, parent: str | None) -> None:
        message = f"m{len(self.parents)}"
        self.parents[message] = parent
        self.head = message

    @rule()
    def send_at_the_end(self) -> None:
        spot = place(head_id=self.head, parent_id=UNSET, branch=False, is_known=True)
        assert (spot.parent_id, spot.problem) == (self.head, None)
        self._add(spot.parent_id)

    @precondition(lambda self: bool(self.parents))
    @rule(data=st.data(), branch=st.booleans())
    def send_after_some_message(self, data: st.DataObject, branch: bool) -> None:
        parent = data.draw(st.sampled_from([None, *self.parents]))
        spot = place(head_id=self.head, parent_id=parent, branch=branch, is_known=True)
        if branch or parent == self.head:
            assert spot.problem is None
            self._add(spot.parent_id)
        else:
            assert spot.problem == "stale_parent"

    @rule(branch=st.booleans())
    def send_after_an_unknown_message(self, branch: bool) -> None:
        assert place(head_id=self.head, parent_id="?", branch=branch, is_known=False).problem == "unknown_parent"

    @invariant()
    def every_message_leads_to_a_beginning(self) -> None:
        for message in self.parents:
            seen: set[str] = set()
            step: str | None = message
            while step is not None:
                assert step not in seen
                seen.add(step)
                step = self.parents[step]


TestTree = Tree.TestCase


@given(st.lists(EVENTS, max_size=20), st.integers(0, 20))
def test_a_snapshot_and_what_follows_add_up_to_the_same(events: list[dict[str, Any]], cut: int) -> None:
    whole, begun = Answer(), Answer()
    whole.add_all(events)
    begun.add_all(events[:cut])
    resumed = Answer()
    resumed.add(begun.snapshot())
    resumed.add_all(events[cut:])
    assert resumed.text == whole.text
    assert resumed.reasoning == whole.reasoning
    assert resumed.tool_calls == whole.tool_calls


@given(EVENTS)
def test_an_event_survives_the_store(event: dict[str, Any]) -> None:
    line = line_of(event)
    assert "\n" not in line
    assert event_of(line) == event


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_clean_text_can_be_stored_and_is_left_alone(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize("status", list(RUN_CHANGES))
def test_a_run_does_not_leave_its_end(status: RunStatus) -> None:
    assert (not RUN_CHANGES[status]) == (status in ENDS)
    assert not may_change("completed", status)
    assert message_status(status) != "streaming" or status in ("queued", "running")


@given(st.text(max_size=60))
def test_a_cursor_is_a_number_of_the_run_or_refused(text: str) -> None:
    number = parse_cursor("01a22d22-b573-758f-81be-5915fe6b952d", text)
    assert number is None or number >= 0
