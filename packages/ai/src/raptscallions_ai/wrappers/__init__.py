"""Clients around clients: what makes calls comfortable, each a `ChatClient` itself, to be nested in any order."""

from __future__ import annotations

from raptscallions_ai.wrappers.base import WrappedClient
from raptscallions_ai.wrappers.call import ChatCall
from raptscallions_ai.wrappers.source import AroundSource

__all__ = ["AroundSource", "ChatCall", "WrappedClient"]
