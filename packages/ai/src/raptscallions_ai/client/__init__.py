"""The clients, and what every client has in common."""

from __future__ import annotations

from raptscallions_ai.client.base import BaseChatClient

__all__ = ["BaseChatClient"]
