"""The records of a journal: what happened to a row, in the order in which it happened.

Rows are numbered from 0. Times are seconds since 1970. Money is in picodollars (10^-12 USD), so that sums are exact.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "Answered",
    "BatchKnown",
    "BatchPlanned",
    "Failed",
    "Known",
    "Lost",
    "Opened",
    "Pointing",
    "Record",
    "Reset",
    "Returned",
    "Same",
    "Sent",
    "decode",
    "encode",
]


class _Record(msgspec.Struct, array_like=True, tag_field="kind", gc=False):
    """What all records have in common: they are written as short arrays."""


class Opened(_Record, tag=0):
    """A process has become the owner of the run; what was open before is in doubt from now on."""

    epoch: int
    at: float


class Sent(_Record, tag=1):
    """A row is about to be sent; on the disk before the first byte leaves.

    Attributes:
        row: The row's number.
        at: When.
        reserved: The most that the request can cost.
        request: The first 16 bytes of the request's hash.
        recovers: Whether it asks for an answer again that the gateway may still have.
        batch: The number of the batch that it is a part of; 0 for none.
    """

    row: int
    at: float
    reserved: int
    request: bytes
    recovers: bool = False
    batch: int = 0


class Known(_Record, tag=2):
    """The gateway has told the id under which its books have a request."""

    row: int
    generation: str


class Answered(_Record, tag=3):
    """A row's answer is on the disk.

    Attributes:
        row: The row's number.
        at: When.
        cost: What it cost, an earlier request for the same answer included.
        prompt_tokens: Tokens of the request.
        completion_tokens: Tokens of the answer.
        seconds: What it took.
        segment: The file of answers that it is in.
        offset: Where in that.
        from_cache: Whether the gateway gave it again for nothing.
        uncertain: Whether the cost is the most that it can be, because nobody tells it.
    """

    row: int
    at: float
    cost: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    segment: int = 0
    offset: int = 0
    from_cache: bool = False
    uncertain: bool = False


class Returned(_Record, tag=4):
    """A request came back, and the row waits again; unpaid, but for what `cost` says."""

    row: int
    at: float
    error: str
    cost: int = 0


class Failed(_Record, tag=5):
    """A row has failed for good; `uncertain` if what it cost is not known, and the most that it can be is assumed."""

    row: int
    at: float
    cost: int
    error: str
    segment: int = 0
    offset: int = 0
    uncertain: bool = False


class Lost(_Record, tag=6):
    """The gateway's books tell what a row in doubt cost, and nobody has its answer any more."""

    row: int
    at: float
    cost: int


class Same(_Record, tag=7):
    """A row asks what another one asks, and has its answer."""

    row: int
    first: int
    segment: int = 0
    offset: int = 0


class Reset(_Record, tag=8):
    """A person wants a row to be asked again, whose error was of this class; what it has cost stays spent."""

    row: int
    error: str = ""


class BatchPlanned(_Record, tag=9):
    """A batch is about to be submitted; its rows follow as `Sent`."""

    batch: int
    at: float
    rows: int


class BatchKnown(_Record, tag=10):
    """The gateway has accepted a batch, under this id."""

    batch: int
    gateway_id: str


Record = Opened | Sent | Known | Answered | Returned | Failed | Lost | Same | Reset | BatchPlanned | BatchKnown

Pointing = Answered | Failed | Same
"""The records that point at a line of answers."""

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Record).decode
