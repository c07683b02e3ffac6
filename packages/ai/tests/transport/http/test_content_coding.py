"""Compressed bodies come out the same however they were cut, and never all at once."""

from __future__ import annotations

import gzip
import importlib
import itertools
import zlib
from collections.abc import Callable
from typing import Any, cast

import brotli
import pytest
from http_servers import Serve, Served, request, whole
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._transport.http.client import HttpClient
from raptscallions_ai._transport.http.content_coding import DecodedBody, codings_of
from raptscallions_ai._transport.http.errors import BodyCodingError

pytestmark = pytest.mark.requirement("E04-T011.AC3")

try:
    zstd: Any = importlib.import_module("compression.zstd")  # of Python 3.14
except ImportError:
    zstd = None

PIECE = 256 * 1024


def raw_deflate(data: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(data) + coder.flush()


compress_brotli = cast("Callable[[bytes], bytes]", cast("object", brotli.compress))  # pyright: ignore[reportUnknownMemberType] - it has no types
CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": compress_brotli,
}
if zstd is not None:
    CODERS["zstd"] = zstd.compress


async def decoded(parts: list[bytes], *codings: str) -> list[bytes]:
    """Return what each read gives."""
    waiting = iter([*(part for part in parts if part), b""])

    async def read() -> bytes:
        return next(waiting)

    body, out = DecodedBody(read, list(codings)), list[bytes]()
    while part := await body.read():
        out.append(part)
    return out


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


CUTS = st.lists(st.integers(min_value=0, max_value=5000), max_size=8)


@pytest.mark.parametrize("coding", CODERS)
@given(data=st.binary(max_size=2000), places=CUTS)
async def test_every_cut_gives_the_same(coding: str, data: bytes, places: list[int]) -> None:
    assert b"".join(await decoded(cut(CODERS[coding](data), places), coding)) == data


@given(st.lists(st.binary(max_size=200), max_size=5), CUTS, st.sampled_from([b"", b"\0", b"\0" * 20]))
async def test_all_members_of_gzip_are_read(members: list[bytes], places: list[int], padding: bytes) -> None:
    wire = padding.join(map(gzip.compress, members)) + padding
    if members:
        assert b"".join(await decoded(cut(wire, places), "gzip")) == b"".join(members)


@pytest.mark.skipif(zstd is None, reason="needs Python 3.14, which has zstd")
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5), CUTS)
async def test_all_frames_of_zstd_are_read(frames: list[bytes], places: list[int]) -> None:
    assert zstd is not None
    wire = b"".join(map(zstd.compress, frames))
    assert b"".join(await decoded(cut(wire, places), "zstd")) == b"".join(frames)


@given(st.binary(min_size=1, max_size=500), CUTS)
async def test_deflate_without_its_header(data: bytes, places: list[int]) -> None:
    assert b"".join(await decoded(cut(raw_deflate(data), places), "deflate")) == data


async def test_several_codings() -> None:
    wire = compress_brotli(gzip.compress(b"text" * 100))
    assert b"".join(await decoded(cut(wire, [3, 9]), "gzip", "br")) == b"text" * 100


@pytest.mark.parametrize("coding", CODERS)
async def test_a_bomb_comes_out_in_pieces(coding: str) -> None:
    size = 40 * PIECE + 17
    parts = await decoded([CODERS[coding](bytes(size))], coding)
    assert sum(map(len, parts)) == size
    assert max(map(len, parts)) <= 2 * PIECE


async def test_a_bomb_in_a_bomb() -> None:
    size = 40 * PIECE
    parts = await decoded([gzip.compress(gzip.compress(bytes(size)))], "gzip", "gzip")
    assert sum(map(len, parts)) == size
    assert max(map(len, parts)) <= PIECE


@pytest.mark.parametrize("coding", CODERS)
async def test_what_is_not_compressed_is_reported(coding: str) -> None:
    with pytest.raises(BodyCodingError, match="decompressed"):
        await decoded([b"data: plain text, not compressed at all\n\n" * 10], coding)


@pytest.mark.parametrize("codings", [["compress"], ["gzip"] * 5])
async def test_what_was_not_asked_for_is_reported(codings: list[str]) -> None:
    with pytest.raises(BodyCodingError):
        await decoded([b"x"], *codings)


@pytest.mark.parametrize(
    ("headers", "codings"),
    [
        ([], []),
        ([(b"content-encoding", b"identity")], []),
        ([(b"content-encoding", b"")], []),
        ([(b"content-encoding", b"GZIP")], ["gzip"]),
        ([(b"content-encoding", b"gzip, identity, br")], ["gzip", "br"]),
        ([(b"content-encoding", b"gzip"), (b"x", b"y"), (b"content-encoding", b"br")], ["gzip", "br"]),
    ],
)
def test_codings_are_read(headers: list[tuple[bytes, bytes]], codings: list[str]) -> None:
    assert codings_of(headers) == codings


async def test_a_compressed_answer(client: HttpClient, serve: Serve) -> None:
    body = gzip.compress(b"one") + gzip.compress(b"two")

    async def handler(connection: Served) -> None:
        await connection.request()
        head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
        await connection.send(head + body[:10], body[10:])

    server = await serve(handler)
    assert await whole(await client.send(request(server.url))) == b"onetwo"
