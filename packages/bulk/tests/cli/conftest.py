"""The command as people run it, in this process, with a gateway that keeps books behind its settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from raptscallions_ai import reset_settings
from raptscallions_ai.cli.app import app
from raptscallions_bulk.testing import BillingGateway

Bulk = Callable[..., Result]


@pytest.fixture
def gateway() -> Iterator[BillingGateway]:
    """A gateway with books, which answers with a label where it is asked for one."""
    with BillingGateway(answer=_answer, has_books=True) as gateway:
        yield gateway


def _answer(prompt: str) -> str:
    return '{"label": "question"}' if prompt.endswith("?") else '{"label": "praise"}'


@pytest.fixture
def bulk(gateway: BillingGateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bulk:
    """Run `raptscallions-ai bulk` with some arguments, in a new folder."""
    for name in list(os.environ):
        if name.startswith(("AI_", "OPENAI_", "OPENROUTER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AI_GATEWAY_URL", gateway.base_url)
    monkeypatch.setenv("AI_API_KEY", gateway.api_key)
    monkeypatch.setenv("AI_DEFAULT_MODEL", gateway.model)
    monkeypatch.chdir(tmp_path)
    reset_settings()

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["bulk", *arguments])

    return run
