"""After the first token: fail, restart or continue; nothing is lost, nothing is counted twice."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any, cast

import pytest
from ai_tests import ClientFactory, cut_off

from raptscallions_ai import (
    AiError,
    ChatResult,
    ContentPolicyError,
    DoneChunk,
    InvalidResponseError,
    OpenRouterClient,
    ProviderError,
    RestartedChunk,
    StreamChunk,
    StreamInterruptedError,
    TimeoutError,
    Timeouts,
)
from raptscallions_ai.testing import FakeGateway, Hang, Reply, Reset, chunk, sse, usage

pytestmark = [pytest.mark.requirement("E04-T003.AC3"), pytest.mark.usefixtures("short_delays")]


def in_band(status: int, message: str, **more: Any) -> bytes:
    return sse({"id": "gen-1", "choices": [], "error": {"code": status, "message": message}, **more})


async def collected(stream: Any) -> list[StreamChunk]:
    return [piece async for piece in stream]


def text_of(chunks: list[StreamChunk]) -> str:
    """What a reader sees at the end who heeds `restarted`."""
    text = ""
    for piece in chunks:
        if piece.type == "content":
            text += piece.content
        elif piece.type == "restarted":
            assert piece.discarded.content == text
            text = ""
    return text


@pytest.fixture
def restarting(new_client: ClientFactory) -> OpenRouterClient:
    return new_client(on_interrupt="restart")


async def test_the_default_is_to_fail_and_to_keep_the_text(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(cut_off("Once", " upon"))
    with pytest.raises(StreamInterruptedError) as caught:
        await new_client(max_retries=5).chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Once upon"
    assert len(fake_gateway.requests) == 1


async def test_restart_says_what_to_discard_just_before_the_new_text(
    restarting: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(cut_off("Once", " upon"))
    fake_gateway.stream("There", " was")
    chunks = await collected(restarting.stream_chat("Hi"))
    assert [piece.type for piece in chunks] == ["content", "content", "restarted", "content", "content", "done"]
    assert text_of(chunks) == "There was"
    news, done = chunks[2], chunks[-1]
    assert isinstance(news, RestartedChunk)
    assert isinstance(done, DoneChunk)
    assert isinstance(news.error, StreamInterruptedError)
    assert done.result.content == "There was"
    assert [attempt.error for attempt in done.result.attempts] == ["StreamInterruptedError", None]
    assert fake_gateway.requests[0].body == fake_gateway.requests[1].body


async def test_the_policy_of_a_call_wins_over_the_clients(
    restarting: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(cut_off("Once"))
    with pytest.raises(StreamInterruptedError):
        await restarting.chat("Hi", on_interrupt="fail")
    fake_gateway.add(cut_off("Once"))
    assert (await restarting.chat("Hi")).content == "Hello from the fake gateway."


async def test_text_and_usage_of_all_attempts(restarting: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.add(Reply((sse(chunk("Once")), in_band(502, "upstream died", usage=usage(7, 3, cost=0.25)))))
    fake_gateway.stream("There", usage=usage(7, 1, cost=0.5))
    result = await restarting.chat("Hi")
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (14, 4)
    assert (result.usage.cost, result.usage.cost_source) == (Decimal("0.75"), "reported")
    first, second = result.attempts
    assert first.usage is not None
    assert second.usage is not None
    assert (first.usage.cost, second.usage.cost) == (Decimal("0.25"), Decimal("0.5"))


async def test_a_cost_that_a_cut_attempt_left_open_makes_the_sum_uncertain(
    restarting: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(cut_off("Once"))
    fake_gateway.stream("There", usage=usage(cost=0.5))
    result = await restarting.chat("Hi")
    assert (result.usage.cost, result.usage.cost_source) == (Decimal("0.5"), "unknown")


async def test_what_is_shown_stays_until_there_is_something_new(
    restarting: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(cut_off("Once", " upon"))
    fake_gateway.error(401, "revoked")
    seen: list[str] = []
    stream = restarting.stream_chat("Hi")
    with pytest.raises(AiError) as caught:
        async for piece in stream:
            seen.append(piece.type)
    error = caught.value
    assert seen == ["content", "content"]
    assert (type(error).__name__, error.partial and error.partial.content) == ("AuthenticationError", "Once upon")
    assert stream.partial.content == "Once upon"
    assert isinstance(error.__cause__, StreamInterruptedError)
    assert [attempt.error for attempt in error.attempts] == ["StreamInterruptedError", "AuthenticationError"]
    assert pickle.loads(pickle.dumps(error)).partial.content == "Once upon"


async def test_restarts_are_bounded(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    client = new_client(on_interrupt="restart", max_retries=2)
    fake_gateway.add(cut_off("Once"), times=None)
    with pytest.raises(StreamInterruptedError) as caught:
        await client.chat("Hi")
    assert len(fake_gateway.requests) == 3
    assert len(caught.value.attempts) == 3


async def test_a_restart_may_need_retries_of_its_own(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    client = new_client(on_interrupt="restart", max_retries=1)
    fake_gateway.add(cut_off("Once"))
    fake_gateway.error(503, "busy", headers={"retry-after-ms": "1"})
    fake_gateway.stream("There")
    result = await client.chat("Hi")
    assert result.content == "There"
    assert [attempt.error for attempt in result.attempts] == ["StreamInterruptedError", "ProviderError", None]


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (b"data: {broken\n\n", InvalidResponseError),
        (in_band(502, "Provider returned error"), ProviderError),
        (sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}), StreamInterruptedError),
    ],
    ids=["broken event", "in-band error", "finish reason error"],
)
async def test_every_kind_of_interruption_restarts(
    restarting: OpenRouterClient, fake_gateway: FakeGateway, end: bytes, error: type[AiError]
) -> None:
    fake_gateway.add(Reply((sse(chunk("Once")), end)))
    fake_gateway.stream("There")
    chunks = await collected(restarting.stream_chat("Hi"))
    news = chunks[1]
    assert isinstance(news, RestartedChunk)
    assert type(news.error) is error
    assert text_of(chunks) == "There"


async def test_a_reset_restarts(restarting: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Once")), Reset())
    fake_gateway.stream("There")
    assert (await restarting.chat("Hi")).content == "There"


async def test_silence_in_the_middle_restarts(restarting: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Once")), Hang())
    fake_gateway.stream("There")
    result = await restarting.chat("Hi", timeout=Timeouts(first_chunk=5, idle=0.2))
    assert result.content == "There"
    assert result.attempts[0].error == "TimeoutError"
    await fake_gateway.requests[0].closed()
    assert fake_gateway.requests[0].disconnected


@pytest.mark.parametrize(
    "end", [in_band(400, "flagged by moderation"), in_band(401, "revoked")], ids=["policy", "authentication"]
)
async def test_what_would_fail_again_is_not_asked_again(
    restarting: OpenRouterClient, fake_gateway: FakeGateway, end: bytes
) -> None:
    fake_gateway.add(Reply((sse(chunk("Once")), end)))
    with pytest.raises(AiError) as caught:
        await restarting.chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Once"
    assert len(fake_gateway.requests) == 1


async def test_a_whole_answer_without_usage_is_not_asked_for_again(
    restarting: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream("Once", usage=None)
    with pytest.raises(InvalidResponseError, match="No usage metadata in response"):
        await restarting.chat("Hi")
    assert len(fake_gateway.requests) == 1


async def test_a_text_stream_does_not_hide_a_restart(restarting: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.add(cut_off("Once"))
    text: list[str] = []
    with pytest.raises(StreamInterruptedError):
        async for piece in restarting.stream_chat("Hi").text_stream:
            text.append(piece)
    assert text == ["Once"]


async def test_total_bounds_restarts(restarting: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.add(cut_off("Once"))
    fake_gateway.reply(Hang())
    with pytest.raises(TimeoutError) as caught:
        await restarting.chat("Hi", timeout=Timeouts(total=0.8))
    assert caught.value.phase == "total"
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Once"


async def test_a_json_body_needs_no_policy(restarting: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    result = await restarting.chat("Hi", stream=False)
    assert isinstance(result, ChatResult)
    assert len(result.attempts) == 1


async def test_an_unknown_policy_is_refused_at_once(new_client: ClientFactory, client: OpenRouterClient) -> None:
    with pytest.raises(ValueError, match="on_interrupt must be 'fail', 'restart' or 'continue'"):
        new_client(on_interrupt="retry")
    with pytest.raises(ValueError, match="on_interrupt must be"):
        client.stream_chat("Hi", on_interrupt=cast("Any", "retry"))


async def test_a_rejection_before_the_first_token_is_not_an_interruption(
    restarting: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.error(403, "flagged", metadata={"reasons": ["violence"], "flagged_input": "x"})
    with pytest.raises(ContentPolicyError):
        await restarting.chat("Hi")
    assert len(fake_gateway.requests) == 1
