"""The commands of an interactive chat, which start with a slash."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raptscallions_ai.cli.conversation import Conversation
    from raptscallions_ai.cli.output import Console

__all__ = ["HELP", "Quit", "run_command"]

HELP = '''\
/model NAME    ask another model from now on; without NAME: say which it is
/system TEXT   set the system message; without TEXT: remove it
/clear         forget the conversation so far; model and system message stay
/save PATH     write the messages to a new file, as JSON
/help          this list
/quit          leave, like Ctrl-D
A line that ends with \\ goes on in the next one; a block of lines stands between two lines of """.
Ctrl-C stops an answer; what has come of it stays in the conversation. A space before / sends it as text.'''


class Quit(Exception):
    """The person wants to leave the chat."""


def run_command(line: str, conversation: Conversation, console: Console, *, is_local: bool) -> None:
    """Do what a line that starts with a slash says.

    Args:
        line: The line, such as `/model openai/gpt-4o`.
        conversation: What it is about.
        console: Where to say what was done.
        is_local: Whether there is one model only.

    Raises:
        Quit: It was `/quit`.
    """
    command, _, argument = line.partition(" ")
    argument = argument.strip()
    if command == "/quit":
        raise Quit
    if command == "/help":
        reply = HELP
    elif command == "/clear":
        conversation.clear()
        reply = "Started a new conversation."
    elif command == "/system":
        conversation.system_text = argument or None
        reply = "System message set." if argument else "System message removed."
    elif command == "/model":
        reply = _model(argument, conversation, is_local=is_local)
    elif command == "/save":
        reply = _save(argument, conversation)
    else:
        reply = f"There is no command {command}; /help lists them. To send it as text, put a space before it."
    for row in reply.splitlines():
        console.note(row)


def _model(name: str, conversation: Conversation, *, is_local: bool) -> str:
    if name and is_local:
        return "The local gateway has one model only."
    if name:
        conversation.change_model(name)
    return f"The model is {conversation.model}."


def _save(name: str, conversation: Conversation) -> str:
    if not name:
        return "/save needs the path of a file."
    try:
        path = conversation.save(name)
    except FileExistsError:
        return f"{name} exists and was not saved by this chat; choose another name."
    except OSError as error:
        return f"{name} cannot be written: {error.strerror}"
    return f"Saved {len(conversation.messages)} messages to {path}."
