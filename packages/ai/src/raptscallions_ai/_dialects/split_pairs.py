"""Characters that a gateway cut in two: in JSON an emoji may be two escapes, and some end up in two deltas."""

from __future__ import annotations

__all__ = ["SplitPairs", "halves_kept", "well_formed"]


def well_formed(text: str) -> str:
    """Return a text with its pairs joined, and with a mark in the place of each half without the other."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def halves_kept(text: str) -> str | None:
    """Return a text that is well formed but for the half that it begins or ends with; None if there is no such half."""
    before = text[:1] if _is_second(text[:1]) else ""
    after = text[-1:] if _is_first(text[-1:]) else ""
    if not before and not after:
        return None
    return before + well_formed(text[len(before) : len(text) - len(after)]) + after


class SplitPairs:
    """Holds first halves back until the second ones come.

    Attributes:
        waiting: Whether any is held back.
    """

    def __init__(self) -> None:
        self._held: dict[str, str] = {}
        self.waiting = False

    def joined(self, place: str, text: str) -> str:
        """Return what can be given out of the next piece of a text.

        Args:
            place: Which text it is.
            text: The piece.
        """
        text = self._held.pop(place, "") + text
        if _is_first(text[-1:]):
            self._held[place], text = text[-1], text[:-1]
        self.waiting = bool(self._held)
        return well_formed(text)

    def rest(self, place: str) -> str:
        """Return what stands for a half whose other one never came; empty if there is none."""
        half = self._held.pop(place, "")
        self.waiting = bool(self._held)
        return "\ufffd" if half else ""


def _is_first(letter: str) -> bool:
    return "\ud800" <= letter <= "\udbff"


def _is_second(letter: str) -> bool:
    return "\udc00" <= letter <= "\udfff"
