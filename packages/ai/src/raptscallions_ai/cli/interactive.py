"""`chat` without a prompt: a conversation at the terminal."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, suppress
from importlib import import_module
from typing import TYPE_CHECKING

from raptscallions_ai.cli.answer import show, usage_line
from raptscallions_ai.cli.commands import Quit, run_command
from raptscallions_ai.cli.conversation import Conversation
from raptscallions_ai.cli.failures import UsageError
from raptscallions_ai.cli.session import open_session
from raptscallions_ai.errors import AiError

if TYPE_CHECKING:
    from raptscallions_ai.cli.chat_arguments import ChatArguments
    from raptscallions_ai.cli.run import Run
    from raptscallions_ai.cli.session import Session

__all__ = ["run_repl"]

_QUOTES = '"""'


class _DroppedError(Exception):
    """Ctrl-C in the middle of a message of several lines."""


def run_repl(run: Run, arguments: ChatArguments, *, local: bool) -> None:
    """Talk until `/quit`, Ctrl-D or Ctrl-C at the prompt; Ctrl-C during an answer stops only that.

    Raises:
        UsageError: This is no terminal.
        AiError: There is no server to talk to. If a single answer fails, this is reported and the chat goes on.
    """
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout and sys.stdout.isatty()):
        raise UsageError("an interactive chat needs a terminal; give a prompt as an argument or on stdin")
    with suppress(ImportError):
        import_module("readline")  # gives `input` line editing and history, where there is one
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            session = runner.run(stack.enter_async_context(open_session(run, engine=arguments.engine, local=local)))
            conversation = Conversation(arguments.model or session.model, arguments.system)
            run.console.note(f"Chatting with {conversation.model}. /help lists the commands, Ctrl-D leaves.", dim=True)
            with suppress(Quit):
                while True:
                    _take_turn(run, runner, session, conversation, arguments)
        finally:
            runner.run(stack.aclose())


def _take_turn(
    run: Run, runner: asyncio.Runner, session: Session, conversation: Conversation, arguments: ChatArguments
) -> None:
    text = _read_message()
    if text.startswith("/"):
        run_command(text, conversation, run.console, is_local=session.is_local)
    elif text.strip():
        _answer(run, runner, session, conversation, arguments, text)


def _answer(
    run: Run, runner: asyncio.Runner, session: Session, conversation: Conversation, arguments: ChatArguments, text: str
) -> None:
    stream = None
    try:
        stream = arguments.stream(session, conversation.with_question(text), model=conversation.model)
        result = runner.run(show(stream, run))
    except KeyboardInterrupt:
        run.console.note("stopped", dim=True)
    except UsageError as error:
        run.console.note(f"error: {error}")
    except AiError as error:
        run.report(error)
    else:
        conversation.keep(text, result)
        run.console.note(usage_line(result, is_local=session.is_local), dim=True)
        return
    if stream is not None:
        conversation.keep_partial(text, stream.partial)


def _read_message() -> str:
    """Return what a person types: a line, lines joined by a backslash at their end, or a block in triple quotes.

    Raises:
        Quit: The person wants to go.
    """
    try:
        line = input("> ")
    except (EOFError, KeyboardInterrupt):
        sys.stdout.write("\n")
        raise Quit from None
    try:
        return _read_block() if line.strip() == _QUOTES else _read_continued(line)
    except _DroppedError:
        return ""


def _read_block() -> str:
    lines: list[str] = []
    while (line := _read_more()).strip() != _QUOTES:
        lines.append(line)
    return "\n".join(lines)


def _read_continued(line: str) -> str:
    lines = [line]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1][:-1]
        lines.append(_read_more())
    return "\n".join(lines)


def _read_more() -> str:
    try:
        return input(". ")
    except KeyboardInterrupt:
        sys.stdout.write("\n")
        raise _DroppedError from None
    except EOFError:
        sys.stdout.write("\n")
        raise Quit from None
