"""A chat runtime that loses no answer: conversations, runs that survive their worker, streams that can be resumed.

`packages/ai` is known by its `ChatClient` only, so any engine, wrapper or test double can be injected.
"""

from raptscallions_chat._version import __version__

__all__ = ["__version__"]
