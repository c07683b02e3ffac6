"""What the tests of the dialects share: a driver of decoder and fold, and recorded responses."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ai_tests import Outcome

from raptscallions_ai._dialects.decoder import AnswerDecoder
from raptscallions_ai._dialects.fold import Fold
from raptscallions_ai._dialects.openai.reader import OpenAIReader
from raptscallions_ai.answer.chunks import StreamChunk

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "wire"


@pytest.fixture(scope="session")
def drive() -> Callable[..., Outcome]:
    """Feed a body of bytes the way a call does, in reads of the given size; return chunks, result and failure."""

    def run(
        body: bytes,
        size: int | None = None,
        *,
        require_usage: bool = True,
        max_bytes: int = 1 << 20,
        cut: str | None = None,
        redact: Callable[[str], str] = str,
    ) -> Outcome:
        fold = Fold(model="asked/model", require_usage=require_usage, redact=redact)
        decoder = AnswerDecoder(fold, OpenAIReader(fold), max_bytes=max_bytes)
        chunks: list[StreamChunk] = []
        step = size or len(body) or 1
        for start in range(0, len(body), step):
            chunks += decoder.feed(body[start : start + step])
            if decoder.ended:
                break
        rest, result = decoder.close(cut)
        if (failure := fold.failure) is not None:
            fold.describe(failure)
        return chunks + rest, result, failure

    return run


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], tuple[int, dict[str, str], bytes, int]]:
    """Read a recorded response: its status, its headers with lower-case names, its body, and curl's exit code."""

    def read(name: str) -> tuple[int, dict[str, str], bytes, int]:
        raw = (RECORDINGS / f"{name}.txt").read_bytes()
        response = raw.split(b"# --- response (raw, headers first)\n", 1)[1]
        response, _, code = response.rpartition(b"# curl exit ")
        head, _, body = response.replace(b"\r\n\r\n", b"\n\n", 1).partition(b"\n\n")
        first, *lines = head.decode().splitlines()
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        complaint = body.rfind(b"curl: (")
        return int(first.split()[1]), headers, body if complaint < 0 else body[:complaint], int(code)

    return read
