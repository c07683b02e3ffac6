"""One request, its answer and its fold: a failure is noted once, and what had arrived is put on it once."""

from __future__ import annotations

import pytest

from raptscallions_ai import AiError, OpenRouterClient
from raptscallions_ai._call.exchange import Exchange
from raptscallions_ai.testing import Cut, FakeGateway, Step, chunk, sse

HEL = sse(chunk("Hel"))


@pytest.mark.requirement("E04-T007.AC1")
@pytest.mark.parametrize(
    "ending",
    [
        [sse({"error": {"code": 502, "message": "down"}})],
        [b"data: {broken\n\n"],
        [Cut()],
        [],
    ],
    ids=["an error event", "a broken event", "a cut", "no end mark"],
)
async def test_an_error_is_made_once_and_told_once_what_had_arrived(
    client: OpenRouterClient, fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, ending: list[Step]
) -> None:
    noted: list[tuple[object, AiError]] = []
    describe = Exchange.describe

    def watched(self: Exchange, error: AiError) -> None:
        noted.append((self.fold.failure, error))
        assert error.partial is None
        describe(self, error)

    monkeypatch.setattr(Exchange, "describe", watched)
    fake_gateway.reply(HEL, *ending)
    stream = client.stream_chat("Hi")
    with pytest.raises(AiError) as caught:
        await stream.result()
    ((failure, described),) = noted
    assert failure is described is caught.value
    assert caught.value.partial is not None
    assert (caught.value.partial.content, len(caught.value.partial.attempts)) == ("Hel", 1)


async def test_a_failure_before_the_answer_is_noted_in_the_same_place(
    client: OpenRouterClient, fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[tuple[object, AiError]] = []

    def watched(self: Exchange, error: AiError) -> None:
        noted.append((self.fold.failure, error))

    monkeypatch.setattr(Exchange, "describe", watched)
    fake_gateway.error(400, "no")
    with pytest.raises(AiError) as caught:
        await client.chat("Hi", max_retries=0)
    assert noted == [(caught.value, caught.value)]
