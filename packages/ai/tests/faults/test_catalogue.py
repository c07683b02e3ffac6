"""The catalogue itself: stable names, every part filled, every error foreseen, its page up to date."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import raptscallions_ai
from raptscallions_ai import AiError
from raptscallions_ai.testing import FakeGateway
from raptscallions_ai.testing.faults import FAULTS, Category, Complete, Fails, Left, sources

ROOT = Path(__file__).resolve().parents[4]
# A gateway cannot cause these: the root, and what is wrong with the settings.
NOT_OF_AN_ANSWER = {"AiError", "AppError", "CallbackError", "ConfigurationError", "ToolError"} | {
    "BudgetExceededError",
    "InvalidMediaError",
    "InvalidOutputError",
    "NotSupportedError",
    "RefusalError",
    "TruncatedOutputError",
}


@pytest.mark.requirement("E04-T003.AC1")
def test_there_are_enough_and_no_two_are_the_same() -> None:
    assert len(FAULTS) >= 170
    assert [name for name, count in Counter(fault.id for fault in FAULTS).items() if count > 1] == []
    assert [fault.id for fault in FAULTS if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fault.id)] == []
    assert [name for name, count in Counter(fault.title for fault in FAULTS).items() if count > 1] == []


def test_each_says_what_happens_in_one_sentence_and_where_that_is_known_from() -> None:
    for fault in FAULTS:
        assert re.fullmatch(r"[A-Z].*\.", fault.title), fault.id
        assert "|" not in fault.title, fault.id
        assert "\n" not in fault.title, fault.id
        assert len(fault.source) > 5, fault.id
    used = {fault.source for fault in FAULTS}
    known = {value for name, value in vars(sources).items() if name.isupper()}
    assert {source for source in known if not any(one.startswith(source) for one in used)} == set()


def test_every_part_has_its_faults() -> None:
    counted = Counter(fault.category for fault in FAULTS)
    assert {category: counted[category] for category in Category if counted[category] < 8} == {}


@pytest.mark.requirement("E04-T003.AC2")
def test_every_error_that_a_gateway_can_cause_is_expected_somewhere() -> None:
    tree = {name for name in raptscallions_ai.__all__ if name.endswith("Error")} - NOT_OF_AN_ANSWER
    expected = {fault.expected.error for fault in FAULTS if isinstance(fault.expected, Fails)}
    assert expected == tree
    assert all(issubclass(getattr(raptscallions_ai, name), AiError) for name in expected)


@pytest.mark.requirement("E04-T003.AC2")
def test_every_deadline_and_every_kind_of_outcome_is_expected_somewhere() -> None:
    failures = [fault.expected for fault in FAULTS if isinstance(fault.expected, Fails)]
    assert {one.details["phase"] for one in failures if "phase" in one.details} == {
        "connect",
        "first_chunk",
        "idle",
        "total",
    }
    assert any(one.partial and one.tokens for one in failures)
    assert {type(fault.expected) for fault in FAULTS} == {Complete, Fails, Left}
    assert {fault.connection for fault in FAULTS} == {"reused", "closed", None}


def test_no_deadline_is_long() -> None:
    for fault in FAULTS:
        limits = fault.timeouts
        if isinstance(fault.expected, Fails) and "phase" in fault.expected.details and limits.total is None:
            phase = fault.expected.details["phase"]
            assert getattr(limits, phase) <= 0.5, fault.id


def test_a_fault_can_be_played_again() -> None:
    """Its replies hold no state: what one gateway was given, another can be given too."""
    with FakeGateway() as one, FakeGateway() as other:
        for fault in FAULTS:
            fault.play(one)
            fault.play(other)
        assert repr(one) != repr(other)


def test_the_page_is_up_to_date() -> None:
    command = [sys.executable, "-m", "raptscallions_ai.testing.faults"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=30, check=True)
    page = (ROOT / "docs" / "faults.md").read_text("utf-8")
    assert page == done.stdout, f"run: {' '.join(command[1:])} > docs/faults.md"
    assert [fault.id for fault in FAULTS if f"| `{fault.id}` |" not in page] == []


def test_the_test_kit_does_not_load_the_catalogue() -> None:
    script = (
        "import sys, raptscallions_ai.testing as kit\n"
        "[getattr(kit, name) for name in kit.__all__]\n"
        "print([name for name in sys.modules if 'testing.faults' in name])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert ast.literal_eval(done.stdout) == []
