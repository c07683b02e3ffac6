"""What `bulk run --ray` does."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec

from raptscallions_ai import get_provider
from raptscallions_bulk.cli.running import Command, options_of, price_of, type_of
from raptscallions_bulk.objects import ObjectCopy
from raptscallions_bulk.ray import Asking, run_on_ray
from raptscallions_bulk.report import Report
from raptscallions_bulk.rows.sources import open_source

__all__ = ["carry_out_on_ray"]


def carry_out_on_ray(command: Command, folder: Path, *, changed: bool) -> Report:
    """Run to the end on a cluster; the workers take the key from their own environment."""
    if command.batch or command.local:
        raise ValueError("--ray asks each row by itself, and of a gateway: leave --batch and --local out")
    asking = Asking(
        client=partial(get_provider, command.provider),
        ask=command.ask,
        instructions=command.instructions,
        answer_as=type_of(command),
        key=command.key,
        model=command.model,
        options=options_of(command),
        max_cost=command.max_cost,
        price=price_of(command),
        timeout=command.timeout,
        response_cache=command.response_cache,
        max_open=min(command.max_open, 256),
        requests_per_minute=command.requests_per_minute,
        tokens_per_minute=command.tokens_per_minute,
    )
    told = msgspec.to_builtins(command)
    copy = None if command.copy_to is None else ObjectCopy(command.copy_to)
    report = run_on_ray(
        open_source(command.source), folder, asking, workers=command.workers, changed=changed, command=told
    )
    if copy is not None:
        copy.send(folder)
    return report
