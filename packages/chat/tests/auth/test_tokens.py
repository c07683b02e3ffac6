"""API tokens: shown once, stored as digests, over when they are revoked or their time has come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from raptscallions_chat.auth.roles import require
from raptscallions_chat.auth.tokens import ApiTokens, TokenAuth
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.protocols import AuthRequest
from raptscallions_chat.store.database import Database
from raptscallions_chat.store.schema import api_tokens
from raptscallions_chat.tenants.directory import TenantDirectory

NewRequest = Callable[..., AuthRequest]


@pytest.fixture
def tokens(database: Database) -> ApiTokens:
    return ApiTokens(database)


async def test_a_token_stands_for_its_user(
    tokens: ApiTokens, directory: TenantDirectory, request_with: NewRequest
) -> None:
    school = await directory.create("school")
    await directory.put_member(school.id, "ann", "manager")
    text, token = await tokens.create(school.id, "ann", "laptop")
    auth = TokenAuth(tokens, directory)
    ann = await auth.recognize(request_with({"authorization": f"Bearer {text}"}, method="POST", peer="192.0.2.7"))
    assert ann is not None
    assert (ann.tenant_id, ann.user_id, ann.roles, ann.scopes) == (school.id, "ann", {"manager"}, None)
    assert [each.id for each in await tokens.of_tenant(school.id)] == [token.id]
    assert (await tokens.of_tenant(school.id))[0].last_used_at is not None


async def test_the_database_knows_no_token(tokens: ApiTokens, directory: TenantDirectory, database: Database) -> None:
    school = await directory.create("school")
    text, token = await tokens.create(school.id, "ann", "laptop")
    async with database.read() as connection:
        row = (await connection.execute(select(api_tokens))).one()
    assert text not in repr(row)
    assert text not in repr(token)


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer", "Bearer a.b.c", "Bearer other_service_token"])
async def test_what_is_no_token_of_ours_is_left_to_others(
    tokens: ApiTokens, directory: TenantDirectory, request_with: NewRequest, header: str
) -> None:
    assert await TokenAuth(tokens, directory).recognize(request_with({"authorization": header})) is None


async def test_unknown_revoked_and_old_tokens_are_refused(
    tokens: ApiTokens, directory: TenantDirectory, request_with: NewRequest
) -> None:
    school = await directory.create("school")
    old, _ = await tokens.create(school.id, "ann", "old", lifetime=timedelta(seconds=-1))
    revoked, token = await tokens.create(school.id, "ann", "revoked")
    assert await tokens.revoke(school.id, token.id)
    assert not await tokens.revoke(school.id, token.id)
    other, token = await tokens.create(school.id, "ann", "other tenant's")
    assert not await tokens.revoke((await directory.create("elsewhere")).id, token.id)
    auth = TokenAuth(tokens, directory)
    assert await auth.recognize(request_with({"authorization": f"bearer {other}"})) is not None
    for text in (old, revoked, "rsc_unknown"):
        with pytest.raises(ChatError) as caught:
            await auth.recognize(request_with({"authorization": f"Bearer {text}"}))
        assert caught.value.code == "unauthenticated"


async def test_scopes_limit_what_a_token_may_do(
    tokens: ApiTokens, directory: TenantDirectory, request_with: NewRequest
) -> None:
    school = await directory.create("school")
    await directory.put_member(school.id, "ann", "admin")
    auth = TokenAuth(tokens, directory)
    may: dict[str, list[bool]] = {}
    for scope in ("read", "chat", "admin"):
        text, _ = await tokens.create(school.id, "ann", scope, scopes=[scope])
        may[scope] = [
            await allowed(auth, request_with({"authorization": f"Bearer {text}"}, method=method), managing=managing)
            for method, managing in (("GET", False), ("POST", False), ("POST", True))
        ]
    assert may == {"read": [True, False, False], "chat": [True, True, False], "admin": [True, True, True]}
    with pytest.raises(ChatError, match="no scope 'everything'"):
        await tokens.create(school.id, "ann", "wrong", scopes=["everything"])


async def allowed(auth: TokenAuth, request: AuthRequest, *, managing: bool) -> bool:
    try:
        principal = await auth.recognize(request)
        assert principal is not None
        require(principal, "admin" if managing else "member")
    except ChatError as error:
        assert error.code == "forbidden"
        return False
    return True
