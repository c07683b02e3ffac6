"""Recorded exchanges are served as they were, at any chunk size, with the end that they had."""

import re
from pathlib import Path
from typing import Any

import pytest

from raptscallions_ai.testing import FakeGateway, recorded_reply

WIRE = Path(__file__).parents[1] / "fixtures" / "wire"
RECORDINGS = sorted(WIRE.glob("*.txt"))
MARKER = b"# --- response (raw, headers first)\n"


def recorded_body(recording: Path) -> bytes:
    body = re.split(rb"\r?\n\r?\n", recording.read_bytes().partition(MARKER)[2], maxsplit=1)[1]
    return body[: body.rindex(b"# curl exit")]


def test_the_recordings_are_there() -> None:
    assert len(RECORDINGS) > 100


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_every_recording_is_a_reply(recording: Path) -> None:
    reply = recorded_reply(recording, chunk_size=7)
    content = recording.read_bytes()
    served = b"".join(step for step in reply.steps if isinstance(step, bytes))
    if b"# curl exit 0" in content:
        assert served == recorded_body(recording)
        assert content.partition(MARKER)[2].startswith(b"HTTP/1.1 %d " % reply.status)
    else:
        assert type(reply.steps[-1]).__name__ == "Cut"
        assert b"curl:" not in served


@pytest.mark.parametrize("chunk_size", [1, 3, 64, None])
def test_a_stream_is_served_at_any_chunk_size(fake_gateway: FakeGateway, raw: Any, chunk_size: int | None) -> None:
    recording = WIRE / "aimock-openrouter-hello.txt"
    fake_gateway.replay(recording, chunk_size=chunk_size)
    raw.ask()
    assert raw.read_body() == recorded_body(recording)


def test_status_and_headers_are_the_recorded_ones(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.replay((WIRE / "aimock-openrouter-ratelimited.txt").read_bytes())
    raw.ask()
    head = raw.read_until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"\r\nretry-after: 7\r\n" in head
    assert head.count(b"transfer-encoding") == 1 and b"keep-alive" not in head


def test_a_cut_stream_is_cut_again(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.replay(str(WIRE / "aimock-openrouter-drop.txt"))
    raw.ask()
    assert raw.read_all().endswith(b'"system_fingerprint":null}\n\n\r\n')


def test_an_empty_reply_is_empty_again(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.replay(WIRE / "aimock-openrouter-cut.txt")
    raw.ask()
    assert raw.read_all() == b""


@pytest.mark.parametrize(
    "content",
    [b"", MARKER + b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n# curl exit 0", MARKER + b"# curl exit 0"],
)
def test_what_is_no_recording_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a recording"):
        recorded_reply(content)


def test_an_end_that_cannot_be_repeated_is_refused() -> None:
    with pytest.raises(ValueError, match="curl exit 28"):
        recorded_reply(MARKER + b"HTTP/1.1 200 OK\r\n\r\ncurl: (28) timed out\n# curl exit 28\n")
