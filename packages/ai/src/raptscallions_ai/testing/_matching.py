"""Finds the recorded exchange that a request repeats, or what differs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from raptscallions_ai.testing._exchange import Exchange

__all__ = ["Recordings"]

_SHOWN = 5  # differences that are shown
_EXCERPT = 40  # characters of a value that are shown
_ABSENT = object()


class Recordings:
    """The exchanges of a cassette, each of which is played once.

    Args:
        exchanges: The recorded exchanges; of equal requests the first one is played first.
        ignore: Fields of a request's JSON body that need not be equal.
    """

    def __init__(self, exchanges: Sequence[Exchange], ignore: Collection[str] = ()) -> None:
        self._exchanges = list(exchanges)
        self._ignore = frozenset(ignore)
        self._requests = [self._request(exchange) for exchange in exchanges]
        self._unplayed = dict(enumerate(self._requests))

    def take(self, exchange: Exchange) -> Exchange | None:
        """Return the exchange that a request, without secrets, repeats; None if there is none left."""
        request = self._request(exchange)
        for position, recorded in self._unplayed.items():
            if recorded == request:
                del self._unplayed[position]
                return self._exchanges[position]
        return None

    def why_none(self, exchange: Exchange) -> str:
        """Return why no exchange is played for a request: what differs from the one that is most like it."""
        request = self._request(exchange)
        method, path, _ = request
        if times := self._requests.count(request):
            return f"this request is recorded {times} {'time' if times == 1 else 'times'}, and was made once more"
        alike = [recorded for recorded in self._requests if recorded[0] == method and _path(recorded[1]) == _path(path)]
        if not alike:
            known = sorted({f"{recorded[0]} {_path(recorded[1])}" for recorded in self._requests})
            return f"no such request is recorded, only {', '.join(known) or 'none at all'}"
        found = min(([*_differences(recorded, request)] for recorded in alike), key=len)
        more = f" (and {len(found) - _SHOWN} more)" if len(found) > _SHOWN else ""
        return f"the recorded request that is most like it differs in {'; '.join(found[:_SHOWN])}{more}"

    def _request(self, exchange: Exchange) -> tuple[str, str, Any]:
        """Return what makes two requests equal: method, path with query, and body, whose order of keys is no matter."""
        try:
            body: object = json.loads(exchange.body)
        except (ValueError, RecursionError):
            body = exchange.body
        if isinstance(body, dict):
            fields = cast("dict[str, object]", body)
            body = {name: value for name, value in fields.items() if name not in self._ignore}
        return exchange.method, exchange.target, body


def _path(target: str) -> str:
    return target.partition("?")[0]


def _differences(recorded: tuple[str, str, Any], sent: tuple[str, str, Any]) -> Iterator[str]:
    if recorded[1] != sent[1]:
        yield _difference("the query", recorded[1].partition("?")[2], sent[1].partition("?")[2])
    yield from _in_value("", recorded[2], sent[2])


def _in_value(where: str, recorded: object, sent: object) -> Iterator[str]:
    """Yield each place at which two values differ, and how."""
    if recorded == sent:
        return
    if isinstance(recorded, dict) and isinstance(sent, dict):
        before, now = cast("dict[str, object]", recorded), cast("dict[str, object]", sent)
        for name in dict.fromkeys([*now, *before]):
            yield from _in_value(
                f"{where}.{name}" if where else name, before.get(name, _ABSENT), now.get(name, _ABSENT)
            )
    elif isinstance(recorded, list) and isinstance(sent, list):
        items, others = cast("list[object]", recorded), cast("list[object]", sent)
        for position in range(max(len(items), len(others))):
            pair = (values[position] if position < len(values) else _ABSENT for values in (items, others))
            yield from _in_value(f"{where}[{position}]", *pair)
    else:
        yield _difference(where or "the body", cast("object", recorded), sent)


def _difference(where: str, recorded: object, sent: object) -> str:
    start = 0
    if isinstance(recorded, str) and isinstance(sent, str):
        same = (position for position, pair in enumerate(zip(recorded, sent, strict=False)) if pair[0] != pair[1])
        start = max(0, next(same, min(len(recorded), len(sent))) - _EXCERPT // 4)
    return f"{where}: {_excerpt(sent, start)} instead of {_excerpt(recorded, start)}"


def _excerpt(value: object, start: int) -> str:
    if value is _ABSENT:
        return "nothing"
    if isinstance(value, str):
        cut = json.dumps(value[start : start + _EXCERPT], ensure_ascii=False)
        return ("..." if start else "") + cut + ("..." if len(value) > start + _EXCERPT else "")
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "..."
