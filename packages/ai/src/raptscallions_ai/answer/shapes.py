"""Chunks, events, results and errors as plain JSON objects and back; `codec.py` describes the form.

What a class looks like is read from its annotations. A field whose class is not known here is JSON of someone else
and comes back as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, TypeAlias, Union, cast, get_args, get_origin, get_type_hints

from raptscallions_ai.answer.chunks import StreamChunk
from raptscallions_ai.answer.events import StreamEvent
from raptscallions_ai.answer.json_values import from_plain, to_plain
from raptscallions_ai.answer.result import Attempt, ChatResult, OutputIssue, RateLimits, Usage
from raptscallions_ai.answer.run_events import ToolRunEvent, ToolRunResult
from raptscallions_ai.answer.unknown_fields import field_names, make_with_unknown, needed_fields, unknown_fields_of
from raptscallions_ai.errors import AiError, ToolError
from raptscallions_ai.errors.base import rebuild
from raptscallions_ai.messages.message import ChatMessage
from raptscallions_ai.tools.tool_call import ToolCall

__all__ = ["error_from_object", "error_to_object", "find_shape", "message_from_object", "message_to_object", "shape_of"]

Object: TypeAlias = dict[str, Any]


class _Converter(NamedTuple):
    """How one field is written and read; `types` are those of a scalar, and empty for anything else."""

    write: Callable[[Any], object]
    read: Callable[[Any], object]
    types: frozenset[type] = frozenset()


class Shape:
    """One class as a JSON object.

    Attributes:
        cls: The class.
        head: What tells its objects apart.
    """

    def __init__(self, cls: type, head: dict[str, str]) -> None:
        self.cls, self.head = cls, head
        hints = get_type_hints(cls, localns=_NAMES)
        self._fields = {name: _converter(hints[name]) for name in field_names(cls)}
        self._is_flat = all(field.types and float not in field.types for field in self._fields.values())

    def write(self, value: Any) -> Object:
        """Return a value's fields, those that only a newer version knows included."""
        unknown = unknown_fields_of(value)
        if self._is_flat and not unknown:
            return {name: getattr(value, name) for name in self._fields}
        return {name: self._written(name, field, value) for name, field in self._fields.items()} | unknown

    def _written(self, name: str, field: _Converter, value: Any) -> object:
        try:
            return field.write(getattr(value, name))
        except TypeError as error:
            raise TypeError(f"{self.cls.__name__}.{name}: {error}") from None

    def read(self, data: Object) -> Any:
        """Return the value that an object stands for.

        Raises:
            ValueError: A field is missing or of another type.
        """
        values = {name: self._value(name, field, data[name]) for name, field in self._fields.items() if name in data}
        unknown = {k: value for k, value in data.items() if k not in self._fields and not self._is_head(k, value)}
        try:
            return make_with_unknown(self.cls, values, unknown) if unknown else self.cls(**values)
        except TypeError:
            raise ValueError(
                f"{self.cls.__name__} lacks: {', '.join(n for n in needed_fields(self.cls) if n not in data)}"
            ) from None

    def _is_head(self, name: str, value: object) -> bool:
        return name in self.head and self.head[name] == value

    def _value(self, name: str, field: _Converter, value: object) -> object:
        try:
            return field.read(value)
        except _WrongTypeError as error:
            raise ValueError(f"{self.cls.__name__}.{name} must not be {error}") from None


class _WrongTypeError(Exception):
    """A field holds JSON of a type that it cannot have."""


# Converters of fields


def _converter(hint: Any) -> _Converter:
    options = set(_options(hint))
    rest = options - {NoneType}
    if types := _scalars(options):
        return _scalar(types)
    if ChatMessage in rest:
        return _Converter(_write_message, _read_message)
    if len(rest) == 1:
        inner = _single(rest.pop())
        return _optional(inner) if NoneType in options else inner
    return _Converter(to_plain, from_plain)


def _single(hint: Any) -> _Converter:
    """Return the converter of a type that is neither a union nor a scalar."""
    if hint is Decimal:
        return _Converter(str, _decimal)
    if hint is object:
        return _Converter(_write_if_plain, from_plain)
    if hint in (AiError, Exception):
        return _Converter(error_to_object, error_from_object)
    if hint in _HEADS:
        return _nested(hint)
    if get_origin(hint) is tuple and get_args(hint)[1:] == (...,):
        return _tuple_of(_converter(get_args(hint)[0]))
    return _Converter(to_plain, from_plain)


def _scalar(types: frozenset[type]) -> _Converter:
    def read(value: object) -> object:
        return _checked(from_plain(value), types)

    return _Converter(to_plain, read, types)


def _nested(declared: Any) -> _Converter:
    def write(value: object) -> object:
        return _write_nested(declared, value)

    def read(data: object) -> object:
        return _read_nested(declared, data)

    return _Converter(write, read)


