"""A catalogue of faults: everything that gateways were seen to do wrong, to be played to any client.

`FAULTS` is the catalogue. `observe` plays one fault to a client through a small adapter, and `Fault.judge` says how the
client did. `python -m raptscallions_ai.testing.faults` prints the catalogue as a page.
"""

from __future__ import annotations

from raptscallions_ai.testing.faults.catalogue import FAULTS
from raptscallions_ai.testing.faults.dialects import DIFFERENCES, Dialect, Difference, expected_in
from raptscallions_ai.testing.faults.expected import Complete, Expected, Fails, Left
from raptscallions_ai.testing.faults.fault import PROMPT, Category, Fault
from raptscallions_ai.testing.faults.outcome import Outcome
from raptscallions_ai.testing.faults.trial import Adapter, Trial, observe
from raptscallions_ai.testing.faults.verdict import Verdict

__all__ = [
    "DIFFERENCES",
    "FAULTS",
    "PROMPT",
    "Adapter",
    "Category",
    "Complete",
    "Dialect",
    "Difference",
    "Expected",
    "Fails",
    "Fault",
    "Left",
    "Outcome",
    "Trial",
    "Verdict",
    "expected_in",
    "observe",
]
