"""Every recorded answer and error of every dialect: the same however it is cut, and never whole when it is cut off."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from ai_tests import Outcome, Recorded
from hypothesis import given, settings
from hypothesis import strategies as st

from raptscallions_ai._dialects.anthropic.dialect import AnthropicDialect
from raptscallions_ai._dialects.decoder import AnswerDecoder
from raptscallions_ai._dialects.dialect import Dialect
from raptscallions_ai._dialects.failures import classify
from raptscallions_ai._dialects.fold import Fold
from raptscallions_ai._dialects.json import parse_json
from raptscallions_ai._dialects.ollama.dialect import OllamaDialect
from raptscallions_ai._dialects.ollama.encode import OllamaDefaults
from raptscallions_ai._dialects.openai.dialect import OpenAIDialect
from raptscallions_ai.answer.chunks import ContentChunk, StreamChunk
from raptscallions_ai.errors import AiError, AuthenticationError, BadRequestError, ModelNotAvailableError, ProviderError

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "wire"
DIALECTS: dict[str, Dialect] = {
    "/v1/messages": AnthropicDialect("http://here", at_anthropic=False, version="2023-06-01"),
    "/api/chat": OllamaDialect(OllamaDefaults()),
    "/chat/completions": OpenAIDialect(),
}
STATUS = re.compile(rb"HTTP/1\.1 (\d+)")
LOST = "the connection was lost (reset)"
LARGEST = 4500  # bytes; longer ones say nothing new, and each is read once for each of its bytes


def asked(path: Path) -> bytes:
    return path.read_bytes().partition(b"# --- request")[0]


def recordings_of(end: str) -> list[str]:
    """Return the names of the recordings of a path, told by its end."""
    ends = re.compile(rb"http://\S+" + end.encode() + rb"(?:[?'\"\s]|$)")
    return sorted(
        path.stem for path in RECORDINGS.glob("*.txt") if ends.search(asked(path)) and STATUS.search(path.read_bytes())
    )


NAMES = [(name, dialect) for end, dialect in DIALECTS.items() for name in recordings_of(end)]


def status_of(name: str) -> int:
    return int(STATUS.findall((RECORDINGS / f"{name}.txt").read_bytes())[0])


ANSWERS = [(name, dialect) for name, dialect in NAMES if status_of(name) == 200]
SHORT = [(name, dialect) for name, dialect in ANSWERS if (RECORDINGS / f"{name}.txt").stat().st_size < LARGEST]
ERRORS = [(name, dialect) for name, dialect in NAMES if status_of(name) >= 400 and dialect.name != "openai"]


def read(dialect: Dialect, body: bytes, sizes: Sequence[int] = (), cut: str | None = None) -> Outcome:
    """Feed a body in reads of these sizes, over and over; all at once if there are none."""
    fold = Fold(model="asked", require_usage=True, redact=str)
    decoder = AnswerDecoder(fold, dialect.reader(fold), max_bytes=1 << 20, framing=dialect.framing)
    chunks: list[StreamChunk] = []
    start = turn = 0
    while start < len(body) and not decoder.ended:
        size = sizes[turn % len(sizes)] if sizes else len(body)
        chunks += decoder.feed(body[start : start + size])
        start, turn = start + size, turn + 1
    rest, result = decoder.close(cut)
    if (failure := fold.failure) is not None:
        fold.describe(failure)
    return chunks + rest, result, failure


def comparable(outcome: Outcome) -> object:
    chunks, result, failure = outcome
    return chunks, result, type(failure), failure and (failure.to_dict(), failure.partial, failure.retryable)


@pytest.mark.requirement("E04-T022.AC2")
@pytest.mark.parametrize(("name", "dialect"), ANSWERS, ids=[name for name, _ in ANSWERS])
@settings(max_examples=20)
@given(sizes=st.lists(st.integers(1, 90), min_size=1, max_size=9))
def test_any_cut_gives_the_same_chunks(recorded: Recorded, name: str, dialect: Dialect, sizes: list[int]) -> None:
    body = recorded(name)[2]
    assert comparable(read(dialect, body, sizes)) == comparable(read(dialect, body))


@pytest.mark.requirement("E04-T022.AC2")
@pytest.mark.parametrize(("name", "dialect"), SHORT, ids=[name for name, _ in SHORT])
def test_broken_off_at_any_byte_it_is_never_whole(recorded: Recorded, name: str, dialect: Dialect) -> None:
    """What is called an answer has all that the whole one has; anything less is an error, with the text so far."""
    body = recorded(name)[2]
    _, whole, _ = read(dialect, body)
    taken_for_whole = 0
    for length in range(len(body)):
        chunks, result, failure = read(dialect, body[:length], cut=LOST if length % 2 else None)
        text = "".join(chunk.content for chunk in chunks if isinstance(chunk, ContentChunk))
        if result is None:
            assert failure is not None
            assert (failure.partial.content if failure.partial else "") == text
        else:
            taken_for_whole += 1
            assert whole is not None, length
            assert result.content == text == whole.content, length
            assert (result.tool_calls, result.reasoning) == (whole.tool_calls, whole.reasoning), length
            assert (result.finish_reason, result.usage) == (whole.finish_reason, whole.usage), length
    assert taken_for_whole < len(body) / 2  # only what follows all evidence: the end mark, or blanks


def test_there_are_recordings_of_every_dialect() -> None:
    assert {dialect.name: sum(other is dialect for _, other in SHORT) >= 3 for _, dialect in SHORT} == {
        "anthropic": True,
        "ollama": True,
        "openai": True,
    }


# What each is, and the seconds to wait.
EXPECTED: dict[str, tuple[type[AiError], int, float | None]] = {
    "litellm-anthropic-err-401": (AuthenticationError, 401, None),
    "litellm-anthropic-err-nomax": (BadRequestError, 400, None),
    "litellm-anthropic-err-unknown-model": (ModelNotAvailableError, 400, None),
    "llamacpp-anthropic-err-wrong-key": (AuthenticationError, 401, None),
    "litellm-ollama-chat-nonstream": (BadRequestError, 404, None),
    "litellm-ollama-chat-stream": (BadRequestError, 404, None),
    "llamacpp-ollama-chat-nonstream": (BadRequestError, 404, None),
    "llamacpp-ollama-chat-stream": (BadRequestError, 404, None),
    "ollamaproxy-err-bad-json": (ProviderError, 500, None),
    "ollamaproxy-err-model": (ModelNotAvailableError, 400, None),
}


def test_every_recorded_error_is_expected_here() -> None:
    assert {name for name, _ in ERRORS} == set(EXPECTED)


@pytest.mark.parametrize(("name", "dialect"), ERRORS, ids=[name for name, _ in ERRORS])
def test_recorded_errors(recorded: Recorded, name: str, dialect: Dialect) -> None:
    kind, code, seconds = EXPECTED[name]
    status, headers, body, _ = recorded(name)
    error = classify(dialect.failure(parse_json(body), status, headers), model="some/model", redact=str)
    assert type(error) is kind
    assert (error.status_code, error.retry_after) == (code, seconds)
    assert error.retryable == (kind is ProviderError)
    assert error.message.isprintable()
