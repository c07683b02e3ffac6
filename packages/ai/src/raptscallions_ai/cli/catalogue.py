"""`models`: what the gateway offers, at which price."""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from raptscallions_ai.cli.answer import dollars
from raptscallions_ai.cli.output import printable
from raptscallions_ai.cli.session import open_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.cli.output import Console
    from raptscallions_ai.cli.run import Run
    from raptscallions_ai.gateway_api.models import ModelInfo

__all__ = ["list_models"]

_MILLION = 1_000_000
_NUMBERS_WIDTH = 36  # of the columns for context and prices, with the gaps between all columns
_LEAST_NAME_WIDTH = 16


def list_models(run: Run, text: str, *, engine: str | None, max_price: float | None, min_context: int | None) -> None:
    """Write the gateway's models to stdout by id: a table on a terminal, else tab-separated lines, or JSON.

    Args:
        run: The run that it is for.
        engine: The engine or host to ask, by its name; else the one that the environment chooses.
        text: Only models whose id or name contains this, in any case.
        max_price: Only models whose answers are known to cost at most this, in USD for a million tokens.
        min_context: Only models whose context is known to have at least this many tokens.

    Raises:
        AiError: The list could not be fetched.
    """
    found = [
        model
        for model in asyncio.run(_fetch(run, engine))
        if text.lower() in f"{model.id}\n{model.name}".lower()
        and (max_price is None or _costs_at_most(model.completion_price, max_price))
        and (min_context is None or (model.context_length or 0) >= min_context)
    ]
    found.sort(key=lambda model: model.id)
    if run.json:
        _write_json(found, run.console)
    elif not found:
        run.console.note("No model matches.")
    elif sys.stdout.isatty():
        _write_table(found)
    else:
        _write_lines(found, run.console)


async def _fetch(run: Run, engine: str | None) -> list[ModelInfo]:
    async with open_session(run, engine=engine) as session:
        return await session.client.models()


def _costs_at_most(price: Decimal | None, limit: float) -> bool:
    return price is not None and price * _MILLION <= Decimal(str(limit))


def _write_json(models: Sequence[ModelInfo], console: Console) -> None:
    from raptscallions_ai.cli.json_lines import json_text

    console.line(json_text([_as_object(model) for model in models], indent=2))


def _as_object(model: ModelInfo) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "context_length": model.context_length,
        "prompt_price_per_million": _per_million(model.prompt_price),
        "completion_price_per_million": _per_million(model.completion_price),
        "supported_parameters": list(model.supported_parameters),
    }


def _write_lines(models: Sequence[ModelInfo], console: Console) -> None:
    for model in models:
        prices = [_per_million(price) or "" for price in (model.prompt_price, model.completion_price)]
        fields = [model.id, str(model.context_length or ""), *prices, model.name]
        console.line("\t".join(" ".join(field.split()) for field in fields))


def _write_table(models: Sequence[ModelInfo]) -> None:
    from rich.console import Console as RichConsole
    from rich.table import Table
    from rich.text import Text

    screen = RichConsole(highlight=False)
    longest = max(len(model.id) for model in models)
    room = screen.width - _NUMBERS_WIDTH
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    # Folded rather than cut where it does not fit, because it is there to be copied.
    table.add_column("model", overflow="fold", min_width=max(1, min(longest, room)))
    for title in ("context", "in $/M", "out $/M"):
        table.add_column(title, justify="right", no_wrap=True)
    has_names = room - longest >= _LEAST_NAME_WIDTH
    if has_names:
        table.add_column("name", overflow="ellipsis", no_wrap=True, style="dim")
    for model in models:
        context = "?" if model.context_length is None else f"{model.context_length:,}"
        cells = [model.id, context, _shown(model.prompt_price), _shown(model.completion_price)]
        # Text, so that brackets in what the gateway sent are not taken for markup.
        table.add_row(*(Text(printable(cell)) for cell in [*cells, *([model.name] if has_names else [])]))
    screen.print(table)


def _shown(price: Decimal | None) -> str:
    if price is None:
        return "?"
    return "free" if price == 0 else dollars(price * _MILLION).removeprefix("$")


def _per_million(price: Decimal | None) -> str | None:
    return None if price is None else dollars(price * _MILLION).removeprefix("$")
