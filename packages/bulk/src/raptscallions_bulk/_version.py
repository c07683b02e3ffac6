"""The library's version, in a module of its own so that nothing else is loaded to know it."""

__version__ = "0.1.0"
