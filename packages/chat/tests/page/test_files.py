"""What the page is made of, and how it is served: sizes, headers, versions of what others wrote."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

import raptscallions_chat
from raptscallions_ai.testing import ScriptedClient
from raptscallions_chat.testing import ServedChat

Serve = Callable[..., Awaitable[ServedChat]]
PAGE = Path(raptscallions_chat.__file__).parent / "page"
VENDOR = PAGE / "vendor"


def served_files() -> list[Path]:
    kinds = {".js", ".css", ".html", ".svg"}
    return [path for path in PAGE.rglob("*") if path.suffix in kinds or path.parent.name == "languages"]


@pytest.mark.requirement("E07-T001.AC1")
def test_everything_that_is_ever_loaded_is_less_than_150_kilobytes() -> None:
    sizes = {path: len(gzip.compress(path.read_bytes(), 9)) for path in served_files()}
    assert len(sizes) > 30
    assert sum(sizes.values()) < 150_000


def test_no_file_of_the_page_is_too_long() -> None:
    own = [path for path in served_files() if VENDOR not in path.parents and path.suffix != ".json"]
    sizes = {path.name: len(path.read_text("utf-8").splitlines()) for path in own}
    assert {name: lines for name, lines in sizes.items() if lines > 400 and not name.endswith(".css")} == {}


def test_what_others_wrote_is_what_their_versions_say() -> None:
    table = json.loads((VENDOR / "versions.json").read_text("utf-8"))
    told = {name: digest for entry in table.values() for name, digest in entry["sha256"].items()}
    there = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "versions.json"
    }
    assert there == told
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", entry["version"]) and entry["licence"] for entry in table.values())


def test_every_language_says_everything_with_the_same_places() -> None:
    files = {path.stem: json.loads(path.read_text("utf-8")) for path in (PAGE / "languages").glob("*.json")}
    places = {
        tag: {name: set(re.findall(r"\{\w+\}", json.dumps(text))) for name, text in words.items()}
        for tag, words in files.items()
    }
    assert {tag: said == places["en"] for tag, said in places.items()} == dict.fromkeys(files, True)


def test_every_text_that_the_page_asks_for_is_there_and_no_other() -> None:
    words = json.loads((PAGE / "languages" / "en.json").read_text("utf-8"))
    source = "\n".join(path.read_text("utf-8") for path in PAGE.glob("*.js"))
    whole = set(re.findall(r"""["'`]([a-z_]+\.[a-z_]+)["'`]""", source))
    begun = tuple(re.findall(r"`([a-z_]+\.)\$\{", source))
    assert sorted(name for name in re.findall(r"\bt\(\s*\"([^\"]+)\"", source) if name not in words) == []
    assert sorted(name for name in words if name not in whole and not name.startswith(begun)) == []


def test_every_module_that_is_needed_at_once_is_asked_for_at_once() -> None:
    """One after another, each import would cost a journey to the service and back."""
    told = set(re.findall(r'rel="modulepreload" href="page/([^"]+)"', (PAGE / "index.html").read_text("utf-8")))
    needed: set[str] = set()
    waiting = ["main.js"]
    while waiting:
        name = waiting.pop()
        source = (PAGE / name).read_text("utf-8")
        found = {
            match.removeprefix("./") for match in re.findall(r'^(?:import|\} from)[^"\n]*"(\./[^"]+)"', source, re.M)
        }
        waiting += sorted(found - needed)
        needed |= found
    assert told == needed


async def test_the_page_is_there_and_obeys_nobody_else(served: Serve) -> None:
    chat = await served(ScriptedClient("Hi"))
    async with httpx2.AsyncClient(base_url=chat.url) as http:
        page = await http.get("/")
        assert page.status_code == 200
        assert 'data-languages="' in page.text
        assert "{languages}" not in page.text
        policy = page.headers["Content-Security-Policy"]
        for rule in ("default-src 'none'", "script-src 'self';", "require-trusted-types-for 'script'"):
            assert rule in policy
        assert "unsafe" not in policy
        for name in re.findall(r'(?:src|href)="(page/[^"]+)"', page.text):
            loaded = await http.get(f"/{name}")
            assert loaded.status_code == 200, name
            assert loaded.headers["X-Content-Type-Options"] == "nosniff"
            again = await http.get(f"/{name}", headers={"If-None-Match": loaded.headers["ETag"]})
            assert (again.status_code, again.content) == (304, b"")
        for path in ("/page/../app.py", "/page/%2e%2e/app.py", "/page/vendor/versions.json5", "/page/"):
            assert (await http.get(path)).status_code == 404
        stranger = await http.get("/", headers={"Host": "evil.example"})
        assert (stranger.status_code, stranger.json()["error"]["code"]) == (421, "bad_host")
