"""Every way to fail, over real sockets: one typed error, with what had arrived, and nothing that must not be shown."""

from __future__ import annotations

import builtins
import gzip
import io
import logging
import pickle
import traceback
import zlib
from typing import Any

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import (
    AiError,
    AuthenticationError,
    ConnectionError,
    ContentPolicyError,
    ContextLengthError,
    InsufficientCreditsError,
    InvalidResponseError,
    ModelNotAvailableError,
    OpenRouterClient,
    ProviderError,
    RateLimitError,
    StreamInterruptedError,
    TimeoutError,
)
from raptscallions_ai.testing import Cut, FakeGateway, Gate, Reset, chunk, sse, usage
from raptscallions_ai.testing.wire import DONE

HELLO = sse(chunk("Hello"))
WOR = sse(chunk(" wor"))

STATUS_CASES: list[tuple[int, str, dict[str, Any], type[AiError]]] = [
    (400, "Invalid model: x", {}, ModelNotAvailableError),
    (400, "maximum context length is 4096 tokens", {}, ContextLengthError),
    (401, "No auth credentials found", {}, AuthenticationError),
    (402, "Insufficient credits", {}, InsufficientCreditsError),
    (403, "Input flagged", {"metadata": {"reasons": ["violence"]}}, ContentPolicyError),
    (403, "Invalid key", {}, AuthenticationError),
    (404, "No endpoints found for x/y.", {}, ModelNotAvailableError),
    (408, "Request timed out", {}, TimeoutError),
    (429, "Rate limit exceeded", {"error_type": "rate_limit_exceeded"}, RateLimitError),
    (500, "Internal", {}, ProviderError),
    (502, "Provider down", {"error_type": "provider_unavailable"}, ProviderError),
    (504, "Timeout", {}, TimeoutError),
    (524, "Timeout", {}, TimeoutError),
    (529, "Overloaded", {"error_type": "provider_overloaded"}, ProviderError),
]


@pytest.mark.requirement("E04-T002.AC5")
@pytest.mark.parametrize(("status", "message", "options", "expected"), STATUS_CASES)
async def test_a_status_and_the_same_error_in_the_stream_are_the_same_class(
    client: OpenRouterClient,
    fake_gateway: FakeGateway,
    status: int,
    message: str,
    options: dict[str, Any],
    expected: type[AiError],
) -> None:
    metadata: dict[str, Any] = {**options.get("metadata", {})}
    if error_type := options.get("error_type"):
        metadata["error_type"] = error_type
    fake_gateway.error(status, message, metadata=metadata or None)
    fake_gateway.reply(HELLO, sse({"error": {"code": status, "message": message, "metadata": metadata}, "choices": []}))
    with pytest.raises(AiError) as before:
        await client.chat("Hi")
    with pytest.raises(AiError) as inside:
        await client.chat("Hi")
    assert type(before.value) is type(inside.value) is expected
    assert before.value.partial is None
    assert inside.value.partial is not None
    assert inside.value.partial.content == "Hello"
    assert before.value.status_code == inside.value.status_code
    assert before.value.retryable == inside.value.retryable


@pytest.mark.parametrize(
    "ending", [(), (Cut(),), (Reset(),), (b'data: {"choices":[{"de',), (b"data: [DON", Cut())], ids=str
)
async def test_a_cut_stream_is_never_an_answer(
    client: OpenRouterClient, fake_gateway: FakeGateway, ending: tuple[bytes | Cut | Reset, ...]
) -> None:
    fake_gateway.reply(HELLO, WOR, *ending)
    stream = client.stream_chat("Hi")
    seen: list[str] = []
    with pytest.raises(StreamInterruptedError) as caught:
        async for piece in stream:
            seen.append(piece.type)
    assert seen == ["content", "content"]
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Hello wor"
    assert caught.value.partial.finish_reason is None
    with pytest.raises(StreamInterruptedError):
        await stream.result()


async def test_a_broken_event_keeps_what_came_before_it(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(HELLO, b"data: {broken}\n\n", WOR)
    with pytest.raises(InvalidResponseError, match="not valid JSON") as caught:
        await client.chat("Hi")
    assert type(caught.value) is InvalidResponseError
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Hello"


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"<!doctype html><html>Bad gateway</html>", "text/html", "HTML page"),
        (b"<html>", "text/event-stream", "HTML page"),
        (b"", "text/event-stream", "empty"),
        (b'{"object": "list"}', "application/json", "no choices"),
        (b'{"choices": []}', "application/json", "no choices"),
        (b'{"choices"', "application/json", "not valid JSON"),
        (b": comment\n\n: another\n\n", "text/event-stream", "empty"),
        (b"data: [DONE]\n\n", "text/event-stream", "empty"),
    ],
)
async def test_a_200_that_is_no_answer(
    client: OpenRouterClient, fake_gateway: FakeGateway, body: bytes, content_type: str, expected: str
) -> None:
    fake_gateway.reply(body, headers={"content-type": content_type})
    with pytest.raises(InvalidResponseError, match=expected):
        await client.chat("Hi")


