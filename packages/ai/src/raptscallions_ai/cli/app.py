"""The commands and their options; everything behind them is imported when it is needed, so that help is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from raptscallions_ai._version import __version__
from raptscallions_ai.cli.exit_codes import EXIT_CODES_HELP
from raptscallions_ai.cli.further_commands import Commands

__all__ = ["app"]

app: typer.Typer = typer.Typer(
    cls=Commands,
    epilog=EXIT_CODES_HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        "-e",
        metavar="NAME",
        help="Whom to ask: openrouter, anthropic, ollama, openai, groq ...; else AI_ENGINE.",
    ),
]
_Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and the library's log.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"raptscallions-ai {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Chat with AI models: through OpenRouter, at Anthropic, on an Ollama server, or at any OpenAI-compatible host.

    The gateway, its key and the model are set by AI_GATEWAY_URL, AI_API_KEY and AI_DEFAULT_MODEL, in the environment
    or in a file .env; with AI_ENGINE or --engine another engine is asked, with the variables that it has of its own.
    `raptscallions-ai chat --local "Hello"` needs none of them.
    """


@app.command(epilog=EXIT_CODES_HELP)
def chat(
    prompt: Annotated[
        str | None, typer.Argument(metavar="[PROMPT]", help="What to ask; - reads it from stdin.", show_default=False)
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="NAME", help="The model to ask.")] = None,
    engine: _Engine = None,
    system: Annotated[str | None, typer.Option("--system", "-s", metavar="TEXT", help="The system message.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, metavar="N", help="Most tokens of the answer.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2, metavar="X", help="Randomness, 0 to 2.")] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Longest wait for the first text, and for each next.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object for each chunk.")] = False,
    local: Annotated[
        bool,
        typer.Option("--local", help="Ask a toy model on this machine: no key needed; temperature 0, 512 tokens."),
    ] = False,
    debug: _Debug = False,
) -> None:
    """Ask a model; its answer is written as it arrives.

    Piped text is appended to PROMPT after a blank line (give </dev/null where stdin is not meant). Without a prompt,
    at a terminal, an interactive chat opens; /help lists its commands.

    At the end, stderr gets one line: model, prompt + answer tokens, cost, time to first token, tokens/s. If stderr
    is a terminal, it shows the model's reasoning too, dimmed. Control characters in the answer are made visible
    instead of being obeyed; --json has them unchanged, escaped.
    """
    from raptscallions_ai.cli import chat as command
    from raptscallions_ai.cli.chat_arguments import ChatArguments
    from raptscallions_ai.cli.run import Run

    arguments = ChatArguments(engine, model, system, max_tokens, temperature, timeout)
    with Run(debug=debug, json=json) as run:
        command.chat(run, prompt, arguments, local=local)


@app.command(epilog=EXIT_CODES_HELP)
def models(
    filter: Annotated[
        str, typer.Argument(metavar="[FILTER]", help="Only models with this in their id or name.", show_default=False)
    ] = "",
    max_price: Annotated[
        float | None,
        typer.Option(min=0, metavar="USD", help="Only models whose million answer tokens cost at most this."),
    ] = None,
    min_context: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only models with this many tokens of context.")
    ] = None,
    engine: _Engine = None,
    json: Annotated[bool, typer.Option("--json", help="Write a JSON array.")] = False,
    debug: _Debug = False,
) -> None:
    """List the gateway's models: context, price per million tokens.

    If stdout is not a terminal, each line is: id, context, prompt price, answer price, name; separated by tabs,
    empty where unknown.
    """
    from raptscallions_ai.cli.catalogue import list_models
    from raptscallions_ai.cli.run import Run

    with Run(debug=debug, json=json) as run:
        list_models(run, filter, engine=engine, max_price=max_price, min_context=min_context)


@app.command(epilog=EXIT_CODES_HELP)
def doctor(
    engine: _Engine = None,
    local: Annotated[bool, typer.Option("--local", help="Check the local model instead.")] = False,
    debug: _Debug = False,
) -> None:
    """Find out what is wrong, and what to do about it.

    Checks settings, name, connection, TLS, list of models, key, and one tiny request.
    """
    from raptscallions_ai.cli.doctor import examine
    from raptscallions_ai.cli.run import Run

    with Run(debug=debug) as run:
        if code := examine(run, engine=engine, local=local):
            raise typer.Exit(code)


@app.command(epilog=EXIT_CODES_HELP)
def proxy(
    engine: _Engine = None,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Where to listen; else AI_PROXY_HOST.")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="N", help="The port; 0 for any free one; else AI_PROXY_PORT."),
    ] = None,
    new_token: Annotated[
        str | None, typer.Option("--new-token", metavar="NAME", help="Make a token for a caller, and do nothing else.")
    ] = None,
    debug: _Debug = False,
) -> None:
    """Serve models to callers who have no key of the gateway.

    Callers, models and limits are set by AI_PROXY_* in the environment; only the hashes of tokens are kept. It speaks
    plain HTTP: TLS is left to what stands in front of it.
    """
    from raptscallions_ai.cli.proxy import new_token as make_token
    from raptscallions_ai.cli.proxy import serve
    from raptscallions_ai.cli.run import Run

    with Run(debug=debug) as run:
        if new_token is not None:
            make_token(run, new_token)
        else:
            serve(run, engine=engine, host=host, port=port)
