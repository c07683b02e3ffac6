"""Draw `docs/house.svg`: the packages of the client by layer, who imports whom, and the way of a chunk through them.

Run it as it is to write the picture. The layers are those of `pyproject.toml`, the arrows are made from the imports,
and one that others replace is left out, so that the picture can be read. A test compares it with the one that is kept.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "packages/ai/src/raptscallions_ai"
PICTURE = ROOT / "docs/house.svg"

WIDTH, MARGIN = 960, 24
ROOM, FLOOR = (142, 34), 74
STEP = (168, 56)

Point = tuple[float, float]

# What hands a chunk on, in order: the file, the name in it, and what comes out there.
WAY = [
    ("_transport/http/connection.py", "HttpConnection", "bytes"),
    ("_transport/http/incoming.py", "ResponseParser", "bytes of the body"),
    ("_call/exchange.py", "Exchange", "one read"),
    ("_dialects/decoder.py", "AnswerDecoder", "stream or document"),
    ("_dialects/sse.py", "SSEDecoder", "events"),
    ("_dialects/openai/reader.py", "OpenAIReader", "JSON of an event"),
    ("_dialects/chunk.py", "decode_chunk", "WireChunk"),
    ("_dialects/fold.py", "Fold", "StreamChunk"),
    ("_call/call.py", "GatewayCall", "StreamChunk, in time"),
    ("answer/stream.py", "ChatStream", "your loop"),
]

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2933; }
  .title { font-size: 17px; font-weight: 600; }
  .note { font-size: 11px; fill: #52606d; }
  .room { fill: #e3f0fb; stroke: #6b9dc7; }
  .engine { fill: #fdf0dc; stroke: #c79a52; }
  .name { text-anchor: middle; }
  .out { text-anchor: middle; font-size: 11px; fill: #52606d; }
  path { fill: none; stroke: #9aa5b1; stroke-width: 1.2; marker-end: url(#tip); }
  .line { marker-end: none; }
  .up { stroke: #c0392b; stroke-dasharray: 4 3; }
"""


def layers() -> list[list[str]]:
    """Return the packages by layer, from the top."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contract = next(one for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    return [[name.strip() for name in layer.replace(":", "|").split("|")] for layer in contract["layers"]]


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the packages of the library that a file imports, and whether only for the type checker."""
    pending: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text("utf-8")), False)]
    while pending:
        node, for_types = pending.pop()
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("raptscallions_ai."):
            yield (node.module or "").split(".")[1], for_types
        is_for_types = for_types or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        pending += ((child, is_for_types) for child in ast.iter_child_nodes(node))


def arrows() -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Return who imports whom, and which of these run upward, which only types may."""
    floor = {name: number for number, layer in enumerate(layers()) for name in layer}
    down: set[tuple[str, str]] = set()
    up: set[tuple[str, str]] = set()
    for path in SOURCE.rglob("*.py"):
        importer = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        for imported, for_types in imports(path):
            if importer not in floor or imported not in floor or importer == imported:
                continue
            if not for_types:
                down.add((importer, imported))
            elif floor[importer] > floor[imported]:
                up.add((importer, imported))
    return down, up


def without_detours(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the arrows that no chain of the others replaces."""
    after: dict[str, set[str]] = {}
    for start, end in edges:
        after.setdefault(start, set()).add(end)

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        pending = [*after.get(start, ())]
        while pending:
            if (name := pending.pop()) not in found:
                found.add(name)
                pending += after.get(name, ())
        return found

    return {(start, end) for start, end in edges if not any(end in reached(other) for other in after[start] - {end})}


def places() -> dict[str, Point]:
    """Return the middle of each room's upper edge."""
    found: dict[str, Point] = {}
    for number, layer in enumerate(layers()):
        width = (WIDTH - 2 * MARGIN) / len(layer)
        for column, name in enumerate(layer):
            found[name] = (MARGIN + width * (column + 0.5), 58 + number * FLOOR)
    return found


def house() -> Iterator[str]:
    """Yield the drawing of the packages."""
    place = places()
    down, up = arrows()
    for start, end in sorted(without_detours(down)):
        yield _arrow(place[start], place[end])
    for start, end in sorted(up):
        (x, y), (to_x, to_y) = place[start], place[end]
        to_y += ROOM[1]
        yield _path([(x, y), (x, y - 60), (to_x, to_y + 66), (to_x, to_y + 3)], kind="up")
    for name, (x, y) in place.items():
        yield _box(name, x - ROOM[0] / 2, y, ROOM)
        yield _text("name", x, y + 22, name)


def _arrow(start: Point, end: Point) -> str:
    (x, y), (to_x, to_y) = start, end
    if y == to_y:  # neighbours: from edge to edge
        half = ROOM[0] / 2 if to_x > x else -ROOM[0] / 2
        return _path([(x + half, y + 17), (to_x - half * 1.04, y + 17)])
    y += ROOM[1]
    bend = min(30, (to_y - y) / 2)
    return _path([(x, y), (x, y + bend), (to_x, to_y - bend - 3), (to_x, to_y - 3)])


def _path(points: list[Point], *, kind: str = "") -> str:
    """Return a curve of four points, or else a line through them."""
    first, *rest = [f"{x:.0f},{y:.0f}" for x, y in points]
    drawn = f"M{first} C{' '.join(rest)}" if len(points) == 4 else f"M{first} L{' L'.join(rest)}"
    return f'<path class="{kind}" d="{drawn}"/>' if kind else f'<path d="{drawn}"/>'


def _box(path: str, x: float, y: float, size: tuple[int, int]) -> str:
    kind = "engine" if path.startswith("_") else "room"
    return f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{size[0]}" height="{size[1]}" rx="5"/>'


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'


def way(top: float) -> Iterator[str]:
    """Yield the drawing of a chunk's way."""
    columns = 5
    gap = (WIDTH - 2 * MARGIN - columns * STEP[0]) / (columns - 1)
    for number, (file, name, out) in enumerate(WAY):
        column, row = number % columns, number // columns
        x, y = MARGIN + column * (STEP[0] + gap), top + row * 112
        middle = x + STEP[0] / 2
        yield _box(file, x, y, STEP)
        yield _text("name", middle, y + 23, name)
        yield _text("out", middle, y + 42, file)
        yield _text("out", middle, y + STEP[1] + 15, out)
        if column < columns - 1:
            yield _path([(x + STEP[0], y + 28), (x + STEP[0] + gap - 3, y + 28)])
        elif number + 1 < len(WAY):
            right, below, left = x + STEP[0] - 20, y + STEP[1] + 28, MARGIN + STEP[0] / 2
            yield _path([(right, y + STEP[1]), (right, below), (left, below)], kind="line")
            yield _path([(left, below), (left, y + 109)])


def picture() -> str:
    """Return the whole picture."""
    top = 58 + len(layers()) * FLOOR + 40
    height = top + 112 + STEP[1] + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img"',
        ' aria-label="The packages of raptscallions_ai by layer, and the way of a chunk through them">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<polygon points="0,0 8,4 0,8" fill="#9aa5b1"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
        f'<text class="title" x="{MARGIN}" y="26">Who imports whom</text>',
        f'<text class="note" x="{MARGIN}" y="43">blue: what a user may import; brown: the engine room; '
        "dashed: types only. An arrow that others replace is left out.</text>",
        *house(),
        f'<text class="title" x="{MARGIN}" y="{top - 16:.0f}">The way of a chunk</text>',
        *way(top),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(picture(), "utf-8")
