"""Runs of many prompts: no row is paid twice, a cap on cost holds, and the pace is learned from the gateway."""

from __future__ import annotations

from raptscallions_bulk._version import __version__

__all__ = ["__version__"]
