"""`on_interrupt="continue"`: the model goes on where its answer broke off, or begins anew where it cannot."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ai_tests import ClientFactory, cut_off, sent_messages

from raptscallions_ai import (
    BadRequestError,
    DoneChunk,
    OpenRouterClient,
    ProviderError,
    StreamInterruptedError,
    assistant,
    user,
)
from raptscallions_ai.testing import FakeGateway, Reply, chunk, sse, usage

pytestmark = [pytest.mark.requirement("E04-T003.AC3"), pytest.mark.usefixtures("short_delays")]


async def told(client: OpenRouterClient, **options: Any) -> tuple[list[str], str]:
    """Ask, and return the kinds of the chunks, and all text in them, whether or not it was taken back."""
    chunks = [piece async for piece in client.stream_chat("Tell", **options)]
    return [piece.type for piece in chunks], "|".join(piece.content for piece in chunks if piece.type == "content")


@pytest.fixture
def continuing(new_client: ClientFactory) -> OpenRouterClient:
    return new_client(on_interrupt="continue", default_model="anthropic/claude-sonnet-4")


async def test_continue_sends_what_there_is_and_joins_the_rest(
    continuing: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(cut_off("Once", " upon"))
    fake_gateway.stream(" a", " time", usage=usage(cost=0.5))
    chunks = [piece async for piece in continuing.stream_chat("Tell")]
    assert [piece.content for piece in chunks if piece.type == "content"] == ["Once", " upon", " a", " time"]
    done = chunks[-1]
    assert len(chunks) == 5
    assert isinstance(done, DoneChunk)
    assert (done.result.content, done.result.finish_reason) == ("Once upon a time", "stop")
    assert done.usage.cost == Decimal("0.5")
    assert sent_messages(fake_gateway, 1) == [
        {"role": "user", "content": "Tell"},
        {"role": "assistant", "content": "Once upon"},
    ]


async def test_an_answer_may_break_off_again_and_again(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    client = new_client(on_interrupt="continue", default_model="anthropic/claude-sonnet-4", max_retries=2)
    fake_gateway.add(cut_off("Once"))
    fake_gateway.add(cut_off(" upon"))
    fake_gateway.stream(" a time")
    assert (await client.chat("Tell")).content == "Once upon a time"
    assert sent_messages(fake_gateway, 2)[-1] == {"role": "assistant", "content": "Once upon"}


async def test_everything_that_arrived_is_on_the_error_of_a_continuation(
    continuing: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(cut_off("Once"))
    fake_gateway.add(cut_off(" upon"))
    with pytest.raises(StreamInterruptedError) as caught:
        await continuing.chat("Tell", max_retries=0)
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Once upon"


@pytest.mark.parametrize(("first", "second"), [("Once ", " upon"), ("Once\n", "\nupon"), ("Once ", "upon")])
async def test_white_space_at_the_seam_is_neither_lost_nor_doubled(
    continuing: OpenRouterClient, fake_gateway: FakeGateway, first: str, second: str
) -> None:
    fake_gateway.add(cut_off(first))
    fake_gateway.stream(second)
    stream = continuing.stream_chat("Tell")
    text = [piece async for piece in stream.text_stream]
    assert "".join(text) == (await stream.result()).content == first + "upon"
    assert sent_messages(fake_gateway, 1)[-1]["content"] == "Once"


async def test_a_seam_of_nothing_but_repeated_space_does_not_end_the_stream(
    continuing: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(cut_off("Once "))
    fake_gateway.reply(sse(chunk(" ")), sse(chunk("upon")), *_rest())
    assert await told(continuing) == (["content", "content", "done"], "Once |upon")


def _rest() -> list[bytes]:
    return [sse(chunk("", finish_reason="stop")), sse({"choices": [], "usage": usage()}), b"data: [DONE]\n\n"]


async def test_the_callers_own_beginning_is_kept(continuing: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.add(cut_off(" upon"))
    fake_gateway.stream(" a time")
    result = await continuing.chat([user("Tell"), assistant("Once")])
    assert result.content == " upon a time"
    assert sent_messages(fake_gateway, 1)[-1] == {"role": "assistant", "content": "Once upon"}


async def test_models_that_are_not_known_to_continue_restart(
    continuing: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(cut_off("Once"))
    fake_gateway.stream("There")
    kinds = ["content", "restarted", "content", "done"]
    assert await told(continuing, model="openai/gpt-4o") == (kinds, "Once|There")
    assert len(sent_messages(fake_gateway, 1)) == 1


async def test_the_caller_knows_best_whether_a_model_continues(
    continuing: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(cut_off("Once"))
    fake_gateway.stream(" upon")
    assert (await continuing.chat("Tell", model="my/own", prefill=True)).content == "Once upon"
    fake_gateway.add(cut_off("Once"))
    fake_gateway.stream("There")
    assert (await continuing.chat("Tell", prefill=False)).content == "There"


@pytest.mark.parametrize("option", [{"response_format": {"type": "json_object"}}, {"reasoning": {"effort": "low"}}])
async def test_a_given_format_or_reasoning_restarts(
    continuing: OpenRouterClient, fake_gateway: FakeGateway, option: dict[str, Any]
) -> None:
    fake_gateway.add(cut_off("Once"))
    fake_gateway.stream("There")
    assert (await continuing.chat("Tell", **option)).content == "There"


async def test_a_tool_call_that_broke_off_restarts(continuing: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a'}}
    fake_gateway.add(cut_off("Once", delta={"content": "Once", "tool_calls": [call]}))
    fake_gateway.stream("There")
    result = await continuing.chat("Tell")
    assert (result.content, result.tool_calls) == ("There", ())


async def test_a_model_that_refuses_the_beginning_is_asked_anew(
    continuing: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(cut_off("Once"))
    fake_gateway.error(400, "This model does not support assistant message prefill.")
    fake_gateway.stream("There")
    assert await told(continuing) == (["content", "restarted", "content", "done"], "Once|There")
    assert [len(sent_messages(fake_gateway, number)) for number in range(3)] == [1, 2, 1]


async def test_the_original_error_stays_the_cause(continuing: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.add(
        Reply(
            (
                sse(chunk("Once")),
                sse({"id": "gen-1", "choices": [], "error": {"code": 502, "message": "upstream died"}}),
            )
        )
    )
    fake_gateway.error(400, "no prefill")
    fake_gateway.error(400, "still wrong")
    with pytest.raises(BadRequestError, match="still wrong") as caught:
        await continuing.chat("Tell")
    cause = caught.value.__cause__
    assert isinstance(cause, ProviderError)
    assert "upstream died" in cause.message
    assert cause.partial is not None
    assert cause.partial.content == "Once"
