"""No authentication on the developer's own machine, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from raptscallions_chat.auth.chain import AuthChain
from raptscallions_chat.auth.dev import DevAuth
from raptscallions_chat.auth.origins import HostRule
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.protocols import AuthRequest

NewRequest = Callable[..., AuthRequest]


async def test_the_user_is_dev_unless_the_header_names_one(request_with: NewRequest) -> None:
    auth = AuthChain([DevAuth()])
    dev = await auth.authenticate(request_with())
    assert (dev.user_id, dev.tenant_id, dev.scopes) == ("dev", ROOT_TENANT, None)
    assert "admin" in dev.roles
    assert (await auth.authenticate(request_with({"x-chat-user": " ann "}, peer="::1"))).user_id == "ann"


@pytest.mark.parametrize("user", ["x" * 201, "a\x00b"])
async def test_a_name_that_cannot_be_stored_is_refused(request_with: NewRequest, user: str) -> None:
    with pytest.raises(ChatError, match="X-Chat-User"):
        await DevAuth().recognize(request_with({"x-chat-user": user}))


@pytest.mark.parametrize(
    ("headers", "peer"),
    [
        ({}, "192.0.2.7"),
        ({}, None),
        ({}, "testclient"),
        ({"x-forwarded-for": "192.0.2.7"}, "127.0.0.1"),
        ({"forwarded": "for=192.0.2.7"}, "::1"),
    ],
)
async def test_whoever_may_be_elsewhere_is_not_let_in(
    request_with: NewRequest, headers: dict[str, str], peer: str | None
) -> None:
    with pytest.raises(ChatError) as caught:
        await AuthChain([DevAuth()]).authenticate(request_with(headers, peer=peer))
    assert (caught.value.code, caught.value.status_code) == ("unauthenticated", 401)


@pytest.mark.parametrize(
    ("headers", "method", "allowed"),
    [
        ({"origin": "https://evil.example"}, "POST", False),
        ({"origin": "null"}, "DELETE", False),
        ({"sec-fetch-site": "cross-site"}, "POST", False),
        ({"origin": "https://evil.example"}, "GET", True),
        ({"origin": "http://chat.example.com"}, "POST", True),
        ({"origin": "https://app.example.com"}, "POST", True),
        ({"sec-fetch-site": "same-origin"}, "POST", True),
        ({}, "POST", True),
    ],
)
async def test_a_page_of_another_site_cannot_send(
    request_with: NewRequest, headers: dict[str, str], method: str, allowed: bool
) -> None:
    auth = DevAuth(["https://app.example.com"])
    if allowed:
        assert await auth.recognize(request_with(headers, method=method)) is not None
        return
    with pytest.raises(ChatError) as caught:
        await auth.recognize(request_with(headers, method=method))
    assert caught.value.code == "forbidden"


@pytest.mark.parametrize(
    ("allowed", "loopback", "host", "answered"),
    [
        ([], True, "localhost:8000", True),
        ([], True, "127.0.0.1", True),
        ([], True, "[::1]:8000", True),
        ([], True, "chat.localhost", True),
        ([], True, "LOCALHOST.", True),
        ([], True, "rebound.evil.example:8000", False),
        ([], True, "127.0.0.1.evil.example", False),
        ([], True, "", False),
        ([], False, "anything.example", True),
        (["chat.example.com", "*.example.org"], True, "chat.example.com:443", True),
        (["chat.example.com", "*.example.org"], False, "a.example.org", True),
        (["chat.example.com", "*.example.org"], False, "example.org", False),
        (["chat.example.com"], True, "localhost", False),
        (["*"], True, "rebound.evil.example", True),
    ],
)
def test_which_hosts_are_answered_to(allowed: list[str], loopback: bool, host: str, answered: bool) -> None:
    assert HostRule(allowed, loopback=loopback).allows(host) is answered
