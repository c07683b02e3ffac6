"""Every fault of the catalogue, played over real sockets to the public client, and judged strictly."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from fault_checks import check, hear, outcome_of

from raptscallions_ai import AiSettings, OpenRouterClient
from raptscallions_ai.options.setting_values import SettingValues
from raptscallions_ai.testing import FakeGateway
from raptscallions_ai.testing.faults import FAULTS, Fault
from raptscallions_ai.testing.faults.trial import address


@pytest.fixture
def base_url(fault: Fault, fake_gateway: FakeGateway) -> Iterator[str]:
    with address(fault, fake_gateway) as url:
        yield url


@pytest.mark.requirement("E04-T003.AC1")
@pytest.mark.requirement("E04-T003.AC2")
@pytest.mark.requirement("E04-T011.AC5")
@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_fault(fault: Fault, fake_gateway: FakeGateway, base_url: str) -> None:
    if fault.address == "ignores" and sys.platform != "linux":
        pytest.skip("only Linux is known to ignore connections when its queue is full")
    fault.play(fake_gateway)
    values: SettingValues = {
        "api_key": fake_gateway.api_key,
        "gateway_url": base_url,
        "default_model": fake_gateway.model,
    }
    if fault.max_event_bytes is not None:
        values["max_event_bytes"] = fault.max_event_bytes
    settings = AiSettings.explicit(**values)
    async with OpenRouterClient(settings=settings, max_retries=fault.max_retries) as client:
        await client.warm_up()
        heard = await hear(fault, client, fake_gateway)
        await check(fault, fault.expected, heard, client, fake_gateway)
    assert fault.judge(outcome_of(heard)) == "ok"
    assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)
