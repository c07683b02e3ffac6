"""The page's cookie, and what keeps other sites from using it."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import pytest

from raptscallions_chat.auth.chain import auth_from, sessions_from
from raptscallions_chat.auth.sessions import COOKIE, LIFETIME_S, Sessions
from raptscallions_chat.auth.tokens import ApiTokens, TokenAuth, token_digest
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import ROOT_TENANT, Principal
from raptscallions_chat.protocols import AuthRequest
from raptscallions_chat.settings import ChatSettings
from raptscallions_chat.store.database import Database
from raptscallions_chat.tenants.directory import TenantDirectory

NewRequest = Callable[..., AuthRequest]
ANN = Principal(ROOT_TENANT, "ann", frozenset({"member"}))


@pytest.fixture
def sessions(directory: TenantDirectory) -> Sessions:
    return Sessions("s" * 32, directory)


async def test_the_cookie_stands_for_its_user(sessions: Sessions, request_with: NewRequest) -> None:
    session = sessions.start(ANN)
    request = request_with(cookies={COOKIE: session.cookie})
    assert await sessions.recognize(request) == ANN
    assert sessions.csrf_token(request) == session.csrf_token


async def test_a_change_needs_the_csrf_token_of_this_session(sessions: Sessions, request_with: NewRequest) -> None:
    session, other = sessions.start(ANN), sessions.start(ANN)
    cookies = {COOKIE: session.cookie}
    good = request_with({"x-csrf-token": session.csrf_token}, method="POST", cookies=cookies)
    assert await sessions.recognize(good) == ANN
    for headers in (
        {},
        {"x-csrf-token": ""},
        {"x-csrf-token": "\u00fc"},
        {"x-csrf-token": other.csrf_token},
        {"x-csrf-token": session.csrf_token, "origin": "https://evil.example"},
    ):
        with pytest.raises(ChatError) as caught:
            await sessions.recognize(request_with(headers, method="POST", cookies=cookies))
        assert caught.value.code == "forbidden"


async def test_changed_foreign_and_old_cookies_are_nobody(
    sessions: Sessions, directory: TenantDirectory, request_with: NewRequest
) -> None:
    cookie = sessions.start(ANN).cookie
    foreign = Sessions(None, directory).start(ANN).cookie
    with patch("raptscallions_chat.auth.sessions.time", return_value=1_700_000_000 - LIFETIME_S):
        old = sessions.start(ANN).cookie
    for value in ("", "x", cookie[:-3] + "AAA", foreign, old):
        assert await sessions.recognize(request_with(cookies={COOKIE: value})) is None
        assert sessions.csrf_token(request_with(cookies={COOKIE: value})) is None


async def test_a_session_ends_with_the_token_that_it_began_with(
    directory: TenantDirectory, database: Database, request_with: NewRequest
) -> None:
    tokens = ApiTokens(database)
    sessions = Sessions("s" * 32, directory, tokens=TokenAuth(tokens, directory))
    text, token = await tokens.create(ROOT_TENANT, "ann", "laptop")
    digest = token_digest(request_with({"authorization": f"Bearer {text}"}))
    request = request_with(cookies={COOKIE: sessions.start(ANN, digest).cookie})
    assert await sessions.recognize(request) == ANN
    await tokens.revoke(ROOT_TENANT, token.id)
    later = Sessions("s" * 32, directory, tokens=TokenAuth(tokens, directory))
    with pytest.raises(ChatError) as caught:
        await later.recognize(request)
    assert caught.value.code == "unauthenticated"


async def test_roles_are_those_of_now(sessions: Sessions, directory: TenantDirectory, request_with: NewRequest) -> None:
    request = request_with(cookies={COOKIE: sessions.start(ANN).cookie})
    await directory.put_member(ROOT_TENANT, "ann", "admin")
    ann = await sessions.recognize(request)
    assert ann is not None
    assert "admin" in ann.roles


async def test_what_a_client_shows_on_purpose_comes_before_what_is_always_there(
    directory: TenantDirectory, database: Database, request_with: NewRequest
) -> None:
    settings = ChatSettings.explicit(auth="dev, proxy, token")
    sessions = sessions_from(settings, database, directory)
    auth = auth_from(settings, database, directory, sessions)
    text, _ = await ApiTokens(database).create(ROOT_TENANT, "token-user", "t")
    by_token = {"authorization": f"Bearer {text}"}
    by_proxy = {"x-forwarded-user": "proxy-user"}
    cookies = {COOKIE: sessions.start(Principal(ROOT_TENANT, "cookie-user")).cookie}
    seen = [
        (await auth.authenticate(request_with({**by_token, **by_proxy}, cookies=cookies))).user_id,
        (await auth.authenticate(request_with(by_proxy, cookies=cookies))).user_id,
        (await auth.authenticate(request_with(by_proxy))).user_id,
        (await auth.authenticate(request_with())).user_id,
    ]
    assert seen == ["token-user", "cookie-user", "proxy-user", "dev"]
