"""Runs that the command line starts: the client, Ctrl-C, progress, and what is said at the end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec

from raptscallions_ai import ChatClient, OpenRouterClient, get_provider
from raptscallions_bulk.errors import RunFolderError
from raptscallions_bulk.money import Price
from raptscallions_bulk.progress import ProgressLine, duration
from raptscallions_bulk.report import Plan, Report
from raptscallions_bulk.run import BulkRun
from raptscallions_bulk.viewing import RunView

__all__ = ["Command", "carry_out", "note", "options_of", "plan_of", "price_of", "saved_command", "type_of"]


class Command(msgspec.Struct, omit_defaults=True):
    """What `bulk run` was told, as `run.json` keeps it for `bulk resume`; it holds no key."""

    source: str
    ask: str = "{text}"
    instructions: str | None = None
    labels: str | None = None
    schema: str | None = None
    key: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    max_cost: str | None = None
    price: str | None = None
    timeout: float = 600.0
    in_doubt: str = "recover"
    max_open: int = 2048
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    batch: bool = False
    batch_size: int | None = None
    copy_to: str | None = None
    ray: bool = False
    workers: int = 4
    provider: str = "openrouter"
    dedupe: bool = True
    response_cache: bool = True
    local: bool = False


def note(text: str) -> None:
    """Say something on stderr."""
    sys.stderr.write(text + "\n")


def saved_command(folder: Path) -> Command:
    """Return what the run of a folder was told.

    Raises:
        RunFolderError: There is no run, or it was not started from the command line.
    """
    view = RunView(folder)
    if not view.file.command:
        raise RunFolderError(f"{folder} was not started with `bulk run`; go on with the program that did")
    return msgspec.convert(view.file.command, Command)


async def plan_of(command: Command, folder: Path, sample: int) -> Plan:
    """Return what a run will take."""
    async with _client(command) as client:
        return await _run(command, client, folder, changed=False).plan(sample)


async def carry_out(command: Command, folder: Path, *, changed: bool = False) -> Report:
    """Run to the end, with progress on stderr; the first Ctrl-C drains, the second cuts."""
    progress = ProgressLine()
    async with _client(command) as client:
        run = _run(command, client, folder, changed=changed, on_progress=progress)
        try:
            return await run
        finally:
            progress.end()


def told(plan: Plan) -> str:
    """Return a plan as a person reads it."""
    lines = [f"{plan.rows:,} rows to ask"]
    if plan.duplicates:
        lines.append(f"{plan.duplicates:,} ask what another one asks, and are free")
    if plan.invalid:
        lines.append(f"{plan.invalid:,} cannot be asked: a field is missing, or they are no rows")
    lines.append(f"{plan.prompt_tokens:,} tokens to send, about")
    if plan.completion_tokens is not None:
        lines.append(f"{plan.completion_tokens:,} tokens to get, about")
    if plan.cost_low is not None:
        lines.append(f"{plan.cost_low:.4f} USD, if all answers are as long as those of the sample")
    most = "unknown: give --price, and --max-tokens" if plan.cost_high is None else f"{plan.cost_high:.4f} USD"
    lines.append(f"at most {most}")
    if plan.seconds is not None:
        lines.append(f"{duration(plan.seconds)} at least")
    if plan.sampled:
        lines.append(f"{plan.sampled:,} rows asked so far, for {plan.spent:f} USD")
    return "\n".join(lines)


@contextlib.asynccontextmanager
async def _client(command: Command) -> AsyncGenerator[ChatClient]:
    if not command.local:
        async with get_provider(command.provider) as client:
            yield client
        return
    from raptscallions_ai.local import LocalGateway

    note("Local model: SmolLM2-135M-Instruct, a toy of 135M parameters; do not trust what it says.")
    async with (
        LocalGateway() as gateway,
        OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model) as client,
    ):
        yield client


def _run(command: Command, client: ChatClient, folder: Path, *, changed: bool, on_progress: Any = None) -> BulkRun:
    run = BulkRun(
        client,
        command.source,
        folder,
        ask=command.ask,
        instructions=command.instructions,
        answer_as=type_of(command),
        key=command.key,
        model=command.model,
        options=options_of(command),
        max_cost=command.max_cost,
        price=price_of(command),
        timeout=command.timeout,
        in_doubt=command.in_doubt,  # type: ignore[arg-type] - checked by the run
        response_cache=command.response_cache,
        dedupe=command.dedupe,
        changed=changed,
        max_open=command.max_open,
        requests_per_minute=command.requests_per_minute,
        tokens_per_minute=command.tokens_per_minute,
        batch=command.batch,
        batch_size=command.batch_size,
        copy_to=command.copy_to,
        on_progress=on_progress,
        handle_signals=True,
    )
    run.command = msgspec.to_builtins(command)
    return run


def type_of(command: Command) -> Any:
    """Return the type of answers that was asked for; None for texts."""
    from raptscallions_bulk.cli.schema_type import type_of_labels, type_of_schema

    if command.labels is not None:
        return type_of_labels(command.labels)
    return None if command.schema is None else type_of_schema(command.schema)


def options_of(command: Command) -> dict[str, Any]:
    """Return the options of each call."""
    options = {"max_tokens": command.max_tokens, "temperature": command.temperature}
    return {name: value for name, value in options.items() if value is not None}


def price_of(command: Command) -> Price | None:
    """Return the price that was given.

    Raises:
        ValueError: It is none.
    """
    if command.price is None:
        return None
    prompt, comma, completion = command.price.partition(",")
    if not comma:
        raise ValueError("--price needs two amounts: USD for a million tokens of prompts, and of answers: 0.15,0.60")
    return Price(prompt.strip(), completion.strip())
