"""Scores as Markdown: a summary for the terminal, and the page in the documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fault_scores.scored import left_out
from fault_scores.scores import Scores
from raptscallions_ai.testing.faults import FAULTS, Category, Fault, Verdict

__all__ = ["page", "summary"]

_OPENING = """\
# Fault scores

The [catalogue of {all} faults](faults.md), played to this library and to its peers in one run.
{scored} of them are scored; {left} rest on a choice of this library or on an option that others do not have, and are
[left out](#left-out) for everybody, whoever would gain by them.

```sh
python3 dev.py run python benchmarks/score_faults.py
```

plays everything in less than ten minutes and writes this page. `--peers openai,litellm` and `--only cut,silence`
choose, and print to the terminal."""

_METHOD = """\
## How it is judged

Every client is asked in a process and an environment of its own, over real sockets, through
[an adapter](../benchmarks/fault_scores/clients) of a few lines. Each has the fault's deadline and number of retries,
and asks for usage, in the way that its documents name; nothing else is changed. The caller reads to the end, leaves its
loop with `break`, or cancels its task, while the client object lives on.

The verdict asks what a caller is told, and knows no client's own classes:

| verdict | meaning |
|---|---|
| `ok` | the whole answer; or one error of those that the client documents, in time, with all text that had arrived |
| `foreign` | an error in time, but of another library or of the language |
| `lost` | an error in time, but text that had arrived was lost |
| `failed` | an error although the answer was complete, or would have come with a retry that was allowed |
| `leaked` | the connection was still open a second after the caller had left |
| `hung` | not over three seconds after the call with deadlines of two or less, or ten with deadlines of five |
| `silent` | it looks like a complete answer and is not |

In doubt it is for the client. Any error of its own will do, whatever its class, status or message. Text that rides on
an error counts as kept. A whole answer that a client gets by asking more often than it was allowed to is `ok`. Deltas
of tool calls are put together by the adapter, as leniently as can be, unless the client does that itself. A failure
that is shown in a documented field counts as told: the finish reason `error`, and `chunk.error` of OpenRouter's SDK.
Errors of the OpenAI SDK that langchain-openai passes on count as its own. Usage, cost, error classes, waiting times and
secrets are not compared here; [our own tests](../packages/ai/tests/faults/test_corpus.py) hold this library to them.

Where that takes a choice: any-llm's own exceptions and langchain-openai's deadline between chunks are switched on, as
their documents advise; OpenRouter's SDK bounds the time of its retries, not their number. Options that are off and
not advised stay off: pydantic-ai can be told to refuse a stream without a finish reason
(`openai_chat_streaming_requires_finish_reason`).

The catalogue was written beside this library, whose tests pass all of it: that it leads here proves only that the
others differ. What is worth reading is where and how they do."""


def page(scores: Scores) -> str:
    """Return the whole page."""
    chosen = [fault for fault in FAULTS if left_out(fault) is None]
    opening = _OPENING.format(all=len(FAULTS), scored=len(chosen), left=len(FAULTS) - len(chosen))
    parts = [opening, "## Scores", summary(scores, chosen), _METHOD, _details(scores, chosen), _left_out()]
    return "\n\n".join(parts) + "\n"


def summary(scores: Scores, faults: Sequence[Fault]) -> str:
    """Return the circumstances, and how often each client got each verdict, in all and by category."""
    versions = [
        f"{first} (with {', '.join(others)})" if others else first
        for named in scores.versions.values()
        for first, *others in [[f"{package} {version}" for package, version in named.items()]]
    ]
    machine = scores.machine
    parts = [
        f"{scores.date}; {machine['cores']} cores of {machine['processor']}, {machine['system']}, Python "
        f"{machine['python']}. Command: `{scores.command}`.",
        f"Versions: {'; '.join(versions)}.",
        *(f"{name} could not take part: {why}." for name, why in scores.missing.items()),
        _verdicts(scores, len(faults)),
        "By category, how many are `ok`:",
        _categories(scores, faults),
        _ours(scores),
    ]
    return "\n\n".join(parts)


def _verdicts(scores: Scores, count: int) -> str:
    rows = [
        [name, f"{counted[Verdict.OK] / count:.0%}", *(counted[verdict] for verdict in Verdict)]
        for name in scores.by_client
        for counted in [scores.counted(name)]
    ]
    return _table([f"client, of {count}", "ok", *(f"`{verdict}`" for verdict in Verdict)], rows)


def _categories(scores: Scores, faults: Sequence[Fault]) -> str:
    rows: list[list[object]] = []
    for category in Category:
        ids = {fault.id for fault in faults if fault.category is category}
        if ids:
            rows.append([category, len(ids), *(scores.counted(name, ids)[Verdict.OK] for name in scores.by_client)])
    return _table(["category", "faults", *scores.by_client], rows)


def _ours(scores: Scores) -> str:
    ours = next(iter(scores.by_client))
    missed = [f"`{score.fault}` ({score.verdict})" for score in scores.by_client[ours] if score.verdict != Verdict.OK]
    return f"What {ours} does not pass: {', '.join(missed) or 'nothing'}."


def _details(scores: Scores, faults: Sequence[Fault]) -> str:
    rows: list[list[object]] = []
    for fault in faults:
        verdicts = [scores.verdict(name, fault.id) for name in scores.by_client]
        if any(verdict != Verdict.OK for verdict in verdicts):
            rows.append([f"`{fault.id}`", *("" if verdict == Verdict.OK else verdict for verdict in verdicts)])
    table = _table(["fault", *scores.by_client], rows)
    passed = len(faults) - len(rows)
    return f"## Fault by fault\n\nAn empty cell is `ok`; {passed} that every client passes are not shown.\n\n{table}"


def _left_out() -> str:
    reasons: dict[str, list[str]] = {}
    for fault in FAULTS:
        if why := left_out(fault):
            reasons.setdefault(why, []).append(f"`{fault.id}`")
    rows = [[", ".join(ids), why] for why, ids in reasons.items()]
    return f"## Left out\n\n{_table(['faults', 'why they are not scored'], rows)}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
