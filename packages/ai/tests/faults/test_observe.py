"""The catalogue played to any client: adapters that do well, and adapters with the faults of real clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from raptscallions_ai import AiError, OpenRouterClient, Timeouts, ToolCall
from raptscallions_ai.testing.faults import FAULTS, Fault, Outcome, Trial, observe

BY_ID = {fault.id: fault for fault in FAULTS}
ONE_OF_EACH = [
    "sse-comments",
    "tools-interleaved",
    "usage-missing-allowed",
    "body-html",
    "retry-503",
    "cut-fin",
    "silent-comments-after-text",
    "drip-total",
    "connect-refused",
    "connect-ignored",
    "json-choice-error",
    "leave-break",
    "leave-cancel",
    "leave-cancel-before-status",
]


async def good(trial: Trial) -> AsyncIterator[str | ToolCall]:
    """Ask this library's own client."""
    limits = Timeouts(trial.connect_timeout, trial.timeout, trial.timeout, trial.total_timeout)
    async with OpenRouterClient(
        trial.api_key, trial.base_url, trial.model, timeout=limits, max_retries=trial.max_retries
    ) as client:
        if not trial.stream:
            try:
                yield (await client.chat(trial.prompt, stream=False)).content
            except AiError as error:
                if error.partial is not None:
                    yield error.partial.content
                raise
            return
        async for chunk in client.stream_chat(trial.prompt, require_usage=trial.require_usage):
            if chunk.type == "content":
                yield chunk.content
            elif chunk.type == "done":
                for call in chunk.result.tool_calls:
                    yield call


async def naive(trial: Trial) -> AsyncIterator[str | ToolCall]:
    """Read lines and yield text, as a first draft does: no deadline, no evidence of an end, no look at the status."""
    url = urlsplit(trial.base_url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    body = json.dumps({"stream": True, "messages": [{"role": "user", "content": trial.prompt}]}).encode()
    head = f"POST {url.path}/chat/completions HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    with contextlib.closing(writer):
        while (line := await reader.readline()) and line != b"0\r\n":
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    if text := choice["delta"].get("content"):
                        yield text


@pytest.mark.parametrize("name", ONE_OF_EACH)
async def test_this_client_does_well(name: str) -> None:
    fault = BY_ID[name]
    outcome = await observe(fault, good, errors=(AiError,))
    assert fault.judge(outcome) == "ok", outcome
    assert outcome.own_error
    assert outcome.seconds < 3


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("sse-comments", "ok"),
        ("cut-clean-end", "silent"),
        ("in-stream-no-choices", "silent"),
        ("body-html", "hung"),
        ("sse-no-space", "silent"),
        ("garbled-json", "foreign"),
        ("chunk-choices-null", "failed"),
        ("silent-after-text", "hung"),
    ],
)
async def test_a_naive_client_does_not(name: str, verdict: str) -> None:
    fault = BY_ID[name]
    outcome = await observe(fault, naive, errors=(AiError,), patience=0.5)
    assert fault.judge(outcome) == verdict, outcome


def outcome_of(fault: Fault, **facts: object) -> str:
    return fault.judge(Outcome(**facts))  # pyright: ignore[reportArgumentType] - facts of one outcome


def test_what_is_worse_than_an_error_is_distinguished() -> None:
    cut, whole, tools, left = (BY_ID[name] for name in ("cut-fin", "sse-lf", "tools-interleaved", "leave-break"))
    failure = RuntimeError("cut")
    assert outcome_of(cut, text="The sky is", error=failure) == "ok"
    assert outcome_of(cut, text="The sky is", error=failure, own_error=False) == "foreign"
    assert outcome_of(cut, text="The sky", error=failure) == "lost"
    assert outcome_of(cut, text="The sky is") == "silent"
    assert outcome_of(cut, text="The sky is", hung=True) == "hung"
    assert outcome_of(whole, text="The sky is") == "silent"
    assert outcome_of(whole, text="The sky is blue.", error=failure) == "failed"
    assert outcome_of(tools, tool_calls=(ToolCall("call_1", "weather", '{"city":"Rome"}'),)) == "silent"
    assert outcome_of(left, text="The sky", released=True) == "ok"
    assert outcome_of(left, text="The sky", released=False) == "leaked"


async def test_a_client_that_keeps_its_connection_after_the_caller_has_left_is_found_out() -> None:
    async def holding(trial: Trial) -> AsyncIterator[str | ToolCall]:
        pieces = naive(trial)
        held.append(pieces)
        async for piece in pieces:
            yield piece

    held: list[AsyncIterator[str | ToolCall]] = []
    fault = BY_ID["leave-break-silent"]
    outcome = await observe(fault, holding)
    assert (outcome.text, outcome.released) == ("The sky", False)
    assert fault.judge(outcome) == "leaked"


def test_an_outcome_shows_no_text() -> None:
    assert "secret" not in repr(Outcome(text="secret", error=RuntimeError("secret")))
