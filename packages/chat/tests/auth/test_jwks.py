"""JWTs of an identity provider whose keys are published by a real server on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from raptscallions_chat.auth.jwks import JwtAuth
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import Principal
from raptscallions_chat.protocols import AuthRequest
from raptscallions_chat.settings import ChatSettings
from raptscallions_chat.tenants.directory import TenantDirectory

NewRequest = Callable[..., AuthRequest]
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """An identity provider."""

    def __init__(self) -> None:
        self.fetched = 0
        self.keys = [
            {**RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "rsa", "use": "sig"},
            {**ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": "ec", "use": "sig"},
        ]
        self.url = ""

    def token(self, key: Any = KEY, kid: str = "rsa", algorithm: str = "RS256", **claims: object) -> str:
        whole = {"sub": "ann", "aud": "chat", "iss": "https://id.example.com", "exp": time() + 60, **claims}
        given = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(given, key, algorithm=algorithm, headers={"kid": kid})


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.fetched += 1
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": provider.keys}).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_port}/keys"
    yield provider
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def auth(provider: Provider, directory: TenantDirectory) -> JwtAuth:
    settings = ChatSettings.explicit(
        auth="jwt", jwks_url=provider.url, jwt_audience="chat", jwt_issuer="https://id.example.com"
    )
    return JwtAuth(settings, directory)


async def user_of(auth: JwtAuth, request_with: NewRequest, token: str) -> Principal:
    found = await auth.recognize(request_with({"authorization": f"Bearer {token}"}))
    assert found is not None
    return found


async def test_a_valid_token_tells_user_tenant_and_roles(
    auth: JwtAuth, provider: Provider, directory: TenantDirectory, request_with: NewRequest
) -> None:
    school = await directory.create("school")
    ann = await user_of(auth, request_with, provider.token(tenant="school", role=["manager", "king"]))
    assert (ann.user_id, ann.tenant_id) == ("ann", school.id)
    assert ann.roles == {"manager", "member"}
    bob = await user_of(auth, request_with, provider.token(EC_KEY, "ec", "ES256", sub="bob", tenant=school.id))
    assert (bob.user_id, bob.roles) == ("bob", {"member"})
    assert provider.fetched == 1


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"exp": time() - 3600}, "expired"),
        ({"aud": "other"}, "another service"),
        ({"iss": "https://evil.example"}, "another service"),
        ({"sub": None}, "has no sub"),
        ({"exp": None}, "has no exp"),
        ({"key": STRANGER}, "signature"),
        ({"kid": "unknown"}, "not one of the identity provider's"),
        ({"key": "secret-of-32-characters-or-more!", "algorithm": "HS256"}, ""),
    ],
)
async def test_any_other_token_is_refused(
    auth: JwtAuth, provider: Provider, request_with: NewRequest, claims: dict[str, Any], told: str
) -> None:
    with pytest.raises(ChatError) as caught:
        await user_of(auth, request_with, provider.token(**claims))
    assert caught.value.code == "unauthenticated"
    assert told in caught.value.message


async def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(
    auth: JwtAuth, provider: Provider, request_with: NewRequest
) -> None:
    head, body, _ = provider.token().split(".")
    none = jwt.encode({"sub": "ann"}, "", algorithm="none", headers={"kid": "rsa"})
    for token in (none, f"{head}.{body}.", f"{head}.{body}.AAAA", "a.b.c", ".."):
        with pytest.raises(ChatError) as caught:
            await user_of(auth, request_with, token)
        assert caught.value.code == "unauthenticated"


async def test_unknown_keys_do_not_make_a_request_to_the_provider_each(
    auth: JwtAuth, provider: Provider, request_with: NewRequest
) -> None:
    for number in range(5):
        with pytest.raises(ChatError):
            await user_of(auth, request_with, provider.token(kid=f"unknown-{number}"))
    assert provider.fetched <= 2


async def test_a_provider_that_is_away_is_no_fault_of_the_user(
    directory: TenantDirectory, provider: Provider, request_with: NewRequest
) -> None:
    url = "http://127.0.0.1:9/keys"
    auth = JwtAuth(ChatSettings.explicit(auth="jwt", jwks_url=url, jwt_audience="chat"), directory)
    with pytest.raises(ChatError) as caught:
        await user_of(auth, request_with, provider.token())
    assert caught.value.status_code == 503


async def test_a_request_without_a_jwt_is_left_to_others(auth: JwtAuth, request_with: NewRequest) -> None:
    for header in ("", "Bearer rsc_abc", "Basic a.b.c"):
        assert await auth.recognize(request_with({"authorization": header})) is None