async def test_a_200_with_an_error_body_is_that_error(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.json({"error": {"code": 402, "message": "Insufficient credits"}, "user_id": "user_1"})
    with pytest.raises(InsufficientCreditsError):
        await client.chat("Hi")


async def test_usage_on_the_failing_chunk_is_kept(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    failing: dict[str, Any] = {
        "error": {"code": 502, "message": "Upstream"},
        "choices": [],
        "usage": usage(),
        "id": "gen-9",
    }
    fake_gateway.reply(HELLO, sse(failing))
    with pytest.raises(ProviderError) as caught:
        await client.chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.usage.reported
    assert caught.value.partial.id is not None
    assert caught.value.request_id is not None


async def test_missing_usage_is_an_error_unless_it_is_not_required(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream("Hi", usage=None, times=2)
    with pytest.raises(
        InvalidResponseError, match="^Invalid AI API response: No usage metadata in response$"
    ) as caught:
        await client.chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Hi"
    result = await client.chat("Hi", require_usage=False)
    assert (result.content, result.usage.reported, result.usage.total_tokens) == ("Hi", False, 0)


async def test_the_token_limit_trap_is_a_normal_end(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    trap: dict[str, Any] = {"choices": [], "usage": usage(), "error": {"code": 400, "message": "Token limit reached"}}
    fake_gateway.reply(HELLO, sse(chunk("", finish_reason="length")), sse(trap), DONE)
    result = await client.chat("Hi")
    assert (result.content, result.finish_reason, result.usage.reported) == ("Hello", "length", True)


async def test_a_lost_end_mark_does_not_spoil_a_complete_answer(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(HELLO, sse(chunk("", finish_reason="stop")), sse({"choices": [], "usage": usage()}), Reset())
    assert (await client.chat("Hi")).content == "Hello"


async def test_a_gateway_that_cannot_be_reached(new_client: ClientFactory) -> None:
    with FakeGateway() as gone:
        address = gone.base_url
    with pytest.raises(ConnectionError, match="^Failed to connect to AI gateway$") as caught:
        await new_client(base_url=address).chat("Hi")
    assert isinstance(caught.value, builtins.ConnectionError)
    assert caught.value.details == {"reason": "connection refused"}
    assert caught.value.status_code == 503


async def test_a_host_that_does_not_exist(new_client: ClientFactory) -> None:
    with pytest.raises(ConnectionError) as caught:
        await new_client(base_url="https://gateway.invalid/v1").chat("Hi")
    assert caught.value.details == {"reason": "host name not found"}


@pytest.mark.parametrize("garbage", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\nx"])
async def test_something_that_does_not_speak_http(
    client: OpenRouterClient, fake_gateway: FakeGateway, garbage: bytes
) -> None:
    fake_gateway.reply(garbage, framing="raw")
    with pytest.raises(InvalidResponseError, match="not valid HTTP"):
        await client.chat("Hi")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_key_and_prompt_do_not_follow_a_redirect_to_another_origin(
    client: OpenRouterClient, fake_gateway: FakeGateway, status: int
) -> None:
    with FakeGateway() as other:
        fake_gateway.reply(b"", status=status, headers={"location": other.base_url + "/chat/completions"})
        with pytest.raises(InvalidResponseError, match="redirects to http://127.0.0.1"):
            await client.chat("Hi")
        assert other.requests == []


async def test_a_redirect_within_the_origin_is_followed(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(b"", status=307, headers={"location": "/api/v1/chat/completions"})
    fake_gateway.stream("There")
    assert (await client.chat("Hi")).content == "There"
    assert fake_gateway.requests[0].body == fake_gateway.requests[1].body


async def test_a_compressed_answer_is_read(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    body = HELLO + sse(chunk("", finish_reason="stop")) + sse({"choices": [], "usage": usage()}) + DONE
    fake_gateway.reply(gzip.compress(body), headers={"content-encoding": "gzip", "content-type": "text/event-stream"})
    assert (await client.chat("Hi")).content == "Hello"
    assert fake_gateway.requests[0].headers["accept-encoding"] == "identity"


async def test_an_event_larger_than_the_limit_is_refused(fake_gateway: FakeGateway) -> None:
    from raptscallions_ai import AiSettings

    settings = AiSettings.explicit(
        api_key="k", gateway_url=fake_gateway.base_url, max_event_bytes=2048, max_retries=0, default_model="m"
    )
    fake_gateway.reply(HELLO, sse(chunk("x" * 4000)))
    async with OpenRouterClient(settings=settings) as client:
        with pytest.raises(InvalidResponseError, match="AI_MAX_EVENT_BYTES") as caught:
            await client.chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Hello"


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_error_body_without_end_is_cut(
    client: OpenRouterClient, fake_gateway: FakeGateway, compressed: bool
) -> None:
    flood = [b"x" * 65536] * 1000
    headers = {"content-type": "text/plain"}
    if compressed:
        flood = [gzip.compress(b"\0" * 2**26)] * 1000
        headers["content-encoding"] = "gzip"
    fake_gateway.reply(*flood, status=500, headers=headers)
    with pytest.raises(ProviderError) as caught:
        await client.chat("Hi")
    assert len(caught.value.message) < 1000
    await fake_gateway.requests[0].closed()
    assert fake_gateway.requests[0].disconnected


KEY = "sk-or-v1-not-a-real-key-but-long-enough"
PROMPT = "my PIN is 4711-0815 and nobody must know"
ANSWER = "the completion nobody must see"


@pytest.mark.parametrize("where", ["status", "in_stream", "cut", "unreachable", "validation"])
async def test_no_secret_is_shown_anywhere(
    new_client: ClientFactory, fake_gateway: FakeGateway, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    caplog.set_level(logging.DEBUG, logger="raptscallions_ai")
    echo = f"Bad key {KEY} for the prompt '{PROMPT}'"
    client = new_client(api_key=KEY)
    if where == "status":
        fake_gateway.error(401, echo)
    elif where == "in_stream":
        fake_gateway.reply(sse(chunk(ANSWER)), sse({"error": {"code": 502, "message": echo}, "choices": []}))
    elif where == "cut":
        fake_gateway.reply(sse(chunk(ANSWER)), Reset())
    elif where == "unreachable":
        client = new_client(api_key=KEY, base_url="http://127.0.0.1:9/v1")
    else:
        fake_gateway.json({"detail": [{"loc": ["body"], "msg": "bad", "input": PROMPT, "key": KEY}]}, status=422)
    stream = client.stream_chat([user_message(PROMPT)])
    with pytest.raises(AiError) as caught:
        await stream.result()
    error = caught.value
    shown = io.StringIO()
    for line in traceback.TracebackException.from_exception(error, capture_locals=True).format():
        if "test_errors_over_the_wire.py" not in line:  # this test's own locals hold the secrets, of course
            shown.write(line)
    texts = [str(error), repr(error), str(error.to_dict()), shown.getvalue(), caplog.text, repr(client), repr(stream)]
    texts += [repr(error.partial), repr(error.attempts), str(error.args)]
    for text in texts:
        assert KEY not in text
        assert "4711" not in text
        assert ANSWER not in text
    assert error.__cause__ is None
    assert error.__context__ is None
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.to_dict(), copy.partial) == (type(error), error.to_dict(), error.partial)
    assert KEY.encode() not in pickle.dumps(error)
    assert b"4711" not in pickle.dumps(error)


def user_message(text: str) -> dict[str, object]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


async def test_a_body_that_cannot_be_decompressed_keeps_what_came(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    compressor = zlib.compressobj(wbits=31)
    flushed = compressor.compress(HELLO) + compressor.flush(zlib.Z_SYNC_FLUSH)
    headers = {"content-encoding": "gzip", "content-type": "text/event-stream"}
    gate = Gate()
    fake_gateway.reply(flushed, gate, b"\xff" * 64, headers=headers)
    fake_gateway.reply(b"not gzip at all", status=500, headers=headers)
    stream = client.stream_chat("Hi")
    assert (await anext(stream)).type == "content"
    gate.open()
    with pytest.raises(StreamInterruptedError, match="decompressed") as caught:
        await stream.result()
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Hello"
    with pytest.raises(InvalidResponseError, match="decompressed"):
        await client.chat("Hi")


async def test_listing_models_shows_no_key(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", "/api/v1/models").error(401, f"Bad key {KEY}")
    with pytest.raises(AuthenticationError) as caught:
        await new_client(api_key=KEY).models()
    formatted = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    assert KEY not in "".join(line for line in formatted if "test_errors_over_the_wire.py" not in line)
    assert KEY not in str(caught.value.to_dict())


async def test_the_key_of_an_injected_client_is_not_shown(fake_gateway: FakeGateway) -> None:
    from openai import AsyncOpenAI

    fake_gateway.error(401, f"Bad key {KEY}")
    async with AsyncOpenAI(api_key=KEY, base_url=fake_gateway.base_url) as theirs:
        with pytest.raises(AuthenticationError) as caught:
            await OpenRouterClient(default_model="m", openai_client=theirs, max_retries=0).chat("Hi")
    assert KEY not in str(caught.value.to_dict())


async def test_messages_given_as_extra_body_are_not_shown_either(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.error(400, f"Cannot read '{PROMPT}'")
    with pytest.raises(AiError) as caught:
        await client.chat("Hi", extra_body={"messages": [user_message(PROMPT)]})
    assert fake_gateway.requests[0].json["messages"] == [user_message(PROMPT)]
    assert "4711" not in str(caught.value.to_dict())


async def test_a_provider_that_failed_quietly_is_no_answer(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": None, "native_finish_reason": "network_error"}
    fake_gateway.reply(HELLO, sse({"choices": [choice], "usage": usage()}), DONE)
    with pytest.raises(StreamInterruptedError, match="provider failed") as caught:
        await client.chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Hello"


async def test_a_context_length_alone_is_kept(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.json(
        {"error": {"type": "exceed_context_size_error", "message": "too long", "n_ctx": 2048}}, status=400
    )
    with pytest.raises(ContextLengthError) as caught:
        await client.chat("Hi")
    assert (caught.value.max_tokens, caught.value.requested_tokens) == (2048, None)
