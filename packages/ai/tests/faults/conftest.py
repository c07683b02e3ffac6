"""What makes four hundred clients affordable: they read the system's certificates once."""

from __future__ import annotations

import functools

import httpcore2
import pytest

shared_context = functools.cache(httpcore2.default_ssl_context)


@pytest.fixture(autouse=True)
def one_tls_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Share the TLS context, which no fault uses and whose certificates take longer to read than a call."""
    monkeypatch.setattr(httpcore2, "default_ssl_context", shared_context)
