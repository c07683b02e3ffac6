"""What a gateway sends is bounded before it is held: decompression bombs, documents without end, headers; and proxies
and `.netrc` of the machine change nothing about where the key goes.
"""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from ai_tests import ClientFactory

from raptscallions_ai import AiError, AiSettings, InvalidResponseError, OpenRouterClient, ProviderError
from raptscallions_ai.testing import FakeGateway, Hang

MIB = 1024 * 1024
LIMIT = MIB  # of one event or body, for the client of these tests
MOST_MEMORY = 12 * MIB  # a few pieces of what is read, never the 64 MiB of a bomb
BOMB = b"data: " + b"\0" * (64 * MIB)

pytestmark = pytest.mark.requirement("E04-T003.AC8")


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


BOMBS = {
    "gzip": ("gzip", gzip.compress(BOMB)),
    "deflate": ("deflate", zlib.compress(BOMB)),
    "raw deflate": ("deflate", raw_deflate(BOMB)),
    "twice": ("gzip, gzip", gzip.compress(gzip.compress(BOMB))),
    "document": ("gzip", gzip.compress(b'{"a": "' + BOMB)),
    "nothing but blanks": ("gzip", gzip.compress(b" " * len(BOMB))),
}


@pytest_asyncio.fixture
async def limited(fake_gateway: FakeGateway) -> AsyncIterator[OpenRouterClient]:
    settings = AiSettings.explicit(
        api_key=fake_gateway.api_key,
        gateway_url=fake_gateway.base_url,
        default_model="m",
        max_event_bytes=LIMIT,
        max_retries=0,
    )
    async with OpenRouterClient(settings=settings) as client:
        await client.chat("Hi")  # what is imported and opened on first use is not measured
        yield client


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """The most bytes that Python has held since the test began; the gateway's thread is counted too."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize("status", [200, 302, 500])
@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_decompression_bomb_takes_no_memory(
    limited: OpenRouterClient, fake_gateway: FakeGateway, peak: Callable[[], int], bomb: str, status: int
) -> None:
    coding, body = BOMBS[bomb]
    fake_gateway.reply(body, status=status, headers={"content-encoding": coding}, framing="length")
    with pytest.raises(ProviderError if status == 500 else InvalidResponseError) as caught:
        await limited.chat("Hi")
    assert peak() < MOST_MEMORY
    assert len(str(caught.value.to_dict())) < 2000


@pytest.mark.parametrize("compressed", [True, False])
async def test_a_list_of_models_without_end_is_cut(
    limited: OpenRouterClient, fake_gateway: FakeGateway, compressed: bool
) -> None:
    models = fake_gateway.route("GET", "/api/v1/models")
    if compressed:
        flood = [gzip.compress(b"[" + b" " * (64 * MIB))]
        models.reply(*flood, Hang(), headers={"content-encoding": "gzip"})
    else:
        models.reply(*[b"[" * MIB] * 20, Hang())
    with pytest.raises(InvalidResponseError, match="not a list of models"):
        await limited.models()
    assert await fake_gateway.requests[-1].closed()
    assert fake_gateway.requests[-1].disconnected


async def test_a_compressed_error_is_read(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    body = gzip.compress(b'{"error": {"message": "no such luck", "code": 502}}')
    fake_gateway.reply(body, status=502, headers={"content-encoding": "gzip"}, framing="length")
    with pytest.raises(ProviderError, match="no such luck"):
        await client.chat("Hi")


@pytest.mark.parametrize("head", [b"X-A: " + b"a" * MIB, b"\r\n".join(b"X-%d: a" % n for n in range(50_000))])
async def test_headers_without_end_are_refused(
    client: OpenRouterClient, fake_gateway: FakeGateway, head: bytes
) -> None:
    fake_gateway.reply(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n", framing="raw")
    with pytest.raises(AiError, match="not valid HTTP"):
        await client.chat("Hi")


async def test_netrc_is_not_used(
    new_client: ClientFactory, fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password from-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    client = new_client()
    await client.chat("Hi")
    await client.models()
    sent = [request.headers["authorization"] for request in fake_gateway.requests]
    assert sent == [f"Bearer {fake_gateway.api_key}"] * 2


async def test_a_proxy_of_the_environment_gets_no_key_of_an_https_gateway(
    new_client: ClientFactory, fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", fake_gateway.base_url.removesuffix("/api/v1"))
    with pytest.raises(AiError):
        await new_client(base_url="https://gateway.example/v1").chat("Hi")
    [request] = fake_gateway.requests
    assert request.method == "CONNECT"
    assert "authorization" not in request.headers
    assert request.body == b""


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
async def test_plain_http_to_this_machine_goes_through_no_proxy(
    new_client: ClientFactory, fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with FakeGateway() as proxy:
        monkeypatch.setenv(variable, proxy.base_url.removesuffix("/api/v1"))
        await new_client().chat("Hi")
        assert proxy.requests == []
    assert len(fake_gateway.requests) == 1
