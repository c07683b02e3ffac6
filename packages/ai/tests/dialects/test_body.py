import json
from typing import Any

import pytest
from ai_tests import Drive

from raptscallions_ai._dialects.decoder import AnswerDecoder
from raptscallions_ai._dialects.fold import Fold
from raptscallions_ai._dialects.openai.reader import OpenAIReader
from raptscallions_ai.answer.chunks import ContentChunk
from raptscallions_ai.errors import (
    AiError,
    InvalidResponseError,
    ProviderError,
    RateLimitError,
    StreamInterruptedError,
)

SIZES = [1, 2, 3, 7, 64, None]
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
DOCUMENT = json.dumps({"id": "gen-1", "model": "m", "choices": [CHOICE], "usage": USAGE}).encode()
TEXT = b'data: {"id":"gen-1","choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}\n\n'
DONE = b"data: [DONE]\n\n"
STREAM = TEXT + END + DONE


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(DOCUMENT, id="document"),
        pytest.param(DOCUMENT + b"\n", id="document and a line end"),
        pytest.param(b"\n\n  \r\n" + DOCUMENT + b"  ", id="blanks around the document"),
        pytest.param(b" \n" * 5_000 + DOCUMENT, id="blanks as keep-alives before the document"),
        pytest.param(b"\xef\xbb\xbf" + DOCUMENT, id="byte order mark before the document"),
        pytest.param(json.dumps(json.loads(DOCUMENT), indent=4).encode(), id="indented document"),
        pytest.param(STREAM, id="stream"),
        pytest.param(b": OPENROUTER PROCESSING\n\n" * 50 + STREAM, id="comments before the stream"),
        pytest.param(b":\n\n" + STREAM, id="bare comment before the stream"),
        pytest.param(b"\n\n\n" + STREAM, id="blank lines before the stream"),
        pytest.param(b"\xef\xbb\xbf" + STREAM, id="byte order mark before the stream"),
        pytest.param(STREAM.replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param(STREAM.replace(b"\n", b"\r"), id="cr"),
        pytest.param(STREAM.replace(b"data: ", b"data:"), id="no space"),
        pytest.param(b"id: 1\nretry: 500\n\n: ping\n\n" + STREAM, id="id and retry"),
        pytest.param(STREAM.replace(b"data: {", b"event: message\ndata: {"), id="named message"),
        pytest.param(STREAM.replace(b'"choices":', b'\ndata: "choices":'), id="an event on two lines"),
        pytest.param(STREAM.rstrip(b"\n"), id="no blank line at the end"),
        pytest.param(TEXT + END, id="no end mark"),
        pytest.param((TEXT + END).rstrip(b"\n"), id="no end mark and no blank line"),
        pytest.param(STREAM.replace(b"[DONE]", b"[DONE] "), id="blank after the end mark"),
        pytest.param(STREAM.replace(b"[DONE]", b"  [DONE]"), id="blanks before the end mark"),
        pytest.param(STREAM + TEXT + b"data: nonsense\n\n", id="anything after the end mark"),
    ],
)
def test_documents_and_streams_are_reported_by_their_first_byte(drive: Drive, body: bytes, size: int | None) -> None:
    chunks, result, failure = drive(body, size)
    assert failure is None
    assert chunks == [ContentChunk("Hello")]
    assert result is not None
    assert (result.content, result.finish_reason, result.usage.prompt_tokens) == ("Hello", "stop", 1)


