"""`OutputFormat`: what an answer must look like, and how it is read."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, get_origin

from pydantic import TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from raptscallions_ai.answer.result import OutputIssue
from raptscallions_ai.structured.embedded import answers, objects
from raptscallions_ai.tools.json_schema import WithoutTitles, strict_schema
from raptscallions_ai.tools.nesting import TOO_DEEP, deepest, is_too_deep

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["OutputFormat", "Unfit", "output_format"]

T = TypeVar("T")

VALUE = "value"
"""The key under which an answer that is no object by itself is wrapped into one; `create_model` below has it too."""


class Unfit(Exception):
    """A text that does not fit; it never leaves this package.

    Attributes:
        issues: What is wrong.
        is_json: Whether it is at least JSON.
    """

    def __init__(self, issues: tuple[OutputIssue, ...], *, is_json: bool) -> None:
        super().__init__()
        self.issues = issues
        self.is_json = is_json


class OutputFormat(Generic[T]):
    """What an answer must look like: the JSON schema of a type, and the reading of a text into it.

    Args:
        response_model: The type: a pydantic model, a dataclass, or whatever pydantic knows.
        strict: Whether the gateway is asked to enforce the schema.

    Attributes:
        response_model: The same.
        name: Its name, in letters that a gateway accepts.
        is_wrapped: Whether the schema is an object around it, as gateways enforce objects only.

    Raises:
        TypeError: No JSON schema can be made of it.
        ValueError: Strict mode cannot express its schema.
    """

    def __init__(self, response_model: type[T], *, strict: bool) -> None:
        _check_is_type(response_model)
        self.response_model = response_model
        self.name = _name_of(response_model)
        schema, self._adapter = _schema_of(response_model)
        self.is_wrapped = schema.get("type") != "object"
        if self.is_wrapped:
            schema, self._adapter = _schema_of(create_model(self.name, value=(response_model, ...)))
        self._deepest = deepest(schema)
        self._schema = strict_schema(schema) if strict else schema
        self._strict = strict

    @property
    def response_format(self) -> dict[str, Any]:
        """The option `response_format` of the request."""
        return {
            "type": "json_schema",
            "json_schema": {"name": self.name, "strict": self._strict, "schema": self._schema},
        }

    def is_too_deep(self, text: str) -> bool:
        """Whether a text, or the beginning of one, is nested too deeply to be validated in a reasonable time."""
        return is_too_deep(text, self._deepest)

    def read(self, text: str) -> T:
        """Return the object that a text stands for.

        The text is taken as JSON. If it is none, because the model thinks aloud, puts a code fence around its answer or
        notes behind it, the one JSON object that fits is taken: behind the thinking, if there is any.

        Raises:
            Unfit: It is not JSON, it does not fit the model, or several objects do.
        """
        try:
            return self._validated(text)
        except Unfit as unfit:
            if unfit.is_json:
                raise
            problem = unfit
        for answer in answers(text):
            found = dict.fromkeys(objects(answer))
            fitting: list[T] = []
            for one in found:
                try:
                    fitting.append(self._validated(one))
                except Unfit as unfit:
                    if len(found) == 1:
                        problem = unfit
            if len(fitting) == 1:
                return fitting[0]
        raise problem

    def _validated(self, text: str) -> T:
        if self.is_too_deep(text):
            raise Unfit((OutputIssue((), TOO_DEEP),), is_json=True)
        try:
            value = self._adapter.validate_json(text)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
        else:
            return getattr(value, VALUE) if self.is_wrapped else value
        is_json = found[0]["type"] != "json_invalid" or bool(found[0]["loc"])
        raise Unfit(tuple(map(self._issue, found)), is_json=is_json)

    def _issue(self, error: ErrorDetails) -> OutputIssue:
        reason = error["msg"]
        if error["type"] == "union_tag_invalid":
            # Pydantic's own words quote the value.
            reason = f"The tag must be one of {error.get('ctx', {}).get('expected_tags')}"
        return OutputIssue(error["loc"][1:] if self.is_wrapped else error["loc"], reason)


def output_format(response_model: type[T], *, strict: bool) -> OutputFormat[T]:
    """Return the format of a type; a type's schema is made once only.

    Raises:
        TypeError: No JSON schema can be made of it.
        ValueError: Strict mode cannot express its schema.
    """
    try:
        hash(response_model)
    except TypeError:  # such as an Annotated with a list in it
        return OutputFormat(response_model, strict=strict)
    return cast("OutputFormat[T]", _cached_format(response_model, strict))


@lru_cache(maxsize=256)
def _cached_format(response_model: type[Any], strict: bool) -> OutputFormat[Any]:
    return OutputFormat(response_model, strict=strict)


def _check_is_type(response_model: object) -> None:
    """Refuse what is no type, without quoting it: it may be the conversation, in the wrong place."""
    if not isinstance(response_model, type) and get_origin(response_model) is None and response_model is not Any:
        raise TypeError(f"response_model must be a type, such as a pydantic model, not {type(response_model).__name__}")


def _schema_of(response_model: Any) -> tuple[dict[str, Any], TypeAdapter[Any]]:
    try:
        adapter = TypeAdapter(response_model)
        schema = adapter.json_schema(schema_generator=WithoutTitles)
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        reason = error.message.partition("\n")[0]
    else:
        return _with_plain_root(schema), adapter
    raise TypeError(f"response_model: cannot make a JSON schema from {response_model!r}: {reason}")


def _with_plain_root(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with the root itself in the place of a reference to it, which recursive models have."""
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].removeprefix("#/$defs/")
    return {**schema["$defs"][name], "$defs": schema["$defs"]}


def _name_of(response_model: object) -> str:
    name = getattr(response_model, "__name__", None) or "answer"
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64]
