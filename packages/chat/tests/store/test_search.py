"""Messages are found by their words, on both databases, and only by their user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.principal import ROOT_TENANT, Principal
from raptscallions_chat.store.database import Database, utc_now
from raptscallions_chat.store.schema import conversations, messages
from raptscallions_chat.store.search import MARKS, MessageSearch, words_of

ANN, BOB = Principal(ROOT_TENANT, "ann"), Principal(ROOT_TENANT, "bob")
Write = Callable[..., Awaitable[str]]


@pytest.fixture
def write(database: Database) -> Write:
    async def store(body: str, principal: Principal = ANN) -> str:
        now = utc_now()
        owner = {"tenant_id": principal.tenant_id}
        conversation = {"id": new_id(), **owner, "user_id": principal.user_id, "state": "active", "title": "A title"}
        conversation |= {"created_at": now, "last_activity_at": now}
        message = {"id": new_id(), **owner, "conversation_id": conversation["id"], "seq": 1}
        message |= {"role": "user", "status": "complete", "text": body, "created_at": now}
        async with database.write() as connection:
            await connection.execute(insert(conversations).values(conversation))
            await connection.execute(insert(messages).values(message))
        return str(message["id"])

    return store


async def found(database: Database, question: str, principal: Principal = ANN) -> list[str]:
    hits, _ = await MessageSearch(database).find(principal, question)
    return [hit.message_id for hit in hits]


async def test_all_words_must_be_there_the_last_one_as_a_beginning(database: Database, write: Write) -> None:
    first = await write("The sky is blue because of Rayleigh scattering.")
    second = await write("Blue paint, and the SKY above it")
    assert await found(database, "sky blue") == [second, first]
    assert await found(database, "Sky, scatter") == [first]
    assert await found(database, "scatter sky") == []
    assert await found(database, "green") == []


async def test_a_hit_shows_where_it_is_and_what_surrounds_it(database: Database, write: Write) -> None:
    id_ = await write("word " * 300 + "the needle is here " + "word " * 300)
    (hit,), following = await MessageSearch(database).find(ANN, "needle")
    assert (hit.message_id, hit.title, hit.role, following) == (id_, "A title", "user", None)
    assert f"{MARKS[0]}needle{MARKS[1]}" in hit.snippet
    assert len(hit.snippet) < 250


async def test_only_the_user_finds_it(database: Database, write: Write) -> None:
    mine, other = await write("a secret"), await write("a secret", BOB)
    assert await found(database, "secret") == [mine]
    assert await found(database, "secret", BOB) == [other]
    assert await found(database, "secret", Principal(new_id(), "ann")) == []


async def test_pages_go_on_where_the_last_one_ended(database: Database, write: Write) -> None:
    ids = [await write(f"message {number}") for number in range(5)]
    search, seen, before = MessageSearch(database), list[str](), None
    while True:
        hits, before = await search.find(ANN, "message", before=before, limit=2)
        seen += [hit.message_id for hit in hits]
        if before is None:
            break
    assert seen == ids[::-1]


async def test_the_index_follows_changes_and_deletions(database: Database, write: Write) -> None:
    growing, gone = await write(""), await write("the old word")
    async with database.write() as connection:
        await connection.execute(update(messages).values(text="an answer").where(messages.c.id == growing))
        await connection.execute(update(messages).values(text="another answer").where(messages.c.id == growing))
        place = messages.select().where(messages.c.id == gone)
        found_in = (await connection.execute(place)).mappings().one()["conversation_id"]
        await connection.execute(delete(conversations).where(conversations.c.id == found_in))
    assert await found(database, "another answer") == [growing]
    assert await found(database, "an answer") == []
    assert await found(database, "old") == []


@pytest.mark.parametrize("body", ["x" * 2_000_000, "ab " * 500_000, "\u00e9\u4f60 " * 200_000])
async def test_a_message_that_is_too_long_for_an_index_is_stored_all_the_same(
    database: Database, write: Write, body: str
) -> None:
    await write("start " + body)
    assert len(await found(database, "start")) == 1


@pytest.mark.parametrize("question", ["", " ", "\"'", "a " * 21, "_", "!:*&|"])
async def test_a_question_without_words_is_refused(database: Database, question: str) -> None:
    with pytest.raises(ChatError) as caught:
        await found(database, question)
    assert caught.value.code == "invalid_request"


@given(st.text(max_size=60))
def test_words_never_have_a_sign_that_an_index_reads_as_an_operator(question: str) -> None:
    try:
        words = words_of(question)
    except ChatError:
        return
    assert all(word.isalnum() for word in words) or any(not c.isascii() for c in question)
    assert not any(c in "\"'\\:*&|!()<>-" for word in words for c in word)


async def test_odd_questions_are_no_error(database: Database, write: Write) -> None:
    await write("something")
    odd = ("'; DROP TABLE messages; --", "a:* & !b", "NEAR(a b)", "AND OR NOT", "\u0e01\u0e33", "x" * 5000)
    for question in odd:
        assert await found(database, question) == []