NOT_AN_ANSWER = [
    pytest.param(b"", "the response was empty", True, id="empty"),
    pytest.param(b" \n\r\n", "the response was empty", True, id="blank"),
    pytest.param(b"\xef\xbb\xbf", "the response was empty", True, id="byte order mark"),
    pytest.param(b": ping\n\n: ping\n\n", "the response was empty", True, id="comments only"),
    pytest.param(b"Internal Server Error", "the response was empty", True, id="plain text"),
    pytest.param(b"data: [DONE]\n\n", "the response was empty", True, id="end mark only"),
    pytest.param(
        b"<!DOCTYPE html><html>", "it is an HTML page, not an answer - check AI_GATEWAY_URL", False, id="html"
    ),
    pytest.param(
        b"\n <html>", "it is an HTML page, not an answer - check AI_GATEWAY_URL", False, id="html after blanks"
    ),
    pytest.param(b"{}", "it has no choices", True, id="empty object"),
    pytest.param(b'{"choices":[]}', "it has no choices", True, id="no choices"),
    pytest.param(b'{"choices":null,"id":"x"}', "it has no choices", True, id="null choices"),
    pytest.param(b'{"object":"list","data":[]}', "it has no choices", True, id="another document"),
    pytest.param(DOCUMENT.replace(b"usage", b"usages"), "No usage metadata in response", False, id="no usage"),
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("body", "why", "retryable"), NOT_AN_ANSWER)
def test_what_is_no_answer(drive: Drive, body: bytes, why: str, retryable: bool, size: int | None) -> None:
    _, result, failure = drive(body, size)
    assert result is None
    assert type(failure) is InvalidResponseError
    assert str(failure) == f"Invalid AI API response: {why}"
    assert (failure.retryable, failure.status_code) == (retryable, 502)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"[1]",
        b"[DONE]",
        b"{secret}",
        DOCUMENT + b"secret",
        b'{"choices":["secret"',
        DOCUMENT[:-1],
        b'["secret"]',
    ],
    ids=str,
)
def test_documents_that_cannot_be_read_are_not_quoted(drive: Drive, body: bytes, size: int | None) -> None:
    chunks, result, failure = drive(body, size)
    assert (chunks, result) == ([], None)
    assert type(failure) is InvalidResponseError
    assert failure.retryable
    assert "secret" not in f"{failure} {failure!r} {failure.details}"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(b'{"error":{"code":429,"message":"x"},"user_id":"u"}', RateLimitError, id="envelope"),
        pytest.param(b'[{"error":{"code":429,"message":"x"}}]', RateLimitError, id="envelope in a list"),
        pytest.param(b' \n{"error":"upstream died"}', ProviderError, id="error as text, after blanks"),
        pytest.param(b'{"detail":"upstream died"}', ProviderError, id="detail"),
        pytest.param(b'{"status":"failure","message":"died"}', ProviderError, id="status and message"),
        pytest.param(b'{"message":"slow down","type":"rate_limit_error"}', RateLimitError, id="bare error object"),
    ],
)
def test_errors_with_status_200(drive: Drive, body: bytes, kind: type[AiError], size: int | None) -> None:
    chunks, result, failure = drive(body, size)
    assert (chunks, result) == ([], None)
    assert type(failure) is kind


def test_a_document_that_is_cut_is_interrupted(drive: Drive) -> None:
    _, _, failure = drive(DOCUMENT[:-5], cut="the connection was lost (reset)")
    assert type(failure) is StreamInterruptedError
    assert failure.retryable


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("end", [b"", b"\n"], ids=["inside the line", "before the blank line"])
def test_an_event_that_is_cut_at_the_end_is_an_interruption(drive: Drive, end: bytes, size: int | None) -> None:
    chunks, _, failure = drive(TEXT + TEXT[:40] + end, size)
    assert chunks == [ContentChunk("Hello")]
    assert type(failure) is StreamInterruptedError
    assert failure.retryable
    assert failure.partial is not None
    assert (failure.partial.content, failure.partial.id) == ("Hello", "gen-1")


