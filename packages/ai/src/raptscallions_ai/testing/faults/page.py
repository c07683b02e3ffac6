"""The catalogue as a page of the documents."""

from __future__ import annotations

from raptscallions_ai.testing.faults.catalogue import FAULTS
from raptscallions_ai.testing.faults.fault import Category, Fault

__all__ = ["page"]

_TITLES = {
    Category.FRAMING: "Server-sent events",
    Category.CHUNKS: "Shapes of chunks",
    Category.USAGE: "Usage and cost",
    Category.TOOLS: "Tool calls",
    Category.STATUS: "Errors before the stream: status and type",
    Category.BODIES: "Errors before the stream: bodies",
    Category.RETRY_AFTER: "How long to wait",
    Category.IN_STREAM: "Errors inside the stream",
    Category.CUT: "Streams that end too early",
    Category.NOT_AN_ANSWER: "Status 200 and no answer",
    Category.SILENCE: "Silence and deadlines",
    Category.RETRIES: "Retries",
    Category.CONNECTIONS: "Connections and leaving",
    Category.REDIRECTS: "Redirects",
    Category.HOSTILE: "Hostile content",
}

_OPENING = """\
# Faults

{count} ways in which gateways misbehave, or do something legal that clients stumble over.
`raptscallions_ai.testing.faults` plays them over real sockets; the library's own tests run all of them, and
[your tests can too](guides/testing.md#a-catalogue-of-faults). [Fault scores](fault-scores.md) tell how its peers do.

A complete answer is given with its finish reason, an error with its class and status. Unless more are named, there is
one request. Text that has arrived when a call fails must not be lost.

This page is printed by `python -m raptscallions_ai.testing.faults`.
"""


def page() -> str:
    """Return the catalogue as Markdown."""
    parts = [_OPENING.format(count=len(FAULTS))]
    for category in Category:
        rows = [_row(fault) for fault in FAULTS if fault.category is category]
        head = "| Fault | What the gateway does | What should come of it | Known from |\n|---|---|---|---|"
        parts.append("\n".join([f"## {_TITLES[category]}\n", head, *rows, ""]))
    return "\n".join(parts)


def _row(fault: Fault) -> str:
    return f"| `{fault.id}` | {fault.title} | {fault.expected} | {fault.source} |"
