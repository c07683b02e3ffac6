"""The commands of `bulk` and their options; what is behind them is imported when it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app: typer.Typer = typer.Typer(
    help="Ask many prompts: each once, each paid once, whatever happens meanwhile.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the run.")]


@app.command()
def run(
    source: Annotated[Path, typer.Argument(metavar="IN", help="JSONL, CSV, TSV, text (a prompt a line) or Parquet.")],
    folder: _Folder,
    ask: Annotated[str, typer.Option(metavar="TEXT", help="What to ask; {name} is a field of the row.")] = "{text}",
    instructions: Annotated[str | None, typer.Option(metavar="TEXT", help="The system message.")] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Answers are one of these, in the column `label`.")
    ] = None,
    schema: Annotated[
        str | None, typer.Option(metavar="FILE", help="Answers fit this JSON schema, or this class: module:Class.")
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="NAME", help="The field that names a row.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="NAME", help="The model to ask.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, metavar="N", help="Most tokens of an answer.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2, metavar="X", help="Randomness, 0 to 2.")] = None,
    max_cost: Annotated[
        str | None, typer.Option(metavar="USD", help="Most that the run may cost; it is never exceeded.")
    ] = None,
    price: Annotated[
        str | None, typer.Option(metavar="P,C", help="USD for a million tokens of prompts and answers, if not listed.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="Longest time for one row.")] = 600.0,
    in_doubt: Annotated[
        str, typer.Option(metavar="WHAT", help="Rows that a crash left open: recover, keep or ask.")
    ] = "recover",
    max_open: Annotated[int, typer.Option(min=1, metavar="N", help="Most requests at a time.")] = 2048,
    requests_per_minute: Annotated[
        float | None, typer.Option(metavar="N", help="A limit that you know; else it is found out.")
    ] = None,
    tokens_per_minute: Annotated[float | None, typer.Option(metavar="N", help="Likewise.")] = None,
    batch: Annotated[
        bool, typer.Option("--batch", help="Hand rows over in batches: answered within a day, at about half the price.")
    ] = False,
    batch_size: Annotated[int | None, typer.Option(min=1, metavar="N", help="With --batch: most rows of one.")] = None,
    copy_to: Annotated[
        str | None, typer.Option(metavar="URL", help="Copy DIR there at the end: s3://..., gs://..., az://...")
    ] = None,
    ray: Annotated[bool, typer.Option("--ray", help="Ask from a Ray cluster: RAY_ADDRESS, or this machine.")] = False,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="With --ray: how many processes ask.")] = 4,
    provider: Annotated[
        str, typer.Option(metavar="NAME", help="Whom to ask: openrouter, anthropic, openai or another host.")
    ] = "openrouter",
    dedupe: Annotated[bool, typer.Option(help="Ask rows that ask the same once.")] = True,
    response_cache: Annotated[bool, typer.Option(help="Let the gateway keep answers for a day, if it can.")] = True,
    changed: Annotated[bool, typer.Option("--changed", help="Ask only what is new in a changed run.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what it will take.")] = False,
    sample: Annotated[int, typer.Option(min=0, metavar="N", help="With --plan: ask the first N rows for it.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all rows here at the end.")] = None,
    local: Annotated[bool, typer.Option("--local", help="Ask a toy model on this machine: no key needed.")] = False,
) -> None:
    """Ask what IN has of each row once, and keep the answers in DIR.

    The same command goes on where a run was stopped or killed. Ctrl-C lets open requests end; a second one cuts them.
    """
    from raptscallions_bulk.cli.running import Command, note, plan_of, told

    command = Command(
        source=str(source),
        ask=ask,
        instructions=instructions,
        labels=labels,
        schema=schema,
        key=key,
        model=model,
        max_tokens=max_tokens,
        temperature=temperature,
        max_cost=max_cost,
        price=price,
        timeout=timeout,
        in_doubt=in_doubt,
        max_open=max_open,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        batch=batch,
        batch_size=batch_size,
        copy_to=copy_to,
        ray=ray,
        workers=workers,
        provider=provider,
        dedupe=dedupe,
        response_cache=response_cache,
        local=local,
    )
    with _failures():
        if plan:
            typer.echo(told(asyncio.run(plan_of(command, folder, sample))))
            return
        _carry_out(command, folder, changed=changed)
        if out is not None:
            note(f"{_export(folder, out)} rows written to {out}")


@app.command()
def resume(folder: _Folder) -> None:
    """Go on with a run that was stopped or killed."""
    from raptscallions_bulk.cli.running import saved_command

    with _failures():
        _carry_out(saved_command(folder), folder)


@app.command()
def retry(
    folder: _Folder,
    only: Annotated[
        str, typer.Option(metavar="A,B,...", help="Classes of errors, in_doubt, lost; else all that failed.")
    ] = "",
) -> None:
    """Ask rows again that have failed; those in doubt may be paid twice then."""
    from raptscallions_bulk.cli.running import note, saved_command
    from raptscallions_bulk.retrying import reset_rows

    with _failures():
        command = saved_command(folder)
        names = {name.strip() for name in only.split(",") if name.strip()}
        note(f"{asyncio.run(reset_rows(folder, names))} rows are asked again")
        _carry_out(command, folder)


@app.command()
def status(
    folder: _Folder,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object.")] = False,
) -> None:
    """Say where a run is: rows, money, and what keeps it from being faster."""
    from raptscallions_bulk.cli.telling import status_lines, status_object

    with _failures():
        typer.echo(status_object(folder) if json else "\n".join(status_lines(folder)))


@app.command()
def errors(folder: _Folder) -> None:
    """List what rows failed with, each kind with an example."""
    from raptscallions_bulk.cli.telling import error_lines

    with _failures():
        typer.echo("\n".join(error_lines(folder)))


@app.command()
def export(
    folder: _Folder,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A file that ends with .jsonl, .csv, .tsv or .parquet.")],
    ordered: Annotated[bool, typer.Option("--ordered", help="In the order of the source, as is always done.")] = True,
) -> None:
    """Write all rows with their answers, in the order of the source."""
    with _failures():
        typer.echo(f"{_export(folder, out)} rows written to {out}")
        del ordered


@app.command()
def fetch(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where `--copy-to` put the run.")],
    folder: _Folder,
) -> None:
    """Make the folder of a run again of its copy in object storage."""
    from raptscallions_bulk.objects import ObjectCopy

    with _failures():
        typer.echo(f"{ObjectCopy(url).fetch(folder)} files fetched to {folder}")


@app.command()
def limits(
    folder: _Folder,
    max_open: Annotated[int, typer.Option(min=1, metavar="N", help="Most requests at a time.")],
) -> None:
    """Change the limits of a run, also while it goes on."""
    from raptscallions_bulk.live import write_limits
    from raptscallions_bulk.viewing import RunView

    with _failures():
        RunView(folder)
        write_limits(folder, max_open=max_open)
        typer.echo(f"at most {max_open} requests at a time, from now on")


@app.command()
def verify(
    folder: _Folder,
    books: Annotated[int, typer.Option(min=0, metavar="N", help="Compare N rows with the gateway's books, too.")] = 0,
) -> None:
    """Read everything that is kept of a run, and say what is wrong with it."""
    from raptscallions_bulk.cli.telling import verified

    with _failures():
        lines, sound = asyncio.run(verified(folder, books))
        typer.echo("\n".join(lines))
        if not sound:
            raise typer.Exit(1)


def _carry_out(command: object, folder: Path, *, changed: bool = False) -> None:
    from raptscallions_bulk.cli.running import Command, carry_out, note

    assert isinstance(command, Command)
    if command.ray:
        from raptscallions_bulk.cli.on_ray import carry_out_on_ray

        report = carry_out_on_ray(command, folder, changed=changed)
    else:
        report = asyncio.run(carry_out(command, folder, changed=changed))
    note(str(report))
    if report.in_doubt:
        note(
            f"`raptscallions-ai bulk retry {folder} --only in_doubt` asks those in doubt again; they may be paid twice"
        )
    if report.stopped is not None:
        raise typer.Exit(130 if "interrupted" in report.stopped or "asked to end" in report.stopped else 1)


def _export(folder: Path, out: Path) -> int:
    from raptscallions_bulk.cli.running import saved_command
    from raptscallions_bulk.errors import RunFolderError, SourceError
    from raptscallions_bulk.export import export_rows
    from raptscallions_bulk.rows.sources import open_source
    from raptscallions_bulk.viewing import RunView

    view = RunView(folder)
    try:
        source = open_source(saved_command(folder).source)
    except (RunFolderError, SourceError):
        source = None  # not a file, or not there any more: keys and answers are what there is
    return export_rows(view, out, source)


@contextmanager
def _failures() -> Generator[None]:
    """Tell failures in a line, with the exit codes of the other commands."""
    from raptscallions_ai import AiError, AuthenticationError, ConfigurationError, InsufficientCreditsError
    from raptscallions_bulk.cli.running import note
    from raptscallions_bulk.errors import BulkError
    from raptscallions_bulk.report import RunStoppedError

    try:
        yield
    except RunStoppedError as error:
        note(f"error: {error}")
        note(str(error.report))
        refused = isinstance(error.__cause__, AuthenticationError | InsufficientCreditsError)
        raise typer.Exit(4 if refused else 1) from None
    except ConfigurationError as error:
        note(f"error: {error}\nSet AI_API_KEY, or try it without a key: --local")
        raise typer.Exit(3) from None
    except ImportError as error:
        note(f"error: {error}")
        raise typer.Exit(3) from None
    except (BulkError, AiError, ValueError, TypeError) as error:
        note(f"error: {error}")
        raise typer.Exit(2 if isinstance(error, ValueError | TypeError) else 1) from None