@pytest.mark.parametrize("size", SIZES)
def test_a_lost_connection_is_named(drive: Drive, size: int | None) -> None:
    chunks, _, failure = drive(TEXT, size, cut="the connection was lost (reset)")
    assert chunks == [ContentChunk("Hello")]
    assert type(failure) is StreamInterruptedError
    assert str(failure) == "Invalid AI API response: the connection was lost (reset)"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "event",
    [b'data: {"choices":[{"delta":{"content":"sec\n\n', b"data: secret\n\n", b"data: [1]\n\n", b"data: 5\n\n",
     b'data: "x"\n\n', b"event: message\ndata: secret\n\n", b"data: [DONE]x\n\n", b"data: done\n\n"],
    ids=["cut", "word", "list", "number", "text", "named message", "more than the end mark", "other word"],
)  # fmt: skip
def test_a_malformed_event_is_an_error_that_keeps_what_came(drive: Drive, event: bytes, size: int | None) -> None:
    chunks, result, failure = drive(TEXT + event + STREAM, size)
    assert (chunks, result) == ([ContentChunk("Hello")], None)
    assert type(failure) is InvalidResponseError
    assert str(failure).startswith("Invalid AI API response: an event is not valid JSON: ")
    assert failure.retryable
    assert "sec" not in f"{failure} {failure!r} {failure.details}"
    assert failure.partial is not None and failure.partial.content == "Hello"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("end", [b"", b"\n\n"], ids=["without end", "complete"])
def test_an_event_above_the_limit_keeps_what_came(drive: Drive, end: bytes, size: int | None) -> None:
    chunks, result, failure = drive(TEXT + b'data: {"x":"' + b"y" * 300 + b'"}' + end, size, max_bytes=200)
    assert (chunks, result) == ([ContentChunk("Hello")], None)
    assert type(failure) is InvalidResponseError
    assert "AI_MAX_EVENT_BYTES" in str(failure)
    assert not failure.retryable
    assert failure.partial is not None and failure.partial.content == "Hello"


def test_a_malformed_event_before_one_above_the_limit_is_reported(drive: Drive) -> None:
    _, _, failure = drive(TEXT + b"data: nonsense\n\ndata: " + b"y" * 300, max_bytes=200)
    assert type(failure) is InvalidResponseError
    assert "is not valid JSON" in str(failure)


@pytest.mark.parametrize("size", SIZES)
def test_the_end_mark_counts_only_with_usage(drive: Drive, size: int | None) -> None:
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n'
    assert drive(TEXT + usage + DONE, size)[1] is not None
    for missing in (TEXT + usage, TEXT + DONE, TEXT + DONE + usage):
        assert type(drive(missing, size)[2]) is StreamInterruptedError


@pytest.mark.parametrize("size", SIZES)
def test_a_document_above_the_limit(drive: Drive, size: int | None) -> None:
    _, result, failure = drive(DOCUMENT, size, max_bytes=len(DOCUMENT) - 1)
    assert result is None
    assert type(failure) is InvalidResponseError
    assert "AI_MAX_EVENT_BYTES" in str(failure)
    assert drive(DOCUMENT, size, max_bytes=len(DOCUMENT))[1] is not None


def test_chunks_are_given_as_soon_as_their_event_is_complete() -> None:
    fold = Fold(model="m", require_usage=True, redact=str)
    decoder = AnswerDecoder(fold, OpenAIReader(fold), max_bytes=1000)
    assert decoder.feed(TEXT[:-1]) == []
    assert decoder.feed(TEXT[-1:] + END) == [ContentChunk("Hello")]
    assert (decoder.ended, decoder.failure, fold.awaits_end) == (False, None, True)
    assert decoder.feed(DONE) == []
    assert decoder.ended


def test_comments_are_counted() -> None:
    fold = Fold(model="m", require_usage=True, redact=str)
    decoder = AnswerDecoder(fold, OpenAIReader(fold), max_bytes=1000)
    for count in range(1, 4):
        decoder.feed(b": OPENROUTER PROCESSING\n\n")
        assert decoder.keep_alives == count


def deltas(*contents: str) -> bytes:
    events: list[Any] = [{"choices": [{"delta": {"content": content}}]} for content in contents]
    return b"".join(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n" for event in events)


@pytest.mark.parametrize("size", SIZES)
def test_text_is_whole_however_its_utf8_is_cut(drive: Drive, size: int | None) -> None:
    texts = ["é", "€", "😀", "a\u2028b\u0085c", "\ufeff", "line\nline\r\n"]
    chunks, result, _ = drive(deltas(*texts) + END + DONE, size)
    assert chunks == [ContentChunk(text) for text in texts]
    assert result is not None and result.content == "".join(texts)
