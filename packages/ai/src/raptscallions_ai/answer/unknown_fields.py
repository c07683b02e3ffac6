"""Values that hold more than this version knows: the fields of a newer one, to be written again."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import msgspec

__all__ = ["field_names", "make_with_unknown", "needed_fields", "unknown_fields_of"]


def field_names(cls: Any) -> list[str]:
    """Return the public fields of a struct or a dataclass, in order."""
    names = cls.__struct_fields__ if issubclass(cls, msgspec.Struct) else [f.name for f in dataclasses.fields(cls)]
    return [name for name in names if not name.startswith("_")]


def needed_fields(cls: Any) -> list[str]:
    """Return the fields of a struct or a dataclass that have no default."""
    if issubclass(cls, msgspec.Struct):
        names, defaults = cls.__struct_fields__, cls.__struct_defaults__
        optional = [
            name for name, value in zip(names[::-1], defaults[::-1], strict=False) if value is not msgspec.NODEFAULT
        ]
        return [name for name in names if name not in optional]
    missing = dataclasses.MISSING
    return [f.name for f in dataclasses.fields(cls) if f.default is missing and f.default_factory is missing]


def make_with_unknown(cls: type, values: dict[str, Any], unknown: dict[str, Any]) -> Any:
    """Return a value of a class that also has `unknown_fields`."""
    return _extended(cls)(**values, unknown_fields=unknown)


def unknown_fields_of(value: object) -> dict[str, Any]:
    """Return the unknown fields of a value; hardly any has some."""
    return getattr(value, "unknown_fields", {})


@cache
def _extended(cls: Any) -> Any:
    # A subclass and not a field of every class: hardly any value needs it, and chunks come by the thousand.
    namespace: dict[str, Any] = {"__reduce__": _reduce, "__repr__": _repr, "__module__": cls.__module__}
    if issubclass(cls, msgspec.Struct):
        field = [("unknown_fields", dict[str, Any])]
        bases, name = (cls,), cls.__name__
        return msgspec.defstruct(name, field, bases=bases, namespace=namespace, frozen=True, kw_only=True, gc=True)
    return dataclasses.make_dataclass(
        cls.__name__,
        [("unknown_fields", dict[str, Any], dataclasses.field(hash=False))],
        bases=(cls,),
        namespace=namespace,
        frozen=True,
        kw_only=True,
        repr=False,
        slots=True,
    )


def _known(self: Any) -> tuple[type, dict[str, Any]]:
    cls = type(self).__mro__[1]
    return cls, {name: getattr(self, name) for name in field_names(cls)}


def _reduce(self: Any) -> tuple[Any, ...]:
    # Its class is made when it is needed, so pickle would not find it.
    return make_with_unknown, (*_known(self), self.unknown_fields)


def _repr(self: Any) -> str:
    cls, values = _known(self)
    return f"{repr(cls(**values))[:-1]}, unknown_fields={sorted(self.unknown_fields)})"
