"""Objects made from the beginning of a JSON text."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, cast, get_args, get_origin, get_type_hints

from pydantic import AliasChoices, AliasPath, BaseModel, RootModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo

__all__ = ["MISSING", "partial_object"]

MISSING: Any = object()
"""In the place of a value that is not there yet, or does not fit yet."""

_MAPPINGS = (dict, Mapping, MutableMapping)
_LISTS: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    Sequence: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
}


class _Field(NamedTuple):
    name: str
    annotation: Any


def partial_object(annotation: Any, value: Any, *, whole: bool = False) -> Any:
    """Return the object that can be made from a value so far; `MISSING` if none can.

    Only what stands at its end can be unfinished. There models, dataclasses and typed dicts are made of the fields that
    are there, without running their validators. A field that is missing has its default; else it is empty if it is a
    text, list or mapping, and None if not. In a typed dict it is left out. All before that end is validated, and where
    it does not fit it is made in the same way.

    Args:
        annotation: The type to make.
        value: The JSON value, without what was cut off.
        whole: Whether it is known to be finished.
    """
    annotation = getattr(annotation, "__value__", annotation)  # of a type alias
    if not isinstance(value, dict | list) or whole:
        made = _plain(annotation, value)
        if made is not MISSING or not isinstance(value, dict | list):
            return made
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return partial_object(arguments[0], value, whole=whole)
    if origin is Union or origin is UnionType:
        return _of_union(arguments, value, whole=whole)
    if _is_a(annotation, RootModel):
        root = partial_object(annotation.model_fields["root"].annotation, value, whole=whole)
        return root if root is MISSING else annotation.model_construct(root)
    if isinstance(value, dict):
        return _of_dict(annotation, cast("dict[str, Any]", value), whole=whole)
    return _of_list(annotation, cast("list[Any]", value), whole=whole)


def _of_dict(annotation: Any, value: dict[str, Any], *, whole: bool) -> Any:
    kind, arguments = get_origin(annotation) or annotation, get_args(annotation)
    last = None if whole else next(reversed(value), None)

    def made_of(key: str, annotation: Any) -> Any:
        return partial_object(annotation, value[key], whole=key != last)

    if kind in _MAPPINGS:
        return _present({key: made_of(key, arguments[1] if arguments else Any) for key in value})
    fields = _fields_of(kind)
    if fields is None:
        return _plain(annotation, value)
    there = _present({field.name: made_of(key, field.annotation) for key, field in fields.items() if key in value})
    if _is_typed_dict(kind):
        return there
    return _model(kind, there) if _is_a(kind, BaseModel) else _dataclass(kind, there)


def _of_list(annotation: Any, value: list[Any], *, whole: bool) -> Any:
    arguments = get_args(annotation)
    make = _LISTS.get(get_origin(annotation) or annotation)
    if make is None or (make is tuple and arguments[1:] != (...,)):
        return _plain(annotation, value)
    item = arguments[0] if arguments else Any
    made = _plain(list[item], value[:-1])  # at once, which is much faster than one by one
    if made is MISSING:
        made = [partial_object(item, one, whole=True) for one in value[:-1]]
    made += [partial_object(item, one, whole=whole) for one in value[-1:]]
    try:
        return make([one for one in made if one is not MISSING])
    except TypeError:  # a set, of something that cannot be in one until it is whole
        return MISSING


def _present(made: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in made.items() if item is not MISSING}


def _of_union(arms: tuple[Any, ...], value: Any, *, whole: bool) -> Any:
    """Return what the likeliest of the arms makes: the one that knows most of the keys that are there."""
    for arm in sorted(arms, key=lambda arm: _known_keys(arm, value), reverse=True):
        if _known_keys(arm, value) >= 0 and (made := partial_object(arm, value, whole=whole)) is not MISSING:
            return made
    return MISSING


def _known_keys(arm: Any, value: Any) -> int:
    """Return how many keys of a value an arm knows; -1 if a tag of the arm has another value there."""
    if not isinstance(value, dict):
        return 0
    given = cast("dict[str, Any]", value)
    fields = _fields_of(_class_of(arm)) or {}
    there = [(field, given[key]) for key, field in fields.items() if key in given]
    tags = [(get_args(field.annotation), item) for field, item in there if get_origin(field.annotation) is Literal]
    return len(there) if all(item in allowed for allowed, item in tags) else -1


def _model(kind: type[BaseModel], there: dict[str, Any]) -> BaseModel:
    fields = kind.model_fields
    missing = [name for name, field in fields.items() if field.is_required() and name not in there]
    rest = {name: _nothing(fields[name].annotation) for name in missing}
    return kind.model_construct(_fields_set=set(there), **rest, **there)


def _dataclass(kind: Any, there: dict[str, Any]) -> Any:
    made = object.__new__(kind)
    annotations = {field.name: field.annotation for field in (_fields_of(kind) or {}).values()}
    for field in dataclasses.fields(kind):
        if field.name in there:
            item = there[field.name]
        elif field.default_factory is not dataclasses.MISSING:
            item = field.default_factory()
        elif field.default is not dataclasses.MISSING:
            item = field.default
        else:
            item = _nothing(annotations[field.name])
        object.__setattr__(made, field.name, item)  # of a frozen one, too
    return made


def _nothing(annotation: Any) -> Any:
    """Return what stands for a value that has not arrived: loops and texts can take it as it is."""
    kind = _class_of(annotation)
    if kind is str:
        return ""
    if kind in _MAPPINGS:
        return dict[str, Any]()
    return _LISTS[kind]([]) if kind in _LISTS else None


@lru_cache(maxsize=512)
def _fields_of(kind: Any) -> dict[str, _Field] | None:
    """Return the fields of a class by the keys that they have in JSON; None if it is no class with fields."""
    if _is_a(kind, BaseModel):
        fields: dict[str, FieldInfo] = kind.model_fields
        return {
            _key_of(name, field.validation_alias or field.alias): _Field(
                name, Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
            )
            for name, field in fields.items()
        }
    if not _is_typed_dict(kind) and not dataclasses.is_dataclass(kind):
        return None
    try:
        hints = get_type_hints(kind)
    except NameError:  # a class that is only known inside a function
        return None
    return {name: _Field(name, hint) for name, hint in hints.items()}


def _key_of(name: str, alias: str | AliasPath | AliasChoices | None) -> str:
    """Return the key that the schema gives a field."""
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return next((choice for choice in choices if isinstance(choice, str)), name)


def _plain(annotation: Any, value: Any) -> Any:
    if annotation is Any or type(value) is annotation:
        return value
    try:
        adapter = _cached_adapter(annotation)
    except TypeError:  # it cannot be a key, such as an Annotated with a list in it
        adapter = _adapter(annotation)
    try:
        return MISSING if adapter is None else adapter.validate_python(value)
    except (ValidationError, PydanticUserError):  # the second, too late, of a type that names an unknown one
        return MISSING


def _adapter(annotation: Any) -> TypeAdapter[Any] | None:
    try:
        return TypeAdapter(annotation)
    except (PydanticUserError, PydanticUndefinedAnnotation):
        return None


_cached_adapter = lru_cache(maxsize=512)(_adapter)


def _class_of(annotation: Any) -> Any:
    """Return what an annotation is about, without what it says of it."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return get_origin(annotation) or annotation


def _is_a(annotation: Any, base: type) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, base)


def _is_typed_dict(kind: Any) -> bool:
    # Not `typing.is_typeddict`: before Python 3.12 pydantic needs those of typing_extensions, which it does not know.
    return _is_a(kind, dict) and hasattr(kind, "__required_keys__")
