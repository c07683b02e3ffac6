"""Requests as authentication sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest
from chat_databases import Migrated

from raptscallions_chat.protocols import AuthRequest
from raptscallions_chat.store.database import Database
from raptscallions_chat.tenants.directory import TenantDirectory

NewRequest: TypeAlias = Callable[..., AuthRequest]


@dataclass
class Request:
    """A request; the names of headers are in small letters."""

    headers: Mapping[str, str]
    method: str = "GET"
    peer: str | None = "127.0.0.1"
    cookies: Mapping[str, str] = field(default_factory=dict[str, str])


@pytest.fixture
async def database_url(tmp_path: Path, migrated: Migrated) -> str:
    """SQLite only: what authentication asks the database for is tested with the tenants, on both kinds."""
    return await migrated.sqlite(tmp_path / "chat.db")


@pytest.fixture
def request_with() -> NewRequest:
    """Makes requests to `chat.example.com`, with these headers besides."""

    def make(headers: Mapping[str, str] | None = None, **fields: object) -> AuthRequest:
        return Request({"host": "chat.example.com", **(headers or {})}, **fields)  # pyright: ignore[reportArgumentType] - keywords of one call

    return make


@pytest.fixture
def directory(database: Database) -> TenantDirectory:
    """The tenants."""
    return TenantDirectory(database)
