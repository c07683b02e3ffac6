"""`ToolCall`: a call that a model asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from raptscallions_ai.errors import InvalidResponseError

__all__ = ["ToolCall"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that the model asks for.

    Attributes:
        id: The call's id, to be sent back with its result; may be empty if the gateway sent none.
        name: The tool's name.
        raw_arguments: The arguments' JSON text exactly as received.
    """

    id: str
    name: str
    raw_arguments: str = ""

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments as an object; a call without arguments gives an empty one.

        Raises:
            InvalidResponseError: The text is not one JSON object, for instance because the answer was cut
                by its token limit; `raw_arguments` still has the text.
        """
        if not self.raw_arguments.strip():
            return {}
        problem = "are not one JSON object"
        try:
            parsed: object = json.loads(self.raw_arguments)
        except ValueError as error:
            parsed, problem = None, f"are not valid JSON ({type(error).__name__})"
        except RecursionError:
            parsed, problem = None, "are nested too deeply"
        if isinstance(parsed, dict):
            return cast("dict[str, Any]", parsed)
        raise InvalidResponseError(f"the arguments of tool call {self.name!r} {problem}")

    def to_dict(self) -> dict[str, Any]:
        """Return the call in the OpenAI wire format, as an assistant message carries it."""
        function = {"name": self.name, "arguments": self.raw_arguments}
        return {"id": self.id, "type": "function", "function": function}

    def __repr__(self) -> str:
        return f"ToolCall(name={self.name!r}, raw_arguments={len(self.raw_arguments)} characters)"
