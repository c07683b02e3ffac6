"""Mistakes of newcomers: each is named where it is made, in one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from raptscallions_ai import OpenRouterClient, SyncOpenRouterClient, system, tool, user
from raptscallions_ai.testing import ScriptedClient
from raptscallions_ai.wrappers import Budget, BudgetedClient, TrackedClient

ARGUMENTS = ("key", "https://gateway.example/v1", "a/model")


def plain(city: str) -> str:
    """Return the weather.

    Args:
        city: Where.
    """
    return f"sunny in {city}"


def untyped(x) -> None:  # pyright: ignore # noqa: PGH003 - the mistake that is tested
    del x


def ask(messages: Any = "Hi", **options: Any) -> Callable[[OpenRouterClient], object]:
    return lambda client: client.stream_chat(messages, **options)


def run(**options: Any) -> Callable[[OpenRouterClient], object]:
    return lambda client: client.run_tools("Hi", **options)


MISTAKES: dict[str, tuple[Callable[[OpenRouterClient], object], str]] = {
    "a role with a typing error": (ask([{"role": "usr", "content": "x"}]), "role 'usr'; did you mean 'user'"),
    "a role that there is not": (
        ask([{"role": "boss", "content": "x"}]),
        "role 'boss'; it must be one of assistant",
    ),
    "an empty text": (ask(""), r"messages\[0\] has no content"),
    "no messages": (ask([]), "messages must not be empty"),
    "no content": (ask([{"role": "user"}]), r"messages\[0\] has no content, which a message of the role 'user' needs"),
    "an empty system message": (ask([system(""), user("x")]), r"messages\[0\] has no content"),
    "a number as content": (ask([{"role": "user", "content": 3}]), "content must be a str or a list of parts, not int"),
    "one message without a list": (ask(user("x")), "not ChatMessage; put it into a list"),
    "one dict without a list": (ask({"role": "user", "content": "x"}), "not dict; put it into a list"),
    "no prompt": (ask(42), "messages must be a str or a sequence of messages, not int"),
    "an empty model": (ask(model=""), "model must not be empty"),
    "a tool that is none": (ask(tools=[{"foo": 1}]), "needs a 'type', or 'name' and 'parameters'"),
    "a number as a tool": (ask(tools=[3]), "tools must hold functions, Tools and dicts, not int"),
    "one tool without a list": (ask(tools=tool(plain)), "tools must be a list, not Tool"),
    "a class as a tool": (run(tools=[int]), "tools must hold functions, Tools and dicts, not type"),
    "a tool without hints": (ask(tools=[untyped]), "parameter 'x' of tool 'untyped' has no type hint"),
    "no tools": (run(), "run_tools needs tools="),
    "a typing error": (ask(temprature=0), "did you mean 'temperature'"),
    "instructions": (ask(instructions="x"), "unknown option 'instructions'; use system="),
    "max_turns": (run(tools=[plain], max_turns=5), r"use run_tools\(..., max_steps=...\)"),
    "response_model": (ask(response_model=int), r"use parse\(messages, TYPE\)"),
    "stop_sequences": (ask(stop_sequences=["x"]), "use stop="),
    "max_output_tokens": (ask(max_output_tokens=5), "use max_tokens="),
    "functions": (ask(functions=[]), "use tools="),
    "many answers": (ask(n=2), r"pass fields that have no name here in extra_body"),
    "a number as a stop condition": (
        run(tools=[plain], stop_when=5),
        "stop_when must be a function of the run",
    ),
    "a flag as an approval": (run(tools=[plain], approve=True), "approve must be a function, not bool"),
    "milliseconds": (ask(timeout=120_000), "timeout=120000 is in seconds, which is 33.3 hours; did you mean 120"),
    "timeout_ms": (ask(timeout_ms=1000), "use timeout=, in seconds"),
    "a list of headers": (ask(extra_headers=["a"]), "extra_headers must be a mapping of str to str, not list"),
    "a list as a body": (ask(extra_body=[1]), "extra_body must be a mapping, not list"),
    "a temperature in percent": (ask(temperature=80), "temperature must be 0 to 2"),
    "a text for a number": (ask(max_tokens="5"), "max_tokens must be a whole number, 1 or more, not str"),
    "no tokens": (ask(max_tokens=0), "max_tokens must be 1 or more"),
    "streaming asked of a stream": (ask([user("x"), "y"]), r"messages\[1\] must be a ChatMessage or a dict, not str"),
    "an object of no type": (lambda c: c.stream_parse("x", cast("Any", "Person")), "response_model must be a type"),
    "a budget in front": (lambda c: BudgetedClient(Budget(cost=1), c), "not Budget; the client is the first argument"),  # pyright: ignore[reportArgumentType] - the point
    "a client without async in a wrapper": (
        lambda c: TrackedClient(SyncOpenRouterClient(*ARGUMENTS)),  # pyright: ignore[reportArgumentType] - the point
        "wrap the asynchronous client, and give TrackedClient to SyncChatClient",
    ),
    "a number as a script": (lambda c: ScriptedClient(3), "a script is a str, a ChatResult, an error or a list"),  # pyright: ignore[reportArgumentType] - the point
    "a base URL of an endpoint": (
        lambda c: OpenRouterClient("key", "https://gateway.example/v1/chat/completions", "a/model"),
        "leave out /chat/completions",
    ),
}


@pytest.mark.requirement("E04-T034.AC1")
@pytest.mark.requirement("E04-T034.AC2")
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_where_it_is_made(name: str) -> None:
    mistake, problem = MISTAKES[name]
    with pytest.raises((TypeError, ValueError), match=problem) as caught:
        mistake(OpenRouterClient(*ARGUMENTS))
    assert "Traceback" not in str(caught.value) and "object at 0x" not in str(caught.value)


def test_there_are_forty() -> None:
    assert len(MISTAKES) == 40
