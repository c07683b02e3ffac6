"""Ids that sort by time."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from time import time

from raptscallions_chat.domain.ids import new_id, parse_id


def test_ids_are_uuids_of_version_7_with_the_time_in_them() -> None:
    before = int(time() * 1000)
    parsed = uuid.UUID(new_id())
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert before - 1 <= parsed.int >> 80 <= int(time() * 1000) + 1


def test_ids_are_in_order_and_never_the_same_in_several_threads_too() -> None:
    def some(_: int) -> list[str]:
        return [new_id() for _ in range(2000)]

    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(some, range(4)))
    assert all(batch == sorted(batch) for batch in batches)
    assert len({id_ for batch in batches for id_ in batch}) == 8000


def test_only_ids_are_read_as_such() -> None:
    id_ = new_id()
    assert parse_id(id_) == parse_id(id_.upper()) == id_
    assert [parse_id(text) for text in ("", "1", "../etc", id_ + " ", "{" + id_[1:-1] + "}")] == [None] * 5
