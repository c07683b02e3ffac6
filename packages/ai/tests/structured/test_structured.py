"""`parse` and `stream_parse` over the wire: what is asked for, what comes back, and how it may fail to fit."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import traceback
from decimal import Decimal
from typing import Any, assert_type

import pytest
from ai_tests import ClientFactory, gone
from pydantic import BaseModel

from raptscallions_ai import (
    AiError,
    ChatResult,
    ContentPolicyError,
    InvalidOutputError,
    OpenRouterClient,
    ParsedResult,
    ParsedStream,
    ProviderError,
    StreamInterruptedError,
    ToolCallChunk,
    system,
    user,
)
from raptscallions_ai.answer import OutputIssue
from raptscallions_ai.errors import RefusalError, TruncatedOutputError
from raptscallions_ai.testing import Cut, FakeGateway, Hang, ScriptedClient, chunk, completion, sse, usage
from raptscallions_ai.testing.wire import DONE

pytestmark = pytest.mark.requirement("E04-T005.AC4")


class Person(BaseModel):
    name: str
    age: int


ADA = Person(name="Ada", age=36)
GOOD = '{"name": "Ada", "age": 36}'
BAD = '{"name": "Ada", "age": "a secret"}'
SCHEMA = {
    "title": "Person",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def pieces(text: str) -> list[str]:
    return [text[start : start + 3] for start in range(0, len(text), 3)]


async def test_an_answer_becomes_an_object(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream(*pieces(GOOD))
    result = await client.parse([system("Be brief."), user("Who?")], Person, temperature=0.5, model="a/b")
    assert result.parsed == ADA
    assert (result.content, result.finish_reason, result.usage.cost) == (GOOD, "stop", Decimal("0.00015"))
    assert result.to_message().content == GOOD
    assert isinstance(result, ChatResult)
    assert len(result.attempts) == 1
    sent = fake_gateway.requests[0].json
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "Person", "strict": True, "schema": SCHEMA},
    }
    assert (sent["temperature"], sent["model"], sent["stream"]) == (0.5, "a/b", True)
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]


async def test_an_answer_in_one_body(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.json(completion('{"value": [1, 2]}'))
    result = await client.parse("Count.", list[int], stream=False)
    assert result.parsed == [1, 2]
    assert fake_gateway.requests[0].json["stream"] is False


async def test_types_are_inferred() -> None:
    client: OpenRouterClient | ScriptedClient = ScriptedClient(GOOD, '{"value": [3]}', GOOD)
    # Pyright checks these, too.
    assert_type((await client.parse("Who?", Person)).parsed, Person)
    assert_type((await client.parse("Which?", response_model=list[int])).parsed, list[int])
    stream = assert_type(client.stream_parse("Who?", Person), ParsedStream[Person])
    async for person in stream:
        assert_type(person, Person)
    assert_type((await stream.result()).parsed.age, int)


async def test_a_result_shows_no_content_and_can_be_pickled(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream(GOOD)
    result = await client.parse("Who?", Person)
    assert repr(result).startswith("ParsedResult(parsed=Person, model='fake/model-1'")
    assert "Ada" not in repr(result)
    assert pickle.loads(pickle.dumps(result)) == result


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, {"require_parameters": True}),
        ({"order": ["x"]}, {"require_parameters": True, "order": ["x"]}),
        ({"require_parameters": False}, {"require_parameters": False}),
    ],
)
async def test_openrouter_is_asked_for_endpoints_that_know_schemas(own: Any, expected: Any) -> None:
    class Routed(ScriptedClient):
        @property
        def has_provider_routing(self) -> bool:
            return True

    for client, provider in ((Routed(GOOD, [GOOD]), expected), (ScriptedClient(GOOD, [GOOD]), own)):
        await client.parse("Who?", Person, provider=own)
        assert (await client.stream_parse("Who?", Person, provider=own).result()).parsed == ADA
        assert [call.options.get("provider") for call in client.calls] == [provider, provider]


@pytest.mark.parametrize(
    ("urls", "routed"),
    [
        (["https://openrouter.ai/api/v1"], True),
        (["https://eu.openrouter.ai/api/v1"], True),
        (["https://gateway.example/v1"], False),
        (["https://notopenrouter.ai/v1"], False),
        (["https://openrouter.ai/api/v1", "https://eu.openrouter.ai/api/v1"], True),
        (["https://openrouter.ai/api/v1", "https://gateway.example/v1"], False),
    ],
)
def test_which_clients_know_provider_routing(urls: list[str], routed: bool) -> None:
    fallbacks = [OpenRouterClient("key", url, "a/b") for url in urls[1:]]
    assert OpenRouterClient("key", urls[0], "a/b", fallback_clients=fallbacks).has_provider_routing is routed


async def test_a_text_that_does_not_fit(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream(BAD, id="gen-7")
    with pytest.raises(InvalidOutputError) as caught:
        await client.parse("Who?", Person)
    error = caught.value
    assert str(error) == "Invalid AI API response: the answer does not fit Person in 1 place"
    [issue] = error.errors
    assert issue.path == ("age",)
    assert issue.reason.startswith("Input should be a valid integer")
    assert error.partial is not None
    assert (error.partial.content, error.partial.usage.cost) == (BAD, Decimal("0.00015"))
    assert (error.request_id, error.provider, len(error.attempts)) == ("gen-7", "FakeProvider", 1)
    assert (error.__cause__, error.__context__) == (None, None)


async def test_a_text_that_is_no_json(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("I would rather not.")
    with pytest.raises(InvalidOutputError, match="the answer is not a JSON object") as caught:
        await client.parse("Who?", Person)
    assert caught.value.partial is not None
    assert caught.value.partial.content == "I would rather not."


async def test_a_text_that_stopped_at_its_token_limit(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream('{"name": "A', finish_reason="length").stream(GOOD, finish_reason="length")
    with pytest.raises(TruncatedOutputError) as caught:
        await client.parse("Who?", Person, repair=True)
    assert caught.value.partial is not None
    assert caught.value.partial.content == '{"name": "A'
    assert len(fake_gateway.requests) == 1, "what was cut off is no better for being asked to be repaired"
    # Complete JSON proves itself: only the blanks behind it were cut off.
    assert (await client.parse("Who?", Person)).parsed == ADA


async def test_a_refusal(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    said = chunk(delta={"refusal": "That I must not say."}, finish_reason="stop", usage=usage())
    fake_gateway.reply(sse(said), DONE, times=2)
    with pytest.raises(RefusalError) as caught:
        await client.parse("Who?", Person, repair=True)
    assert caught.value.partial is not None
    assert caught.value.partial.refusal == "That I must not say."
    assert "must not" not in str(caught.value) + repr(caught.value)
    with pytest.raises(RefusalError):
        async for _ in client.stream_parse("Who?", Person):
            pytest.fail("there is nothing to yield")


async def test_a_content_filter(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream('{"name": "A', finish_reason="content_filter")
    with pytest.raises(ContentPolicyError) as caught:
        await client.parse("Who?", Person)
    assert not isinstance(caught.value, RefusalError)


async def test_one_repair(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream(BAD).stream(GOOD)
    result = await client.parse("Who?", Person, repair=True, temperature=0)
    assert (result.parsed, result.content) == (ADA, GOOD)
    assert (result.usage.cost, result.usage.prompt_tokens, len(result.attempts)) == (Decimal("0.00030"), 20, 2)
    assert result.duration is not None and result.time_to_first_chunk is not None
    assert result.duration > result.time_to_first_chunk
    first, second = (request.json for request in fake_gateway.requests)
    assert second["messages"][:2] == [*first["messages"], {"role": "assistant", "content": BAD}]
    assert second["messages"][2]["role"] == "user"
    assert "\n- age: Input should be a valid integer" in second["messages"][2]["content"]
    assert {**first, "messages": []} == {**second, "messages": []}


async def test_a_repair_that_does_not_fit_either(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream(BAD).stream("no")
    with pytest.raises(InvalidOutputError) as caught:
        await client.parse("Who?", Person, repair=True)
    assert caught.value.partial is not None
    assert (caught.value.partial.content, caught.value.partial.usage.cost) == ("no", Decimal("0.00030"))
    assert len(caught.value.attempts) == len(fake_gateway.requests) == 2


async def test_a_repair_that_fails_keeps_what_there_was(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream(BAD).error(503).stream(BAD).reply(sse(chunk("half")), Cut())
    with pytest.raises(ProviderError) as failed:
        await client.parse("Who?", Person, repair=True)
    assert failed.value.partial is not None
    assert (failed.value.partial.content, len(failed.value.attempts)) == (BAD, 2)
    with pytest.raises(StreamInterruptedError) as cut:
        await client.parse("Who?", Person, repair=True)
    assert cut.value.partial is not None
    assert (cut.value.partial.content, cut.value.partial.usage.cost) == ("half", Decimal("0.00015"))


async def test_no_repair_without_being_asked(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream(BAD).stream(GOOD)
    with pytest.raises(InvalidOutputError):
        await client.parse("Who?", Person)
    assert len(fake_gateway.requests) == 1


@pytest.mark.parametrize("answer", ["", [ToolCallChunk(0, "call_1", "now", "{}")]])
async def test_what_is_no_text_is_not_sent_back(answer: Any) -> None:
    client = ScriptedClient(answer, GOOD)
    with pytest.raises(InvalidOutputError):
        await client.parse("Who?", Person, repair=True)
    assert len(client.calls) == 1


async def test_misuse_is_reported_before_anything_is_sent(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    own: dict[str, Any] = {"response_format": {"type": "json_object"}}
    with pytest.raises(TypeError, match="response_format is set by response_model"):
        await client.parse("Who?", Person, **own)
    with pytest.raises(TypeError, match="response_format is set by response_model"):
        client.stream_parse("Who?", Person, **own)
    with pytest.raises(TypeError, match="must be a type"):
        await client.parse("Who?", "Person")  # pyright: ignore[reportArgumentType] - that is the test
    with pytest.raises(ValueError, match="strict=False"):
        client.stream_parse("Who?", dict[str, int])
    with pytest.raises(TypeError, match="unknown option 'colour'"):
        await client.parse("Who?", Person, colour="red")  # pyright: ignore[reportCallIssue] - that is the test
    assert fake_gateway.requests == []


async def test_the_parts_of_an_object_and_then_the_whole(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream(*pieces(GOOD))
    stream = client.stream_parse("Who?", Person)
    seen = [(person.name, person.age) async for person in stream]
    assert seen == [("Ad", None), ("Ada", None), ("Ada", 36), ("Ada", 36)]
    result = await stream.result()
    assert (result.parsed, result.content) == (ADA, GOOD)
    assert await stream.result() is result
    assert [person async for person in stream] == []
    assert fake_gateway.requests[0].json["response_format"]["json_schema"]["schema"] == SCHEMA


async def test_the_last_one_is_the_result(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream('{"value": [{"name": "Ada", ', '"age": 36}]}')
    stream = client.stream_parse("Who?", list[Person])
    *before, last = [people async for people in stream]
    assert last == [ADA]
    assert last is (await stream.result()).parsed
    assert [len(people) for people in before] == [1, 1]


async def test_a_result_without_iterating(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream(*pieces(GOOD))
    async with client.stream_parse("Who?", Person) as stream:
        assert (await stream.result()).parsed == ADA


async def test_an_end_that_does_not_fit_is_raised_each_time(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream(*pieces(BAD))
    stream = client.stream_parse("Who?", Person)
    seen: list[Person] = []
    with pytest.raises(InvalidOutputError) as caught:
        async for person in stream:
            seen.append(person)
    assert {(person.name, person.age) for person in seen} == {("Ad", None), ("Ada", None)}
    assert caught.value.errors[0].path == ("age",)
    with pytest.raises(InvalidOutputError) as again:
        await stream.result()
    assert again.value is caught.value


async def test_a_cut_in_the_middle(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk('{"name": "Ad')), Cut())
    stream = client.stream_parse("Who?", Person)
    with pytest.raises(StreamInterruptedError) as caught:
        async for person in stream:
            assert person.name == "Ad"
    assert caught.value.partial is not None
    assert caught.value.partial.content == stream.partial.content == '{"name": "Ad'
    with pytest.raises(StreamInterruptedError):
        await stream.result()


async def test_an_answer_that_restarts_begins_anew(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk('{"name": "Eve')), Cut()).stream(*pieces(GOOD))
    client = new_client(max_retries=1, on_interrupt="restart")
    names = [person.name async for person in client.stream_parse("Who?", Person)]
    assert names == ["Eve", "Ad", "Ada", "Ada", "Ada"]


async def test_leaving_the_loop_closes_the_connection(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk('{"name": "Ada"')), Hang(), times=2)
    stream = client.stream_parse("Who?", Person)
    async for person in stream:
        assert person.name == "Ada"
        break
    assert await gone(fake_gateway)
    with pytest.raises(StreamInterruptedError):
        await stream.result()
    async with client.stream_parse("Who?", Person) as stream:
        assert (await anext(aiter(stream))).name == "Ada"
    assert await gone(fake_gateway)


async def test_cancelling_closes_the_connection(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk('{"name": "Ada"')), Hang())
    task = asyncio.create_task(client.parse("Who?", Person))
    await fake_gateway.until(lambda: fake_gateway.open_responses == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(fake_gateway)


async def test_a_stream_is_not_copied_and_shows_nothing() -> None:
    stream = ScriptedClient(GOOD).stream_parse("Who?", Person)
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        copy.copy(stream)
    assert repr(stream) == "ParsedStream(Person, ChatStream(open))"


async def test_an_answer_of_tool_calls_is_no_object() -> None:
    with pytest.raises(InvalidOutputError) as caught:
        await ScriptedClient([ToolCallChunk(0, "call_1", "now", "{}")]).parse("Who?", Person)
    assert caught.value.partial is not None
    assert caught.value.partial.tool_calls[0].name == "now"


class Picky(BaseModel):
    items: dict[str, int]


SECRET = "a secret that nobody must see"


@pytest.mark.parametrize("answer", [f'{{"items": {{"a": "{SECRET}"}}}}', SECRET, f'{{"items": {{"{SECRET}'])
@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
async def test_no_error_shows_prompt_or_answer(
    client: OpenRouterClient, fake_gateway: FakeGateway, answer: str, reason: str
) -> None:
    fake_gateway.stream(answer, finish_reason=reason, times=3)

    async def by_stream() -> ParsedResult[Picky]:
        stream = client.stream_parse(SECRET, Picky, strict=False)
        async for _ in stream:
            pass
        return await stream.result()

    for ask in (lambda: client.parse(SECRET, Picky, strict=False, repair=True), by_stream):
        with pytest.raises(AiError) as caught:
            await ask()
        error = caught.value
        stack = traceback.TracebackException.from_exception(error, capture_locals=True).stack
        ours = [frame for frame in stack if frame.filename != __file__]
        assert len(ours) >= 2
        said = [str(error), repr(error), json.dumps(error.to_dict()), repr(error.partial)]
        assert SECRET not in " ".join([*said, *(repr(frame.locals) for frame in ours)])
        assert (error.__cause__, error.__context__) == (None, None)


def test_issues_are_values() -> None:
    assert OutputIssue(("a", 0), "why") == OutputIssue(("a", 0), "why")
    assert InvalidOutputError("why", errors=[OutputIssue((), "x")]).errors == (OutputIssue((), "x"),)
