"""A real ASGI server on loopback, and browsers that read slowly or leave."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from web_server import Browse, Browser, Serve, Server


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Runs an app until the test ends."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(Server(app).running())


@pytest.fixture
def browse() -> Iterator[Browse]:
    """Opens a connection and posts; it is closed after the test at the latest."""
    with ExitStack() as stack:

        def open_browser(url: str) -> Browser:
            browser = Browser(url)
            stack.callback(browser.leave)
            return browser

        yield open_browser
