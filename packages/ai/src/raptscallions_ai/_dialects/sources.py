"""Sources that stand beside an answer rather than in it, as annotations like all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.json import json_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raptscallions_ai._dialects.chunk import WireChunk

__all__ = ["Sources"]


class Sources:
    """Tells each source once: Perplexity repeats all of them with every chunk."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def feed(self, chunk: WireChunk) -> Iterator[dict[str, Any]]:
        """Yield the new sources of a chunk, in the order that the marks in the text count them, [1] first."""
        facts: dict[str, dict[str, Any]] = {}
        for item in (*(chunk.search_results or ()), *(chunk.web_search or ())):
            if url := _url(found := json_object(item)):
                facts.setdefault(url, {name: value for name, value in found.items() if name not in ("url", "link")})
        cited = [item if isinstance(item, str) else _url(json_object(item)) for item in chunk.citations or ()]
        titles = {_url(item): item for item in map(json_object, chunk.citations or ())}
        for url in (*cited, *facts):
            if url and url not in self._seen:
                self._seen.add(url)
                yield {
                    "type": "url_citation",
                    "url_citation": {**titles.get(url, {}), **facts.get(url, {}), "url": url},
                }


def _url(item: dict[str, Any]) -> str:
    url = item.get("url") or item.get("link")
    return url if isinstance(url, str) else ""
