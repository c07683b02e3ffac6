"""`ToolCall`: a call that a model asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai.errors import InvalidResponseError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ToolCall"]

_NO_OBJECT = "are not a JSON object"
_OWN_KEYS = frozenset({"id", "type", "index", "function"})


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that the model asks for.

    Attributes:
        id: The call's id, to be sent back with its result; may be empty if the gateway sent none.
        name: The tool's name.
        raw_arguments: The arguments' JSON text exactly as received.
        extra: Further fields of the call that are sent back unchanged, such as Gemini's `extra_content` with its
            signature. Keys that the call writes itself (`id`, `type`, `index`, `function`) are left out.
    """

    id: str
    name: str
    raw_arguments: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)

    def __post_init__(self) -> None:
        if not _OWN_KEYS.isdisjoint(self.extra):
            further = {key: value for key, value in self.extra.items() if key not in _OWN_KEYS}
            object.__setattr__(self, "extra", further)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments as an object; empty if there are none, or `null`.

        Some models put the JSON text of the arguments into a JSON string; that works too.

        Raises:
            InvalidResponseError: The text is not a JSON object, for instance because the answer was cut
                by its token limit; `raw_arguments` still has the text.
        """
        if not self.raw_arguments.strip():
            return {}
        problem = _NO_OBJECT
        try:
            parsed: object = json.loads(self.raw_arguments)
        except ValueError as error:
            parsed, problem = None, f"are not valid JSON ({type(error).__name__})"
        except RecursionError:
            parsed, problem = None, "are nested too deeply"
        if isinstance(parsed, dict):
            return cast("dict[str, Any]", parsed)
        if parsed is None and problem == _NO_OBJECT:
            return {}
        if isinstance(parsed, str) and parsed.lstrip()[:1] == "{":
            return replace(self, raw_arguments=parsed).arguments
        raise InvalidResponseError(f"the arguments of tool call {self.name!r} {problem}")

    def to_dict(self) -> dict[str, Any]:
        """Return the call in the OpenAI wire format, as an assistant message carries it."""
        function = {"name": self.name, "arguments": self.raw_arguments}
        return {"id": self.id, "type": "function", "function": function, **self.extra}

    def __repr__(self) -> str:
        return f"ToolCall(name={self.name!r}, raw_arguments={len(self.raw_arguments)} characters)"
