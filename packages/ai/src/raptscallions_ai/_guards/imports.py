"""Imports on first use, and the error for a missing extra."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["lazy_names", "missing_extra", "require_extra"]


def lazy_names(
    package: str, names_of: Mapping[str, Sequence[str]], *, extra: str | None = None
) -> Callable[[str], Any]:
    """Return a `__getattr__` for a package whose names are imported when they are first used.

    Args:
        package: The package's `__name__`.
        names_of: The names by the module that has them, seen from the package.
        extra: The extra that these modules need.
    """
    module_of = {name: module for module, names in names_of.items() for name in names}

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            value = getattr(import_module(f"{package}.{module_of[name]}"), name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if extra is None or missing == __name__.partition(".")[0]:
                raise
            raise ImportError(missing_extra(extra, missing)) from error
        setattr(sys.modules[package], name, value)
        return value

    return load


def require_extra(extra: str, *modules: str) -> None:
    """Make sure that the libraries of an extra are installed.

    Raises:
        ImportError: They are not; the message says what to install.
    """
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            raise ImportError(missing_extra(extra, module)) from error


def missing_extra(extra: str, *modules: str) -> str:
    """Return the sentence that says which extra to install, the same wherever one is missing."""
    are = "is" if len(modules) == 1 else "are"
    return f"{', '.join(modules)} {are} missing: pip install 'raptscallions-ai[{extra}]'"