def _tuple_of(item: _Converter) -> _Converter:
    def write(values: Sequence[object]) -> list[object]:
        return [item.write(value) for value in values]

    def read(values: object) -> tuple[object, ...]:
        return tuple(item.read(value) for value in _checked(values, frozenset({list})))

    return _Converter(write, read)


def _optional(inner: _Converter) -> _Converter:
    def write(value: object) -> object:
        return None if value is None else inner.write(value)

    def read(value: object) -> object:
        return None if value is None else inner.read(value)

    return _Converter(write, read)


def _options(hint: Any) -> list[Any]:
    """Return the members of a union; a literal counts as its type, so that a new word of it can be read."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return [option for member in get_args(hint) for option in _options(member)]
    if origin is Literal:
        return [type(value) for value in get_args(hint)]
    return [hint]


def _scalars(options: set[Any]) -> frozenset[type]:
    if not options <= {str, int, float, bool, NoneType}:
        return frozenset()
    return frozenset(options | ({int} if float in options else set()))


def _checked(value: Any, types: frozenset[type]) -> Any:
    if type(value) not in types:
        raise _WrongTypeError(f"a JSON {type(value).__name__}")
    return value


def _decimal(value: Any) -> Decimal:
    try:
        return Decimal(_checked(value, frozenset({str})))
    except InvalidOperation:
        raise _WrongTypeError("a text that is not a number") from None


def _write_if_plain(value: object) -> object:
    """Return what a tool returned, unless it is no JSON: the model was given its text, which is kept."""
    try:
        return to_plain(value)
    except (TypeError, ValueError):
        return None


def _write_nested(declared: Any, value: Any) -> Object:
    shape = shape_of(value.__class__)
    if shape is None:
        raise TypeError(f"it must be a {declared.__name__}, not a {type(value).__name__}")
    return shape.write(value) if shape.cls is declared else {**shape.head, **shape.write(value)}


def _read_nested(declared: type, data: Any) -> Any:
    _checked(data, frozenset({dict}))
    named = find_shape(data) if "kind" in data else None
    if named is not None and issubclass(named.cls, declared):
        return named.read(data)
    shape = shape_of(declared)
    assert shape is not None
    return shape.read(data)


# Messages


def message_to_object(message: ChatMessage) -> Object:
    """Return a message of ours as an object, which tells it apart from a dict of the user's."""
    return {"kind": "message", "message": to_plain(message.to_dict())}


def message_from_object(data: Object) -> ChatMessage:
    """Return the message that an object stands for."""
    wire = from_plain(data.get("message"))
    if not isinstance(wire, dict):
        raise ValueError("a message lacks its 'message'")
    return ChatMessage.from_dict(cast("Object", wire))


def _write_message(message: ChatMessage | Mapping[str, object]) -> object:
    return message_to_object(message) if isinstance(message, ChatMessage) else to_plain(message)


def _read_message(data: Any) -> ChatMessage | Object:
    _checked(data, frozenset({dict}))
    return message_from_object(data) if data.get("kind") == "message" else cast("Object", from_plain(data))


# Errors


def error_to_object(error: Exception) -> Object:
    """Return an error with its class, the classes that it is made from, and all that it holds."""
    if not isinstance(error, AiError):  # an exception of a tool: its class is not ours to make again
        error = ToolError(f"{type(error).__name__}: {error}")
    own = [name for name in vars(error) if not name.startswith("_") and name not in _ERROR_FIELDS]
    names = [*(name for name in _ERROR_FIELDS if hasattr(error, name)), *own]
    data = {name: _written_of_error(error, name, getattr(error, name)) for name in names}
    parents = [_name_of(cls) for cls in type(error).__mro__[1:] if issubclass(cls, AiError)]
    unknown: Object = vars(error).get(_UNKNOWN, {})
    return {"kind": "error", "name": _name_of(type(error)), "parents": parents, **data, **unknown}


def _written_of_error(error: AiError, name: str, value: object) -> object:
    hint = _ERROR_FIELDS.get(name)
    try:
        return to_plain(value) if hint is None else _converter(hint).write(value)
    except TypeError as problem:
        raise TypeError(f"{type(error).__name__}.{name}: {problem}") from None


