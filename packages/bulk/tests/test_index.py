"""The index of requests: the same as a dict, also after it was opened again, in as many tables as it takes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from raptscallions_bulk.index import Found, RequestIndex


def digest(number: int) -> bytes:
    return hashlib.blake2b(str(number).encode(), digest_size=16).digest()


def test_the_first_row_of_a_request_and_its_answer_are_found_again(tmp_path: Path) -> None:
    index, count = RequestIndex(tmp_path), 9000  # more than the first table holds
    for number in range(count):
        index.put(digest(number), number)
        index.put(digest(number), number + count)
    for number in range(0, count, 2):
        index.locate(digest(number), number, 3, number * 7)
    index.take_over(digest(1), 12345)
    index.sync()
    index.close()
    again = RequestIndex(tmp_path)
    assert again.find(digest(count)) is None
    assert again.find(digest(1)) == Found(12345, 0, 0)
    for number in range(2, count):
        place = (0, 0) if number % 2 else (3, number * 7)
        assert again.find(digest(number)) == Found(number, *place)
    again.close()
