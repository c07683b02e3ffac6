"""What the tests of calls share: a second gateway, for what takes over from the first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from ai_tests import GOOD

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.testing import FakeGateway


@pytest.fixture
def second_gateway() -> Iterator[FakeGateway]:
    """A gateway that always gives a good answer."""
    with FakeGateway() as gateway:
        gateway.stream(GOOD, times=None)
        yield gateway


@pytest_asyncio.fixture
async def second(second_gateway: FakeGateway) -> AsyncIterator[OpenRouterClient]:
    """A client of the second gateway."""
    async with OpenRouterClient("key-of-the-second", second_gateway.base_url, "fake/of-the-second") as client:
        yield client
