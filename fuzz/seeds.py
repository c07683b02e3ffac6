"""The seed corpus: every recorded response as an input of each target."""

from __future__ import annotations

from pathlib import Path

from raptscallions_ai.testing import recorded_reply

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
        else:
            head = "\n".join(f"{name}: {value}" for name, value in reply.headers.items())
            found[path.stem] = bytes([reply.status % 16]) + head.encode("latin-1") + b"\n\n" + body
    return found
