"""The catalogue as a page of the documents."""

from __future__ import annotations

from raptscallions_ai.testing.faults.catalogue import FAULTS
from raptscallions_ai.testing.faults.dialects import DIFFERENCES, Difference
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


_NAMES = {"openai": "OpenAI", "anthropic": "Anthropic", "ollama": "Ollama"}
_ELSEWHERE = """\
## In other dialects

The replies are written as chat completions. `FakeAnthropic` and `FakeOllama` say them in their own dialects, and what
should come of them there is the same: the same error, as retryable, with the same partial answer. What is different is
here, with its reason. The cost, and OpenRouter's names of providers and failures, are told by nobody else.
"""


def page() -> str:
    """Return the catalogue as Markdown."""
    parts = [_OPENING.format(count=len(FAULTS))]
    for category in Category:
        rows = [_row(fault) for fault in FAULTS if fault.category is category]
        head = "| Fault | What the gateway does | What should come of it | Known from |\n|---|---|---|---|"
        parts.append("\n".join([f"## {_TITLES[category]}\n", head, *rows, ""]))
    parts.append(_differences())
    return "\n".join(parts)


def _differences() -> str:
    rows = [
        f"| {', '.join(_NAMES[dialect] for dialect in each.dialects)} | {each.reason} | "
        f"{_instead(each)} | {', '.join(f'`{fault}`' for fault in each.faults)} |"
        for each in DIFFERENCES
    ]
    head = "| Dialect | Why | Instead | Faults |\n|---|---|---|---|"
    return "\n".join([_ELSEWHERE, head, *rows, ""])


def _instead(difference: Difference) -> str:
    if difference.instead is None:
        return "not there"
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in difference.instead.items())


def _value(value: object) -> str:
    return "none" if value is None else f"`{value}`"


def _row(fault: Fault) -> str:
    return f"| `{fault.id}` | {fault.title} | {fault.expected} | {fault.source} |"
