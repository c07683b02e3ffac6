"""No secret is written into a cassette, whatever it stands in and however it is cut."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai import BadRequestError, OpenRouterClient, user
from raptscallions_ai.testing import Cassette, FakeGateway, Reply, chunk, json_reply, sse
from raptscallions_ai.testing._secrets import HIDDEN, SecretFilter
from raptscallions_ai.testing.wire import DONE, usage

pytestmark = pytest.mark.requirement("E04-T005.AC10")

Tape = Callable[[], Cassette]
KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"
PLAIN = "a-key-that-looks-like-nothing"


@pytest.fixture
def tape(tmp_path: Path, fake_gateway: FakeGateway) -> Tape:
    """A maker of cassettes of one file, whose real gateway is the fake one and knows a plain key."""
    path, url = tmp_path / "a.jsonl", fake_gateway.base_url
    return lambda: Cassette(path, mode="once", gateway_url=url, api_key=PLAIN, secrets=["Ada Lovelace"])


def client_of(cassette: Cassette, key: str | None = None) -> OpenRouterClient:
    return OpenRouterClient(key or cassette.api_key, cassette.base_url, "m", max_retries=0)


async def test_the_key_is_nowhere_in_the_file(tape: Tape, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(
        sse(chunk(f"Your key is {PLAIN}.")),
        sse({"error": {"code": 400, "message": f"no {PLAIN}"}}),
        headers={"set-cookie": "session=abcdefgh12345", "x-echo": f"key={PLAIN}", "x-request-id": "r-1"},
    )
    async with tape() as cassette, client_of(cassette) as client:
        with pytest.raises(BadRequestError):
            await client.chat(
                [user(f"My key is {PLAIN}, hers is {KEY}.")],
                extra_headers={"Cookie": "login=cookie-value-1; b=2", "X-Api-Key": "another-credential"},
                extra_body={"api_key": "short", "note": "cookie-value-1 another-credential"},
                extra_query={"key": "in-the-query"},
            )
    assert fake_gateway.requests[0].headers["authorization"] == f"Bearer {PLAIN}", "it is sent, only not written"
    assert fake_gateway.requests[0].query == {"key": "in-the-query"}
    text = tape().path.read_text("utf-8")
    for secret in (PLAIN, KEY, "cookie-value-1", "another-credential", "abcdefgh12345", "in-the-query", '"short"'):
        assert secret not in text, secret
    assert f"My key is {HIDDEN}, hers is {HIDDEN}." in text
    assert "x-request-id" in text
    assert "set-cookie" not in text


async def test_a_request_is_found_again_with_another_key(tape: Tape, fake_gateway: FakeGateway) -> None:
    said: list[str] = []
    for key in (PLAIN, "another-key-of-ci"):
        async with tape() as cassette, client_of(cassette, key) as client:
            said.append((await client.chat(f"Is {key} my key?", extra_query={"token": key})).content)
    assert len(said) == 2
    assert said[0] == said[1]
    assert len(fake_gateway.requests) == 1


async def test_a_key_that_is_cut_by_the_wire(tape: Tape, fake_gateway: FakeGateway) -> None:
    body = b"".join([sse(chunk(f"before {KEY} after")), sse(chunk(finish_reason="stop", usage=usage())), DONE])
    middle = body.index(KEY.encode()) + 9
    fake_gateway.add(
        Reply((body[: middle - 5], body[middle - 5 : middle], body[middle : middle + 3], body[middle + 3 :]))
    )
    said: list[str] = []
    for _ in range(2):
        async with tape() as cassette, client_of(cassette) as client:
            said.append((await client.chat("Hi")).content)
    assert said == [f"before {KEY} after", f"before {HIDDEN} after"]
    lines = map(json.loads, tape().path.read_text("utf-8").splitlines())
    texts = "".join(line.get("text", "") for line in lines)
    assert texts.encode() == body.replace(KEY.encode(), HIDDEN.encode())


def test_texts_that_the_user_names_are_hidden(tape: Tape, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("POST", "/api/v1/x").add(json_reply({"owner": "Ada Lovelace", "user_id": "user_2abcdef"}))
    for _ in range(2):
        with tape() as cassette:
            request = Request(cassette.base_url + "/x", data=b"I am Ada Lovelace", method="POST")
            with urlopen(request, timeout=5) as response:
                response.read()
    text = tape().path.read_text("utf-8")
    assert not re.search("Ada|user_2abcdef", text)
    assert f"I am {HIDDEN}" in text
    assert len(fake_gateway.requests) == 1


@pytest.mark.parametrize(
    "secret",
    [KEY, "sk-proj-abcdefghijklmnop_-12", "AIza" + "x" * 35, "ghp_" + "a" * 36, "hf_" + "a" * 34,
     "xoxb-123456789012-abc", "AKIA" + "A" * 16, "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl"],
)  # fmt: skip
def test_what_looks_like_a_key_is_hidden(secret: str) -> None:
    hide = SecretFilter({})
    assert hide.text(f"a {secret} b") == f"a {HIDDEN} b"
    assert hide.json({"a": [secret, 1, None]}) == {"a": [HIDDEN, 1, None]}


@pytest.mark.parametrize(
    "name", ["api_key", "apiKey", "API-KEY", "access_token", "client_secret", "password", "Authorization", "user_id"]
)
def test_fields_that_hold_a_credential(name: str) -> None:
    hide = SecretFilter({})
    assert hide.json({name: "x", "a": {name: "y"}}) == {name: HIDDEN, "a": {name: HIDDEN}}
    assert hide.text(f'{{"{name}": "x\\"y", "a": 1}}') == f'{{"{name}": "{HIDDEN}", "a": 1}}'


@pytest.mark.parametrize(
    "text",
    ['{"token": "Hello", "logprob": -0.1}', '{"key": "C major"}', "the task-force asked", "Bearer of certificates",
     "Basic understanding",
     '{"max_tokens": 5, "prompt_cache_key": "a"}'],
)  # fmt: skip
def test_ordinary_words_stay(text: str) -> None:
    assert SecretFilter({"authorization": "Bearer short", "x-title": "the task-force"}).text(text) == text


def test_headers() -> None:
    hide = SecretFilter({"authorization": f"Bearer {PLAIN}"})
    headers = {
        "set-cookie": "a", "www-authenticate": "b", "x-api-key": "c", "x-session-id": "d", "openai-organization": "e",
        "x-ratelimit-remaining-tokens": "5", "x-generation-id": "gen-1", "content-type": "x", "x-echo": PLAIN,
    }  # fmt: skip
    assert hide.headers(headers) == {
        "x-ratelimit-remaining-tokens": "5", "x-generation-id": "gen-1", "content-type": "x", "x-echo": HIDDEN,
    }  # fmt: skip


@given(
    before=st.binary(max_size=20),
    after=st.binary(max_size=20),
    cuts=st.lists(st.integers(0, 80), max_size=6).map(sorted),
)
def test_however_a_text_is_cut_no_secret_stays_and_nothing_else_goes(
    before: bytes, after: bytes, cuts: list[int]
) -> None:
    whole = before + b" " + PLAIN.encode() + b" " + after + b" " + PLAIN.encode()
    borders = [0, *(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(borders)]
    hidden = SecretFilter({"authorization": f"Bearer {PLAIN}"}).pieces(pieces)
    assert len(hidden) == len(pieces)
    assert b"".join(hidden) == whole.replace(PLAIN.encode(), HIDDEN.encode())


@given(st.binary(max_size=60))
def test_hiding_twice_changes_nothing_more(data: bytes) -> None:
    hide = SecretFilter({"cookie": f"a={PLAIN}"})
    once = hide.pieces([data])
    assert hide.pieces(once) == once


def test_the_filter_itself_shows_nothing() -> None:
    assert repr(SecretFilter({"authorization": f"Bearer {PLAIN}"}, ["another secret"])) == "SecretFilter(3 texts)"
