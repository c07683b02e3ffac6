"""What the command line says of a run's folder."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from raptscallions_bulk.money import to_decimal
from raptscallions_bulk.progress import duration
from raptscallions_bulk.viewing import RunView

__all__ = ["error_lines", "status_lines", "status_object", "verified"]

_MESSAGE = 200  # characters of a message that are shown


def status_object(folder: Path) -> str:
    """Return where a run is, as one JSON object."""
    view = RunView(folder)
    counts = _counts(view)
    live: dict[str, Any] = view.status() or {}
    counts |= {name: live.get(name) for name in ("per_second", "seconds_left", "binding", "max_cost")}
    return msgspec.json.encode({**counts, "running": bool(live)}).decode()


def status_lines(folder: Path) -> list[str]:
    """Return where a run is, a line for each thing."""
    view, live = RunView(folder), RunView(folder).status()
    counts = _counts(view)
    total = "" if counts["rows"] is None else f" of {counts['rows']:,}"
    lines = [f"answered  {counts['answered']:,}{total}"]
    lines += [f"{name:<9} {counts[name.replace(' ', '_')]:,}" for name in ("failed", "open", "in doubt", "lost")]
    cap = f" of {live['max_cost']}" if live and live.get("max_cost") else ""
    lines.append(f"spent     {counts['spent']}{cap} USD, and at most {counts['reserved']} USD for what is open")
    if live is None:
        return [*lines, "not running"]
    lines.append(f"speed     {live['per_second']:.1f} rows a second, limited by {live['binding']}")
    if live.get("seconds_left") is not None:
        lines.append(f"left      {duration(live['seconds_left'])}")
    return lines


def error_lines(folder: Path) -> list[str]:
    """Return what rows failed with."""
    groups = RunView(folder).failures()
    if not groups:
        return ["no row has failed"]
    lines: list[str] = []
    for name, group in groups.items():
        key = group.row if group.key is None else group.key
        lines += [f"{group.count:,} x {name}", f"    row {key}: {group.message[:_MESSAGE]}"]
    return lines


async def verified(folder: Path, books: int) -> tuple[list[str], bool]:
    """Return what is wrong with a run's folder, and whether it is sound."""
    view = RunView(folder)
    found = view.verify()
    lines = [f"{found.records:,} records after the last snapshot, {found.lines:,} lines of answers"]
    problems = list(found.problems)
    if books:
        problems += await _differences(view, books)
        lines.append(f"compared with the gateway's books: {books} rows at most")
    return [*lines, *problems, "damaged" if problems else "sound"], not problems


async def _differences(view: RunView, count: int) -> list[str]:
    from raptscallions_ai import OpenRouterClient
    from raptscallions_bulk.money import to_pico

    problems: list[str] = []
    async with OpenRouterClient() as client:
        for row, generation, cost in islice(view.generations(), count):
            booked = (await client.generation(generation)).usage.cost
            if booked is not None and to_pico(booked) != to_pico(cost):
                problems.append(f"row {row} cost {cost} USD, and the gateway's books say {booked}")
    return problems


def _counts(view: RunView) -> dict[str, Any]:
    ledger = view.ledger
    doubtful = len(ledger.doubtful())
    return {
        "rows": view.file.rows,
        "answered": len(ledger.answered),
        "failed": len(ledger.failed),
        "open": len(ledger.open) - doubtful,
        "in_doubt": doubtful,
        "lost": len(ledger.lost),
        "spent": format(to_decimal(ledger.spent), "f"),
        "reserved": format(to_decimal(ledger.reserved), "f"),
    }
