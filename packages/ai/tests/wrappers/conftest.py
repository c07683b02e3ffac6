"""The wrappers, alone and in compositions, for the tests of what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from raptscallions_ai import ChatClient
from raptscallions_ai.wrappers import WrappedClient

Wrap = Callable[[ChatClient], WrappedClient]

WRAPPERS: dict[str, Wrap] = {
    "nothing": WrappedClient,
}


def nested(*names: str) -> Wrap:
    def wrap(client: ChatClient) -> WrappedClient:
        wrapped = client
        for name in reversed(names):
            wrapped = WRAPPERS[name](wrapped)
        assert isinstance(wrapped, WrappedClient)
        return wrapped

    return wrap


COMPOSITIONS = {" around ".join(names): nested(*names) for names in [["nothing", "nothing"]]}


@pytest.fixture(params=[*WRAPPERS, *COMPOSITIONS])
def wrap(request: pytest.FixtureRequest) -> Wrap:
    """Each wrapper, and compositions of them."""
    return (WRAPPERS | COMPOSITIONS)[request.param]
