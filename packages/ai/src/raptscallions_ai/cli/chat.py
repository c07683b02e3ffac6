"""`chat` with a prompt: one question, one answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from raptscallions_ai.cli.answer import show, usage_line
from raptscallions_ai.cli.failures import UsageError
from raptscallions_ai.cli.prompt import read_prompt
from raptscallions_ai.cli.session import open_session

if TYPE_CHECKING:
    from raptscallions_ai.cli.chat_arguments import ChatArguments
    from raptscallions_ai.cli.run import Run

__all__ = ["chat"]


def chat(run: Run, prompt: str | None, arguments: ChatArguments, *, local: bool) -> None:
    """Answer one prompt, or open an interactive chat where there is none and a person is there.

    Raises:
        UsageError: The command line is contradictory, or there is no prompt to be had.
        AiError: The call failed.
    """
    if local and arguments.model:
        raise UsageError("--local has one model; leave out --model")
    if local and arguments.engine:
        raise UsageError("--local is an engine of its own; leave out --engine")
    text = read_prompt(prompt, run.console)
    if text is not None:
        asyncio.run(_answer_once(run, text, arguments, local=local))
        return
    if run.json:
        raise UsageError("--json needs a prompt, as an argument or on stdin")
    from raptscallions_ai.cli.interactive import run_repl

    run_repl(run, arguments, local=local)


async def _answer_once(run: Run, text: str, arguments: ChatArguments, *, local: bool) -> None:
    from raptscallions_ai.messages.message import system, user

    async with open_session(run, engine=arguments.engine, local=local) as session:
        framing = [system(arguments.system)] if arguments.system else []
        result = await show(arguments.stream(session, [*framing, user(text)]), run)
        if not run.json:
            run.console.note(usage_line(result, is_local=session.is_local), dim=True)