def error_from_object(data: Any) -> AiError:
    """Return the error that an object stands for.

    A class that is not there (of a newer version, or of a module that is not loaded) is read as the nearest of its
    parents that is.

    Raises:
        ValueError: A field is missing or of another type.
    """
    _checked(data, frozenset({dict}))
    parents = data.get("parents")
    names: list[object] = [data.get("name"), *(cast("list[object]", parents) if isinstance(parents, list) else [])]
    classes = _error_classes()
    cls = next((classes[name] for name in names if isinstance(name, str) and name in classes), AiError)
    # What an error holds besides must not hide what its class can do.
    hidden = {name for name in data if name.startswith("_") or (name in dir(cls) and name not in _CLASS_FIELDS)}
    shown = {name: value for name, value in data.items() if name not in hidden | {"kind", "name", "parents"}}
    state = {name: _read_of_error(name, value) for name, value in shown.items()}
    if not isinstance(message := state.get("message"), str):
        raise ValueError("an error lacks its 'message'")
    for name in _CLASS_FIELDS:
        if name in state and state[name] == getattr(cls, name):
            del state[name]
    unknown = {name: data[name] for name in hidden}
    if _name_of(cls) != data.get("name"):
        unknown |= {name: data[name] for name in ("name", "parents") if name in data}
    state = {**_EMPTY_STATE, "sentence": message, **state, **({_UNKNOWN: unknown} if unknown else {})}
    state["details"] = state["details"] or {}
    return cast("AiError", rebuild(cls, message, state))


def _read_of_error(name: str, value: object) -> object:
    hint = _ERROR_FIELDS.get(name)
    try:
        return from_plain(value) if hint is None else _converter(hint).read(value)
    except _WrongTypeError as error:
        raise ValueError(f"{name} of an error must not be {error}") from None


def _name_of(cls: Any) -> str:
    ours = cls.__module__.partition(".")[0] == __name__.partition(".")[0]
    return cls.__name__ if ours else f"{cls.__module__}.{cls.__qualname__}"


def _error_classes() -> dict[str, type[AiError]]:
    """Return every class of error that is loaded now, those of the user's included."""
    found: dict[str, type[AiError]] = {}
    pending: list[type[AiError]] = [AiError]
    while pending:
        cls = pending.pop()
        found[_name_of(cls)] = cls
        pending += cls.__subclasses__()
    return found


_UNKNOWN = "_unknown_fields"
_CLASS_FIELDS = ("code", "status_code", "retryable")
_EMPTY_STATE: Object = {
    "details": None,
    "retry_after": None,
    "error_type": None,
    "provider": None,
    "request_id": None,
    "partial": None,
    "attempts": (),
    "gateway_status": None,
    "gateway_message": None,
}
_ERROR_FIELDS: dict[str, Any] = {
    "message": str,
    "code": str,
    "status_code": int,
    "details": dict[str, Any] | None,
    "retryable": bool,
    "retry_after": float | None,
    "error_type": str | None,
    "provider": str | None,
    "request_id": str | None,
    "partial": ChatResult | None,
    "attempts": tuple[Attempt, ...],
    "gateway_status": int | None,
    "gateway_message": str | None,
    "sentence": str,
    "errors": tuple[OutputIssue, ...],
    "reasons": tuple[str, ...],
    "limits": RateLimits | None,
}

# Which classes there are

# What the annotations name that their modules import for the type checker only.
_NAMES = {cls.__name__: cls for cls in (AiError, ChatMessage, ChatResult, Mapping, Sequence, Usage)}


def _heads() -> dict[type, dict[str, str]]:
    """Return what tells each class apart; chunks, which come by the thousand, have a type only."""
    chunks = {cls: {"type": cls.type} for cls in get_args(StreamChunk)}
    events = {cls: {"kind": "event", "type": cls.type} for cls in get_args(StreamEvent)}
    of_runs = {cls: {"kind": "tool_event", "type": cls.type} for cls in get_args(ToolRunEvent) if cls not in chunks}
    others = {
        "result": ChatResult,
        "tool_run_result": ToolRunResult,
        "usage": Usage,
        "tool_call": ToolCall,
        "attempt": Attempt,
        "rate_limits": RateLimits,
        "output_issue": OutputIssue,
    }
    return chunks | events | of_runs | {cls: {"kind": kind} for kind, cls in others.items()}


_HEADS = _heads()
_BY_HEAD = {(head.get("kind"), head.get("type")): cls for cls, head in _HEADS.items()}


@cache
def shape_of(cls: Any) -> Shape | None:
    """Return the shape of a class, or of the nearest class that it is made from."""
    known = next((base for base in cls.__mro__ if base in _HEADS), None)
    return None if known is None else _shape(known)


@cache
def _shape(cls: type) -> Shape:
    return Shape(cls, _HEADS[cls])


def find_shape(data: Object) -> Shape | None:
    """Return the shape of an object, by its `kind` and `type`; None if it is of a newer version."""
    kind, kind_type = data.get("kind"), data.get("type")
    try:
        cls = _BY_HEAD.get((kind, kind_type)) or _BY_HEAD.get((kind, None))
    except TypeError:  # not even texts
        return None
    return None if cls is None else _shape(cls)
