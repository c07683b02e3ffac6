"""The seed corpus: every recorded response as an input of each target."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

from raptscallions_ai.testing import Reply, recorded_reply

if TYPE_CHECKING:
    from raptscallions_ai.testing.replies import Framing

__all__ = ["RECORDINGS", "seeds"]

RECORDINGS = Path(__file__).resolve().parents[1] / "packages" / "ai" / "tests" / "fixtures" / "wire"
_ANSWERED_AS = (b"\x01\x06", b"\x00\x3f", b"\x0f\x00")  # usage required, pieces of 7; lenient; cut, small limit, bytes


def seeds(target: str) -> dict[str, bytes]:
    """Return the inputs of a target, by name."""
    found: dict[str, bytes] = {}
    for path in sorted(RECORDINGS.glob("*.txt")):
        reply = recorded_reply(path)
        body = b"".join(step for step in reply.steps if isinstance(step, bytes))
        if target == "answer":
            found |= {f"{path.stem}-{number}": start + body for number, start in enumerate(_ANSWERED_AS)}
        elif target == "response":
            found |= {
                f"{path.stem}-{framing}": _on_the_wire(reply, framing) for framing in ("chunked", "length", "close")
            }
        else:
            head = "\n".join(f"{name}: {value}" for name, value in reply.headers.items())
            found[path.stem] = bytes([reply.status % 16]) + head.encode("latin-1") + b"\n\n" + body
    return found


def _on_the_wire(reply: Reply, framing: Framing) -> bytes:
    """Return the first part of a response as a server sends it."""
    start, coded = b"".join(step for step in reply.steps if isinstance(step, bytes))[:3000], dict(reply.headers)
    if framing == "length":
        start, coded["content-encoding"] = gzip.compress(start[:1500]) + gzip.compress(start[1500:]), "gzip"
    parts = tuple(start[at : at + 700] for at in range(0, len(start), 700))
    sent = Reply(parts, reply.status, coded, framing).on_the_wire(keep_alive=framing != "close")
    return b"\x06" + b"".join(step for step in sent if isinstance(step, bytes))
