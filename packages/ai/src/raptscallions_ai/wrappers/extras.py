"""The optional libraries of the wrappers, and what is said where one is missing."""

from __future__ import annotations

from importlib import import_module

__all__ = ["require_extra"]


def require_extra(extra: str, *modules: str) -> None:
    """Make sure that the libraries of an extra are installed.

    Raises:
        ImportError: They are not; the message says what to install.
    """
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            raise ImportError(f"{module} is missing: install raptscallions-ai[{extra}]") from error
