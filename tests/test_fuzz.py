"""The fuzz targets without the fuzzer: the seeds, mutations of them, and every input that was ever a finding."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raptscallions_ai._dialects.sse import SSEDecoder

ROOT = Path(__file__).resolve().parents[1]
Target = Callable[[bytes], None]

pytestmark = pytest.mark.requirement("E04-T003.AC9")


def load(name: str) -> ModuleType:
    """Import a file of `fuzz/`, which is no package."""
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", ROOT / "fuzz" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TARGETS_MODULE, SEEDS_MODULE = load("targets"), load("seeds")
TARGETS: dict[str, Target] = {name: getattr(TARGETS_MODULE, name) for name in ("answer", "failure", "response")}
SEEDS: dict[str, dict[str, bytes]] = {name: SEEDS_MODULE.seeds(name) for name in TARGETS}
FINDINGS = sorted((ROOT / "fuzz" / "findings").glob("*/*"))

adversarial = settings(max_examples=60, deadline=None, database=None, derandomize=True)


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_hold(name: str) -> None:
    assert len(SEEDS[name]) > 90
    for data in SEEDS[name].values():
        TARGETS[name](data)


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_holds(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize(("name", "data"), [("answer", b'\0\0{"error":"x"}'), ("failure", b'\1\n\n{"error":"x"}')])
def test_a_target_can_fail(name: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    leak: Callable[[str], str] = TARGETS_MODULE.KEY.__add__
    monkeypatch.setattr(TARGETS_MODULE, "_REDACT", leak)
    with pytest.raises(AssertionError):
        TARGETS[name](data)


def flipped(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def cut_off(data: bytes, at: int, _chance: random.Random) -> bytes:
    return data[:at]


def doubled(data: bytes, at: int, chance: random.Random) -> bytes:
    end = at + chance.randrange(1, 400)
    return data[:end] + data[at:]


def left_out(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at] + data[at + chance.randrange(1, 40) :]


def swapped(data: bytes, at: int, chance: random.Random) -> bytes:
    """Exchange two neighbouring events, or halves where there is only one."""
    parts = data.split(b"\n\n")
    if len(parts) < 3:
        return data[at:] + data[:at]
    first = chance.randrange(len(parts) - 1)
    parts[first], parts[first + 1] = parts[first + 1], parts[first]
    return b"\n\n".join(parts)


INSERTED = [
    *(b"\0", b"\n", b"\r", b"\r\n", b"\n\n", b'"', b"{", b"]", b"\\", b"\xff", b"\xe2\x80\xa8", b"\xef\xbb\xbf"),
    *(b"[" * 200, b"9" * 5_000, b"\\ud800", b"null", b"NaN", b"1e999", b"data: [DONE]\n\n", b"event: error\n"),
    *(b"KEY", b"PROMPT"),
    *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 1\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"0\r\n\r\n"),
]


def inserted(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at] + chance.choice(INSERTED) + data[at:]


MUTATIONS = [flipped, cut_off, doubled, left_out, swapped, inserted]


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
@adversarial
@given(data=st.data())
def test_mutations_of_the_seeds_hold(name: str, mutate: Callable[..., bytes], data: st.DataObject) -> None:
    seed = SEEDS[name][data.draw(st.sampled_from(sorted(SEEDS[name])))]
    for _ in range(data.draw(st.integers(1, 3))):
        if seed:
            seed = mutate(seed, data.draw(st.integers(0, len(seed) - 1)), data.draw(st.randoms()))
    TARGETS[name](seed)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["7", "error", 10**30]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a JSON value, its own first."""
    items: Any = ()
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
    elif isinstance(value, list):
        items = enumerate(cast("list[Any]", value))
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def chunks_of(seed: bytes) -> list[Any]:
    lines = [line[6:] for line in seed.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


STREAMS = {
    name: chunks for name, seed in SEEDS["answer"].items() if name.endswith("-0") and (chunks := chunks_of(seed))
}


@adversarial
@given(data=st.data(), options=st.integers(0, 3), size=st.integers(0, 63))
def test_any_json_at_any_place_of_a_recorded_stream_holds(data: st.DataObject, options: int, size: int) -> None:
    chunks = list(STREAMS[data.draw(st.sampled_from(sorted(STREAMS)))])
    for _ in range(data.draw(st.integers(1, 3))):
        number = data.draw(st.integers(0, len(chunks) - 1))
        path = data.draw(st.sampled_from(places(chunks[number])))
        chunks[number] = replaced(chunks[number], path, data.draw(ANYTHING))
    events = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    TARGETS["answer"](bytes([options, size]) + events + b"data: [DONE]\n\n")


NAMES = ["retry-after", "retry-after-ms", "x-ratelimit-reset", "llm_provider-retry-after", "x-request-id", "cf-ray"]
DATES = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    *(st.sampled_from(["Mon", "Fri", "", "x"]), st.integers(-1, 40), st.sampled_from(["Jan", "jan", "Foo", ""])),
    *(st.integers(-1, 10**12), st.integers(-1, 99), st.integers(-1, 99), st.integers(-1, 10**20)),
    st.sampled_from(["GMT", "-0000", "+0100", "+9999", "-99999999999999999999", "EST", "x", ""]),
)
VALUES = (
    DATES | st.text(max_size=40) | st.integers().map(str) | st.floats().map(str) | st.sampled_from(["KEY", "PROMPT"])
)


@adversarial
@given(
    status=st.integers(0, 15), headers=st.dictionaries(st.sampled_from(NAMES), VALUES), body=ANYTHING,
    key=st.sampled_from(["error", "detail", "message", "html-message"]),
)  # fmt: skip
def test_any_headers_and_any_json_hold(status: int, headers: dict[str, str], body: Any, key: str) -> None:
    head = "\n".join(f"{name}: {' '.join(value.split())}" for name, value in headers.items())
    TARGETS["failure"](bytes([status]) + head.encode("utf-8", "replace") + b"\n\n" + json.dumps({key: body}).encode())


def test_every_cut_in_two_of_a_recorded_stream_is_the_stream() -> None:
    stream = SEEDS["answer"]["aimock-openrouter-tools-0"][2:]
    events = SSEDecoder(1 << 20).feed(stream)
    assert len(events) > 5
    for cut in range(len(stream) + 1):
        decoder = SSEDecoder(1 << 20)
        pieces = (stream[start:end] for start, end in pairwise((0, cut, len(stream))))
        assert [event for piece in pieces for event in decoder.feed(piece)] == events
