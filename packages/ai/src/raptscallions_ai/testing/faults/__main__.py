"""`python -m raptscallions_ai.testing.faults` prints the catalogue as a page."""

from __future__ import annotations

import sys

from raptscallions_ai.testing.faults.page import page

sys.stdout.write(page())
