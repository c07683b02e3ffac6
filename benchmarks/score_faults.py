"""Play the catalogue of faults to this library and to its peers, and write how each does into docs/fault-scores.md.

    python3 dev.py run python benchmarks/score_faults.py              everything, in less than ten minutes
    ... --peers openai,litellm --only cut,silence                     a choice, to the terminal

Every client is asked in a process and an environment of its own, as fault_scores/asking.py says. Every verdict, with
what was raised, is saved as .cache/benchmarks/results/fault-scores.json.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from environments import HOME, EnvironmentUnavailableError
from fault_scores.child import Child, OwnError
from fault_scores.page import page, summary
from fault_scores.scored import SCORED
from fault_scores.scores import Score, Scores
from participants import OURS, PARTICIPANTS, Prepared, prepare
from results import machine

from raptscallions_ai.testing.faults import Category, Complete, Fails, Fault, Outcome, Verdict, observe

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "fault-scores.md"
RESULTS = HOME / "results" / "fault-scores.json"
ADAPTERS = {
    OURS: "raptscallions_ai.py",
    "openai": "openai_sdk.py",
    "litellm": "litellm.py",
    "pydantic-ai": "pydantic_ai.py",
    "openrouter": "openrouter.py",
    "any-llm": "any_llm.py",
    "langchain-openai": "langchain_openai.py",
}
# What a client needs for what is asked of it here, and not for the other measurements.
ENVIRONMENTS: dict[str, Any] = {
    "litellm": {"environment": "litellm-retrying.txt", "packages": ("litellm", "openai", "tenacity")},
}
_WHOLE_ANSWERS = (Complete().content, "Hello from the fake gateway.")  # of the catalogue, and when it is used up
_FIRST_CALL = 30.0  # seconds
_PATIENCE = 10.0  # seconds, where the deadlines are five
_LONG = 5.0
_AT_ONCE = 2  # clients; more would measure the machine
_LIMIT = 600  # seconds for everything
_TOLD_EVERY = 50


async def play(child: Child, fault: Fault) -> Score:
    """Play one fault to a client."""
    if await child.ready():
        await observe(SCORED[0], child.ask, patience=_FIRST_CALL)  # the first call may load what others need not
        await child.ready()
    waits = min(fault.timeouts.first_chunk or _LONG, fault.timeouts.idle or _LONG)
    outcome = await observe(fault, child.ask, errors=(OwnError,), patience=3.0 if waits <= 2 else _PATIENCE)
    return Score(
        fault.id,
        judged(fault, outcome),
        said=str(outcome.error) if outcome.error else "",
        text=outcome.text[:80],
        requests=outcome.requests,
        seconds=round(outcome.seconds, 2),
    )


def judged(fault: Fault, outcome: Outcome) -> Verdict:
    """Return how a client did; to ask more often than was allowed, and to get a whole answer, deceives nobody."""
    asked_again = isinstance(fault.expected, Fails) and outcome.requests > fault.expected.requests
    if asked_again and outcome.error is None and outcome.text in _WHOLE_ANSWERS:
        return Verdict.OK
    return fault.judge(outcome)


async def play_all(prepared: Prepared, faults: Sequence[Fault], scores: Scores, places: asyncio.Semaphore) -> None:
    """Play the faults to one client, one after another."""
    name = prepared.participant.name
    async with places, Child(prepared.command[0], HERE / "fault_scores" / "clients" / ADAPTERS[name]) as child:
        began = time.monotonic()
        for done, fault in enumerate(faults, 1):
            scores.add(name, await play(child, fault))
            if done % _TOLD_EVERY == 0 or done == len(faults):
                again = f", started again {child.restarts} times" if child.restarts else ""
                ok = scores.counted(name)[Verdict.OK]
                tell(f"[{time.monotonic() - began:3.0f} s] {name}: {done} of {len(faults)}, {ok} ok{again}")


async def score(names: Sequence[str], faults: Sequence[Fault]) -> Scores:
    """Play the faults to these clients, two at a time.

    Raises:
        TimeoutError: It took too long.
    """
    scores = Scores(" ".join(["python3 dev.py run python benchmarks/score_faults.py", *sys.argv[1:]]), machine())
    ready: list[Prepared] = []
    for participant in sorted((p for p in PARTICIPANTS if p.name in names), key=lambda p: names.index(p.name)):
        try:
            ready.append(prepare(replace(participant, **ENVIRONMENTS.get(participant.name, {}))))
        except EnvironmentUnavailableError as error:
            scores.missing[participant.name] = str(error)
            tell(f"{participant.name} cannot take part: {error}")
        else:
            scores.versions[participant.name] = ready[-1].versions
            scores.by_client[participant.name] = []
    places = asyncio.Semaphore(_AT_ONCE)
    async with asyncio.timeout(_LIMIT), asyncio.TaskGroup() as group:
        for prepared in ready:
            group.create_task(play_all(prepared, faults, scores, places))
    return scores


def tell(line: str) -> None:
    """Say how far it is."""
    print(line, file=sys.stderr, flush=True)


def chosen(given: str | None, known: Sequence[str]) -> list[str]:
    """Return the names of a list with commas, in their own order; all if nothing is given.

    Raises:
        SystemExit: A name is unknown.
    """
    wanted = set(given.split(",")) if given else set(known)
    if unknown := wanted - set(known):
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [name for name in known if name in wanted]


def main() -> None:
    """Score, save and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peers", metavar="PEER,...", help="only these beside this library")
    parser.add_argument("--only", metavar="CATEGORY,...", help="only these parts of the catalogue")
    arguments = parser.parse_args()
    names = [OURS, *(name for name in chosen(arguments.peers, list(ADAPTERS)) if name != OURS)]
    categories = chosen(arguments.only, list(Category))
    faults = [fault for fault in SCORED if fault.category in categories]
    try:
        scores = asyncio.run(score(names, faults))
    except TimeoutError:
        sys.exit(f"not done after {_LIMIT} seconds")
    scores.save(RESULTS)
    print(summary(scores, faults))
    if not (arguments.peers or arguments.only):
        PAGE.write_text(page(scores), "utf-8")
        tell(f"written: {PAGE.name}")


if __name__ == "__main__":
    main()
