"""Fake servers of the engines, and clients of theirs."""

from collections.abc import AsyncIterator, Iterator

import pytest

from raptscallions_ai.client.anthropic import AsyncAnthropicClient
from raptscallions_ai.testing import FakeAnthropic


@pytest.fixture
def anthropic() -> Iterator[FakeAnthropic]:
    with FakeAnthropic() as server:
        yield server


@pytest.fixture
async def claude(anthropic: FakeAnthropic) -> AsyncIterator[AsyncAnthropicClient]:
    async with AsyncAnthropicClient(anthropic.api_key, anthropic.model, base_url=anthropic.base_url) as client:
        yield client
