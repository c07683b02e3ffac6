"""`embed`: one vector for each text, or an error."""

from __future__ import annotations

import json
import math
import struct
import traceback
from base64 import b64encode
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import (
    AiError,
    AuthenticationError,
    InvalidResponseError,
    ModelNotAvailableError,
    OpenRouterClient,
    ProviderError,
    RateLimitError,
    TimeoutError,
)
from raptscallions_ai.errors import NotSupportedError
from raptscallions_ai.testing import Cut, FakeGateway, Hang, error_body

pytestmark = pytest.mark.requirement("E04-T005.AC7")

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "discovery"
EMBEDDINGS = ("POST", "/api/v1/embeddings")
TEXT = "a secret text of Mr. Smith-Jones"


def body(*vectors: Any, **fields: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return {"object": "list", "data": data, **fields}


async def test_texts_become_vectors(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    result = await client.embed(["one", "two words"], model="fake/embedding-1")
    assert [len(vector) for vector in result.vectors] == [8, 8]
    assert result.dimensions == 8
    assert (result.model, result.provider) == ("fake/embedding-1", "FakeProvider")
    assert (result.usage.prompt_tokens, result.usage.total_tokens) == (3, 3)
    assert (result.usage.cost, result.usage.cost_source) == (Decimal("6E-8"), "reported")
    assert fake_gateway.requests[0].json == {"model": "fake/embedding-1", "input": ["one", "two words"]}
    (same,) = (await client.embed("one", model="fake/embedding-1")).vectors
    assert same == result.vectors[0]


async def test_options_travel_by_their_names(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    await client.embed(
        "x",
        model="m",
        dimensions=3,
        encoding_format="float",
        input_type="search_query",
        provider={"only": ["acme"]},
        user="u-1",
        extra_body={"truncate": True},
        extra_headers={"X-A": "b"},
        extra_query={"q": "1"},
    )
    request = fake_gateway.requests[0]
    assert request.json == {
        "model": "m",
        "input": ["x"],
        "dimensions": 3,
        "encoding_format": "float",
        "input_type": "search_query",
        "provider": {"only": ["acme"]},
        "user": "u-1",
        "truncate": True,
    }
    assert (request.headers["x-a"], request.query) == ("b", {"q": "1"})


async def test_base64_gives_the_same_numbers(client: OpenRouterClient) -> None:
    plain = await client.embed(["one", "two"], model="m")
    packed = await client.embed(["one", "two"], model="m", encoding_format="base64")
    for one, other in zip(plain.vectors, packed.vectors, strict=True):
        assert all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(one, other, strict=True))
    assert isinstance(packed.vectors[0], list)


async def test_vectors_are_in_the_order_of_the_texts(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    answer = body([1.0], [2.0], [3.0])
    answer["data"].reverse()
    fake_gateway.route(*EMBEDDINGS).json(answer)
    assert (await client.embed(["a", "b", "c"], model="m")).vectors == [[1.0], [2.0], [3.0]]
    fake_gateway.route(*EMBEDDINGS).json({"data": [{"embedding": [1, 2]}, {"embedding": [3, 4]}]})
    result = await client.embed(["a", "b"], model="m")
    assert (result.vectors, result.model, result.usage.reported) == ([[1, 2], [3, 4]], "m", False)


async def test_a_real_answer_of_llama_cpp(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route(*EMBEDDINGS).replay(RECORDINGS / "llamacpp-embeddings.txt")
    result = await client.embed(["hello world", "bye"], model="smollm2-135m-instruct")
    assert (len(result.vectors), result.dimensions, result.usage.prompt_tokens) == (2, 576, 3)
    assert math.isclose(sum(number * number for number in result.vectors[1]), 1, rel_tol=1e-3)


def packed(*numbers: float, cut: int = 0) -> str:
    return b64encode(struct.pack(f"<{len(numbers)}f", *numbers)[: 4 * len(numbers) - cut]).decode()


NO_VECTORS: dict[str, Any] = {
    "one too few": body([1.0]),
    "one too many": body([1.0], [2.0], [3.0]),
    "one twice": {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]},
    "unequal": body([1.0], [1.0, 2.0]),
    "empty": body([], []),
    "null": body(None, None),
    "nested": body([[1.0]], [[2.0]]),
    "text": body("!!!", "???"),
    "cut text": body(packed(1.0, cut=1), packed(2.0, cut=1)),
    "not a number": body(packed(math.nan), packed(1.0)),
    "infinite": body(packed(math.inf), packed(1.0)),
    "cut JSON": json.dumps(body([1.0], [2.0])).encode()[:-5],
    "NaN": b'{"data": [{"embedding": [NaN]}, {"embedding": [1]}]}',
    "an error in place of it": error_body(500, "oh"),
    "HTML": b"<html>",
    "nothing": b"",
}


@pytest.mark.parametrize("kind", NO_VECTORS)
async def test_what_is_not_one_vector_for_each_text_is_an_error(
    client: OpenRouterClient, fake_gateway: FakeGateway, kind: str
) -> None:
    fake_gateway.route(*EMBEDDINGS).json(NO_VECTORS[kind])
    with pytest.raises(InvalidResponseError):
        await client.embed(["a", "b"], model="m")


async def test_a_length_that_was_asked_for_is_checked(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route(*EMBEDDINGS).json(body([1.0, 2.0, 3.0]))
    with pytest.raises(InvalidResponseError, match="3 dimensions, not 2"):
        await client.embed("a", model="m", dimensions=2)


async def embed(client: OpenRouterClient, texts: Any, options: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"model": "m", **options}
    await client.embed(texts, **arguments)


@pytest.mark.parametrize(
    ("texts", "options", "error", "message"),
    [
        ([], {}, ValueError, "must not be empty"),
        (["a", 7], {}, TypeError, r"texts\[1\] must be a str, not int"),
        (b"a", {}, TypeError, "not bytes"),
        ("a", {"dimensions": 0}, ValueError, "dimensions"),
        ("a", {"dimensions": 1.5}, ValueError, "dimensions"),
        ("a", {"encoding_format": "hex"}, ValueError, "encoding_format"),
        ("a", {"max_retries": 6}, ValueError, "max_retries"),
        ("a", {"timeout": 0}, ValueError, "timeout"),
        ("a", {"model": " "}, ValueError, "model"),
        ("a", {"provider": "acme"}, TypeError, "provider"),
        ("a", {"user": 7}, TypeError, "user"),
        ("a", {"temperature": 1}, TypeError, "unknown option 'temperature'"),
        ("a", {"extra_headers": {"Host": "x"}}, ValueError, "belongs to the connection"),
    ],
)
async def test_misuse_is_refused_before_anything_is_sent(
    client: OpenRouterClient, fake_gateway: FakeGateway, texts: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        await embed(client, texts, options)
    assert fake_gateway.requests == []


async def test_failures_that_may_pass_are_retried(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    fake_gateway.route(*EMBEDDINGS).error(503, retry_after=0).reply(b'{"data": [', Cut())
    result = await new_client().embed("a", model="m", max_retries=2)
    assert len(result.vectors) == 1
    fake_gateway.route(*EMBEDDINGS).error(429, retry_after=60)
    with pytest.raises(RateLimitError) as caught:
        await new_client(timeout=5.0).embed("a", model="m", max_retries=2)
    assert (caught.value.retry_after, len(caught.value.attempts)) == (60, 1)
    assert caught.value.attempts[0].model == "m"


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (401, "User not found.", AuthenticationError),
        (404, "No endpoints found for m.", ModelNotAvailableError),
        (404, "Not Found", NotSupportedError),
        (501, "This server does not support embeddings. Start it with `--embeddings`", NotSupportedError),
        (500, "Internal", ProviderError),
    ],
)
async def test_errors_are_those_of_chat(
    client: OpenRouterClient, fake_gateway: FakeGateway, status: int, message: str, error: type[AiError]
) -> None:
    fake_gateway.route(*EMBEDDINGS).error(status, message)
    with pytest.raises(AiError) as caught:
        await client.embed("a", model="m")
    assert type(caught.value) is error


async def test_litellm_before_a_server_that_does_not_embed(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route(*EMBEDDINGS).replay(RECORDINGS / "litellm-embeddings.txt")
    with pytest.raises(NotSupportedError, match="does not offer POST /embeddings") as caught:
        await client.embed(["hello world", "bye"], model="local-smollm2")
    assert "does not support embeddings" in caught.value.details["reason"]


async def test_a_deadline_covers_the_whole_call(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    client = new_client(max_retries=2)
    await client.warm_up()
    fake_gateway.route(*EMBEDDINGS).reply(b'{"data": ', Hang(), times=None)
    with pytest.raises(TimeoutError, match="after 300ms"):
        await client.embed("a", model="m", timeout=0.3)
    assert await fake_gateway.requests[0].closed()


async def test_an_answer_without_end_is_cut(fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_MAX_EVENT_BYTES", "2048")
    fake_gateway.route(*EMBEDDINGS).reply(*[b" " * 1024] * 3, Hang())
    monkeypatch.setenv("AI_API_KEY", fake_gateway.api_key)
    async with OpenRouterClient(base_url=fake_gateway.base_url) as client:
        with pytest.raises(InvalidResponseError, match="AI_MAX_EVENT_BYTES"):
            await client.embed("a", model="m")
    assert await fake_gateway.requests[0].closed()


async def test_no_error_shows_the_key_or_a_text(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    key = "sk-or-v1-such-a-secret"
    fake_gateway.route(*EMBEDDINGS).error(400, f"bad input {TEXT!r} from {key}")
    with pytest.raises(AiError) as caught:
        await new_client(api_key=key).embed([TEXT], model="m")
    formatted = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    shown = "".join(line for line in formatted if "test_embed.py" not in line) + str(caught.value.to_dict())
    assert "Smith" not in shown
    assert key not in shown
