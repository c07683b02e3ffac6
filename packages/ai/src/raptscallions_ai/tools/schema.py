"""A function's signature and docstring as a schema, through pydantic."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, cast, get_type_hints

from docstring_parser import ParseError, parse
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, to_jsonable_python
from typing_extensions import TypedDict

from raptscallions_ai.errors import ToolError
from raptscallions_ai.tools.json_schema import WithoutTitles
from raptscallions_ai.tools.nesting import TOO_DEEP, deepest, is_too_deep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ToolSchema", "schema_of"]

_MOST_PROBLEMS = 10  # in one message


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """The schema of a function for a model, and the check of the arguments that it sends.

    Attributes:
        description: The docstring's text without its sections; may be empty.
        parameters: The JSON schema of the arguments.
        adapter: The validator of the arguments.
        deepest: How many objects within each other the arguments may have; None for any number.
    """

    description: str
    parameters: Mapping[str, Any]
    adapter: TypeAdapter[dict[str, Any]]
    deepest: int | None = None

    def validate(self, arguments: str | Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments, checked and converted, without those that were not sent.

        Raises:
            ToolError: They do not fit. The message does not contain their values.
        """
        if isinstance(arguments, str) and is_too_deep(arguments, self.deepest):
            raise ToolError(f"invalid arguments: {TOO_DEEP}")
        try:
            if isinstance(arguments, str):
                return self.adapter.validate_json(arguments.strip() or "{}")
            return self.adapter.validate_python(arguments)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
        problems = [
            f"{'.'.join(str(step) for step in problem['loc'])}: {problem['msg']}".removeprefix(": ")
            for problem in found[:_MOST_PROBLEMS]
        ]
        raise ToolError(f"invalid arguments: {'; '.join(problems)}")


def schema_of(function: Callable[..., Any], name: str) -> ToolSchema:
    """Return the schema from a function's type hints and docstring.

    Raises:
        TypeError: A parameter has no type hint, cannot be given by keyword, or is of a type without a JSON schema.
    """
    given = inspect.signature(function).parameters.values()
    fields = {each.name: _field(each, hint, name) for each, hint in zip(given, _hints(function, name), strict=True)}
    try:
        shape = cast("Any", TypedDict)(name, fields)
        shape.__pydantic_config__ = ConfigDict(extra="forbid")
        adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(shape)
        parameters = adapter.json_schema(schema_generator=WithoutTitles)
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise TypeError(f"tool {name!r}: a type hint has no JSON schema: {error.message}") from error
    description, texts = _texts(function)
    _complete(parameters, {each.name: each.default for each in given}, texts)
    return ToolSchema(description, parameters, adapter, deepest(parameters))


def _hints(function: Callable[..., Any], name: str) -> list[Any]:
    """Return the types of the parameters in order; `inspect.Parameter.empty` for one without."""
    plain = inspect.unwrap(getattr(function, "__func__", function))
    try:
        annotations = {key: hint for key, hint in inspect.get_annotations(plain).items() if key != "return"}
        holder = type("_Annotated", (), {"__annotations__": annotations})
        hints = get_type_hints(holder, getattr(plain, "__globals__", {}), include_extras=True)
    except NameError as error:
        raise TypeError(f"tool {name!r}: {error}; its type hints must be found in the module it is in") from error
    return [hints.get(key, inspect.Parameter.empty) for key in inspect.signature(function).parameters]


def _field(parameter: inspect.Parameter, hint: Any, tool: str) -> Any:
    where = f"parameter {parameter.name!r} of tool {tool!r}"
    if parameter.kind not in {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}:
        raise TypeError(f"{where} cannot be passed by keyword, which is how a model passes it")
    if hint is inspect.Parameter.empty:
        method = "; of a method, make a tool with tool(instance.method)" if parameter.name in {"self", "cls"} else ""
        raise TypeError(f"{where} has no type hint{method}")
    if isinstance(parameter.default, FieldInfo):
        raise TypeError(f"{where}: put Field(...) into Annotated[...], and the default after the =")
    return hint if parameter.default is inspect.Parameter.empty else NotRequired[hint]


def _texts(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return the text of a docstring, and those of its parameters."""
    whole = inspect.getdoc(function) or ""
    try:
        parsed = parse(whole)
    except ParseError:
        return whole, {}
    texts = {each.arg_name: " ".join(each.description.split()) for each in parsed.params if each.description}
    return (parsed.description or "").strip(), texts


def _complete(parameters: dict[str, Any], defaults: Mapping[str, object], texts: Mapping[str, str]) -> None:
    """Put into a JSON schema what pydantic has not seen: the docstring's texts, and the defaults."""
    parameters.pop("title", None)
    properties: dict[str, dict[str, Any]] = parameters.setdefault("properties", {})
    for name, schema in properties.items():
        if name in texts:
            schema.setdefault("description", texts[name])
        if defaults.get(name, inspect.Parameter.empty) is not inspect.Parameter.empty:
            try:
                schema.setdefault("default", to_jsonable_python(defaults[name]))
            except PydanticSerializationError:
                continue  # the function knows it; the model need not
