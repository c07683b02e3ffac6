"""The whole catalogue, in the order of its page."""

from __future__ import annotations

from raptscallions_ai.testing.faults import (
    bodies,
    chunks,
    connections,
    cut,
    framing,
    hostile,
    in_stream,
    not_an_answer,
    redirects,
    retries,
    retry_after,
    silence,
    status,
    tools,
    usage,
)
from raptscallions_ai.testing.faults.fault import Fault

__all__ = ["FAULTS"]

FAULTS: tuple[Fault, ...] = (
    *framing.FAULTS,
    *chunks.FAULTS,
    *usage.FAULTS,
    *tools.FAULTS,
    *status.FAULTS,
    *bodies.FAULTS,
    *retry_after.FAULTS,
    *in_stream.FAULTS,
    *cut.FAULTS,
    *not_an_answer.FAULTS,
    *silence.FAULTS,
    *retries.FAULTS,
    *connections.FAULTS,
    *redirects.FAULTS,
    *hostile.FAULTS,
)
"""Every fault; ids are stable, and new ones may be added."""
