"""What the pace makes of gateways that do not tell their limits, in a simulator."""

from __future__ import annotations

import pytest

from raptscallions_bulk.testing.simulator import SCENES, simulate

LARGE = "30,000 requests a minute"
OUTAGE = "an outage of 100 seconds"
# The large one takes ten times as long as all others, and is among the long tests only.
IN_EVERY_RUN = [(name, seed) for name in SCENES if name != LARGE for seed in (1, 2)]


def check(name: str, seed: int) -> None:
    outcome = simulate(SCENES[name], seed)
    least, most = (0.70, 0.05) if name == OUTAGE else (0.93, 0.03)
    assert outcome.used >= least
    assert outcome.refused <= most


@pytest.mark.requirement("E06-T001.AC6")
@pytest.mark.parametrize(("name", "seed"), IN_EVERY_RUN)
def test_a_limit_that_is_not_told_is_found_and_kept(name: str, seed: int) -> None:
    check(name, seed)


@pytest.mark.long
@pytest.mark.parametrize("name", SCENES)
def test_a_limit_that_is_not_told_is_found_and_kept_whatever_the_chance(name: str) -> None:
    for seed in range(1, 21):
        check(name, seed)
