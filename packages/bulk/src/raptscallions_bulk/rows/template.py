"""`Template`: a text with names of a row's fields in braces."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any

import msgspec

from raptscallions_bulk.errors import SourceError

__all__ = ["Template"]

_json = msgspec.json.Encoder(enc_hook=str).encode


class Template:
    """A text with places for a row's fields: `Classify: {text}`, or `{user.name}` for what is further inside.

    Braces that are meant as such are doubled. Objects and lists are put in as JSON.

    Args:
        text: The text.

    Raises:
        ValueError: It is no template.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts: list[tuple[str, tuple[str, ...]]] = []
        try:
            for literal, name, spec, conversion in Formatter().parse(text):
                if spec or conversion:
                    raise ValueError("a field has a name only, no format")
                if name == "":
                    raise ValueError("a field has no name")
                self._parts.append((literal, () if name is None else tuple(name.split("."))))
        except ValueError as error:
            hint = "; braces that are meant as such are doubled: {{ and }}"
            raise ValueError(f"the template cannot be read: {error}{hint}") from None

    @property
    def fields(self) -> set[str]:
        """The fields of a row that it needs."""
        return {names[0] for _, names in self._parts if names}

    def fill(self, row: Mapping[str, Any]) -> str:
        """Return the text for a row.

        Raises:
            SourceError: The row lacks a field.
        """
        return "".join([literal + (_text(row, names) if names else "") for literal, names in self._parts])


def _text(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    value: Any = row
    for name in names:
        if not isinstance(value, Mapping) or name not in value:
            has = ", ".join(map(str, row)) or "nothing"
            raise SourceError(f"the template asks for {{{'.'.join(names)}}}, and the row has: {has}")
        value = value[name]  # pyright: ignore[reportUnknownVariableType] - rows hold anything
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return _json(value).decode() if isinstance(value, dict | list | bool) else str(value)  # pyright: ignore[reportUnknownArgumentType] - as above
