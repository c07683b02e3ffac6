"""`Fault`: one named way in which a gateway misbehaves, or does something legal that clients stumble over."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from raptscallions_ai.options.timeouts import Timeouts
from raptscallions_ai.testing.faults.verdict import Verdict, judge

if TYPE_CHECKING:
    from raptscallions_ai.testing.faults.expected import Expected
    from raptscallions_ai.testing.faults.outcome import Outcome
    from raptscallions_ai.testing.gateway import FakeGateway
    from raptscallions_ai.testing.script import Responder

__all__ = ["PROMPT", "Address", "Category", "Connection", "Fault", "Reader"]

PROMPT = "Tell me in confidence why the sky over Ambleside-4711 is blue."
"""What is asked in every call of the catalogue; no error may repeat it."""

Reader: TypeAlias = Literal["all", "break_after_first", "cancel_after_first", "cancel_before_first"]
"""How the answer is read: to its end, left after the first text, or cancelled after or before that."""

Address: TypeAlias = Literal["gateway", "refuses", "ignores"]
"""Where the client is sent: to the gateway, to a port that refuses connections, or to one that ignores them."""

Connection: TypeAlias = Literal["reused", "closed"]
"""What must become of the connection: it serves the next call, or it does not."""

_PATIENT = Timeouts(connect=5.0, first_chunk=5.0, idle=5.0)


class Category(StrEnum):
    """The parts of the catalogue."""

    FRAMING = "framing"
    CHUNKS = "chunks"
    USAGE = "usage"
    TOOLS = "tools"
    STATUS = "status"
    BODIES = "bodies"
    RETRY_AFTER = "retry-after"
    IN_STREAM = "in-stream"
    CUT = "cut"
    NOT_AN_ANSWER = "not-an-answer"
    SILENCE = "silence"
    RETRIES = "retries"
    CONNECTIONS = "connections"
    REDIRECTS = "redirects"
    HOSTILE = "hostile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        id: Its stable name.
        title: What the gateway does, in one sentence.
        category: The part of the catalogue that it stands in.
        source: Where this behaviour is known from.
        replies: What the gateway answers, request by request; after the last it answers well.
        expected: What should come of it.
        timeouts: The deadlines of the call.
        max_retries: How many further attempts the call may make.
        stream: Whether a stream is asked for, rather than one JSON body.
        reader: How the answer is read.
        address: Where the client is sent.
        include_waiting: Whether keep-alives are asked for.
        require_usage: Whether an answer without usage counts as a failure.
        max_event_bytes: The client's limit on events and bodies; None for the client's own.
        connection: What must become of the connection; None if that does not matter here.
    """

    id: str
    title: str
    category: Category
    source: str
    replies: tuple[Responder, ...]
    expected: Expected
    timeouts: Timeouts = _PATIENT
    max_retries: int = 0
    stream: bool = True
    reader: Reader = "all"
    address: Address = "gateway"
    include_waiting: bool = False
    require_usage: bool = True
    max_event_bytes: int | None = None
    connection: Connection | None = None

    def play(self, gateway: FakeGateway) -> None:
        """Queue the fault's replies to chat requests."""
        for reply in self.replies:
            gateway.add(reply)

    def judge(self, outcome: Outcome) -> Verdict:
        """Return how a client did, whichever client it is."""
        return judge(self.expected, outcome)

    def __str__(self) -> str:
        return self.id
