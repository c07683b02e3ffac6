"""Ollama's streams of lines: what they add up to, however they are cut, and wherever they break off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ai_tests import Outcome
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._dialects.decoder import AnswerDecoder
from raptscallions_ai._dialects.fold import Fold
from raptscallions_ai._dialects.ollama.reader import OllamaReader
from raptscallions_ai.answer.chunks import ContentChunk, ReasoningChunk, StreamChunk, ToolCallChunk
from raptscallions_ai.errors import (
    ContextLengthError,
    InvalidResponseError,
    ModelNotAvailableError,
    ProviderError,
    StreamInterruptedError,
)
from raptscallions_ai.testing.replay import recorded_reply

WIRE = Path(__file__).parents[1] / "fixtures" / "wire"
AT = "2026-11-21T08:44:27.353Z"
Line = dict[str, Any]

pytestmark = pytest.mark.requirement("E04-T023.AC1")


def read(body: bytes, sizes: Sequence[int] = (), *, cut: str | None = None, require_usage: bool = True) -> Outcome:
    """Feed a body in reads of these sizes, over and over; all at once if there are none."""
    fold = Fold(model="asked", require_usage=require_usage, redact=str)
    decoder = AnswerDecoder(fold, OllamaReader(fold), max_bytes=1 << 20, framing="lines")
    chunks: list[StreamChunk] = []
    start, turn = 0, 0
    while start < len(body) and not decoder.ended:
        size = sizes[turn % len(sizes)] if sizes else len(body)
        chunks += decoder.feed(body[start : start + size])
        start, turn = start + size, turn + 1
    rest, result = decoder.close(cut)
    if (failure := fold.failure) is not None:
        fold.describe(failure)
    return chunks + rest, result, failure


def line(text: str = "", *, done: bool = False, **fields: Any) -> Line:
    message = {"role": "assistant", "content": text, **fields.pop("message", {})}
    return {"model": "m:latest", "created_at": AT, "message": message, "done": done, **fields}


def end(reason: str | None = "stop", **fields: Any) -> Line:
    told: Line = {
        "prompt_eval_count": 11,
        "eval_count": 4,
        "total_duration": 3_000_000_000,
        "eval_duration": 2_000_000_000,
    }
    return line("", done=True, **({} if reason is None else {"done_reason": reason}) | told | fields)


def lines(*documents: Line | str) -> bytes:
    said = (one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in documents)
    return "".join(one + "\n" for one in said).encode()


CALLS = [{"function": {"index": 0, "name": "now", "arguments": {"zone": "UTC"}}}, {"function": {"name": "now"}}]
EVERYTHING = lines(
    line(message={"thinking": "Hm\u2028"}),
    line("Hello"),
    line(" wor\u0085ld\u2028"),
    line(message={"tool_calls": CALLS}),
    end(),
)


def test_text_thinking_and_tool_calls() -> None:
    chunks, result, failure = read(EVERYTHING)
    assert failure is None and result is not None
    assert [type(one) for one in chunks[:3]] == [ReasoningChunk, ContentChunk, ContentChunk]
    assert (result.content, result.reasoning, result.model) == ("Hello wor\u0085ld\u2028", "Hm\u2028", "m:latest")
    assert [(call.name, call.arguments) for call in result.tool_calls] == [("now", {"zone": "UTC"}), ("now", {})]
    assert (result.finish_reason, result.native_finish_reason) == ("tool_calls", "stop")
    usage = result.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cost) == (11, 4, 15, None)
    assert usage.raw["eval_duration"] == 2_000_000_000
    assert result.tokens_per_second == 2.0


def test_calls_without_ids_get_ids_of_their_own_which_are_the_same_every_time() -> None:
    ids = [one.id for one in read(EVERYTHING)[0] if isinstance(one, ToolCallChunk)]
    assert len(set(ids)) == 2 and all(ids)
    assert [one.id for one in read(EVERYTHING, [1])[0] if isinstance(one, ToolCallChunk)] == ids
    later = EVERYTHING.replace(AT.encode(), b"2026-11-21T08:44:28.000Z")
    assert not set(ids) & {one.id for one in read(later)[0] if isinstance(one, ToolCallChunk)}
    given_id = lines(line(message={"tool_calls": [{"id": "call_x", **CALLS[0]}]}), end())
    assert [call.id for call in (read(given_id)[1] or pytest.fail()).tool_calls] == ["call_x"]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_any_cut_of_the_bytes_gives_the_same(sizes: list[int]) -> None:
    assert read(EVERYTHING, sizes) == read(EVERYTHING)


def test_an_answer_that_is_cut_anywhere_is_never_complete() -> None:
    last = EVERYTHING.rstrip(b"\n").rindex(b"}")
    for length in range(last + 1):
        chunks, result, failure = read(EVERYTHING[:length])
        assert result is None, length
        assert isinstance(failure, StreamInterruptedError | InvalidResponseError)
        said = "".join(one.content for one in chunks if isinstance(one, ContentChunk))
        assert said == (failure.partial.content if failure.partial else "")
    assert read(EVERYTHING[: last + 1])[1] == read(EVERYTHING)[1]


def test_a_clean_end_without_done_is_a_break() -> None:
    """The server ends so when a model says the same thing thirty times over."""
    _, result, failure = read(lines(line("a"), *[line("a")] * 30))
    assert result is None
    assert type(failure) is StreamInterruptedError and failure.partial is not None
    assert failure.partial.content == "a" * 31


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"error": "model runner has unexpectedly stopped"}, ProviderError),
        ({"error": {"message": "overloaded", "code": 503}}, ProviderError),
        ({"error": "the request exceeds the available context size (4096 tokens)"}, ContextLengthError),
        ({"error": "model 'x' not found"}, ModelNotAvailableError),
    ],
)
def test_an_error_line_is_never_an_answer(said: Line, kind: type[Exception]) -> None:
    for body in (lines(line("Hel"), said, end()), lines(line("Hel"), said)):
        chunks, result, failure = read(body)
        assert (chunks, result, type(failure)) == ([ContentChunk("Hel")], None, kind)
        assert failure is not None and failure.partial is not None and failure.partial.content == "Hel"
    assert type(read(lines(said))[2]) is kind


@pytest.mark.parametrize(
    ("reason", "finish", "native"),
    [("stop", "stop", "stop"), ("length", "length", "length"), ("load", "stop", "load"), (None, "stop", None)],
)
def test_why_it_ended(reason: str | None, finish: str, native: str | None) -> None:
    result = read(lines(line("Hi"), end(reason)))[1]
    assert result is not None
    assert (result.finish_reason, result.native_finish_reason) == (finish, native)


def test_counts_of_zero_are_left_out_there() -> None:
    done = line(done=True, done_reason="stop", eval_count=2, total_duration=5)
    result = read(lines(line("Hi"), done))[1]
    assert result is not None
    assert (result.usage.reported, result.usage.prompt_tokens, result.usage.total_tokens) == (True, 0, 2)
    cached = read(lines(line("Hi"), end(prompt_eval_cached_count=7)))[1]
    assert cached is not None and cached.usage.cached_tokens == 7


def test_an_answer_without_any_figure_has_no_usage() -> None:
    body = lines(line("Hi"), line(done=True, done_reason="stop"))
    failure = read(body)[2]
    assert isinstance(failure, InvalidResponseError) and "No usage" in failure.message
    assert (read(body, require_usage=False)[1] or pytest.fail()).content == "Hi"


def test_one_document_is_an_answer_on_one_line_and_on_many() -> None:
    whole = end() | {"message": {"role": "assistant", "content": "Hello"}}
    for body in (json.dumps(whole), json.dumps(whole) + "\n", json.dumps(whole, indent=2)):
        for sizes in ([], [1], [3]):
            result = read(body.encode(), sizes)[1]
            assert result is not None and result.content == "Hello"
    for body in (json.dumps({"error": "no"}), json.dumps({"error": "no"}, indent=2)):
        assert type(read(body.encode())[2]) is ProviderError


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>Bad gateway</html>", "an HTML page"),
        (lines({"choices": [{"message": {"content": "Hi"}}]}), "it is a chat completion"),
        (lines(line("Hi"), "{broken"), "a line is not valid JSON"),
        (b"", "empty"),
        (lines({"detail": "Not Found"}), "Not Found"),
        (lines({"status": "ok"}), "no answer of Ollama's API"),
    ],
)
def test_what_is_no_answer(body: bytes, says: str) -> None:
    _, result, failure = read(body)
    assert result is None
    assert failure is not None and says in failure.message


def test_fields_of_odd_types_lose_no_text() -> None:
    odd = line("Hi", created_at=5, logprobs="x", eval_count="many", message={"thinking": None, "tool_calls": None})
    result = read(lines(odd, line(" there"), end(eval_count="4")))[1]
    assert result is not None
    assert result.content == "Hi there"


@pytest.mark.parametrize(
    "name", ["aimock-ollama-chat", "ollamaproxy-ollama-chat-stream", "ollamaproxy-ollama-chat-nonstream"]
)
def test_recorded_answers(name: str) -> None:
    reply = recorded_reply(WIRE / f"{name}.txt")
    body = b"".join(step for step in reply.steps if isinstance(step, bytes))
    texts = [json.loads(one)["message"]["content"] for one in body.decode().splitlines() if one.strip()]
    for sizes in ([], [1], [7]):
        _, result, failure = read(body, sizes)
        assert failure is None and result is not None
        assert (result.content, result.finish_reason) == ("".join(texts), "stop")
