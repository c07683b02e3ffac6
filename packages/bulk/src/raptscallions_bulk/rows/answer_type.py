"""`AnswerType`: the type of a run's answers, to JSON and back."""

from __future__ import annotations

from typing import Any

__all__ = ["AnswerType"]


class AnswerType:
    """A type that pydantic knows.

    Args:
        answer_as: The type.

    Attributes:
        schema: Its JSON schema.

    Raises:
        TypeError: No JSON schema can be made of it.
    """

    def __init__(self, answer_as: Any) -> None:
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUserError

        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(answer_as)
            self.schema: dict[str, Any] = self._adapter.json_schema()
        except PydanticUserError as error:
            raise TypeError(f"answer_as: no JSON schema can be made of {answer_as!r}: {error.message}") from None

    def to_json(self, answer: Any) -> Any:
        """Return an object as JSON can hold it."""
        return self._adapter.dump_python(answer, mode="json")

    def from_json(self, kept: Any) -> Any:
        """Return the object that was kept."""
        return self._adapter.validate_python(kept)
