"""Many keys at once over shared connections: none is ever sent with another's request."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Coroutine

import pytest
from ai_tests import client_of

from raptscallions_ai import AiError, ContentChunk, OpenRouterClient, Timeouts
from raptscallions_ai.testing import Cut, FakeGateway, Hang, Reply, Reset, chunk, json_reply, sse, usage
from raptscallions_ai.testing.recording import RecordedRequest
from raptscallions_ai.testing.wire import DONE, Answer, error_body

pytestmark = pytest.mark.requirement("E04-T005.AC12")


END = (sse(chunk("", finish_reason="stop")), sse({"choices": [], "usage": usage()}), DONE)
TENANT = re.compile(r"tenant-(\d+)")


class Tenants:
    """A gateway that does something else with each call of many tenants, and the tenants' side of it."""

    def __init__(self, gateway: FakeGateway, elsewhere: FakeGateway) -> None:
        self.gateway = gateway
        self.elsewhere = elsewhere
        self._attempts: Counter[str] = Counter()
        self._counting = threading.Lock()
        gateway.add(self._reply, times=None)
        gateway.route("POST", "/api/v1/moved").add(self._reply, times=None)
        self.calls = {
            "plain": self._chat,
            "one body": self._one_body,
            "server error": self._chat,
            "rate limit": self._chat,
            "quoting error": self._chat,
            "redirect elsewhere": self._chat,
            "redirect here": self._chat,
            "reset": self._chat,
            "cut": self._chat,
            "silent": self._silent,
            "left": self._leave,
            "cancelled": self._cancel,
            "generation": self._generation,
        }

    def _reply(self, request: RecordedRequest) -> Reply:
        text: str = request.json["messages"][0]["content"]
        tenant, _, call = text.partition(" ")
        headers = {"set-cookie": f"session={tenant}; Path=/"}
        whole = Answer((f"for {tenant}",))
        answer = whole.stream() if request.wants_stream else whole.json()
        answer = Reply(answer.steps, answer.status, {**answer.headers, **headers}, answer.framing)
        with self._counting:
            self._attempts[text] += 1
            attempt = self._attempts[text]
        begun = sse(chunk("for "))
        once = {
            "server error": json_reply(error_body(500, "failed"), status=500, headers=headers),
            "rate limit": json_reply(error_body(429, "slow"), status=429, headers={"retry-after": "0", **headers}),
            "redirect elsewhere": json_reply({}, status=307, headers={"location": f"{self.elsewhere.base_url}/x"}),
            "redirect here": json_reply({}, status=308, headers={"location": "/api/v1/moved"}),
            "reset": Reply((Reset(),), before_headers=True),
            "cut": Reply((begun, Cut())),
        }
        always = {
            "quoting error": json_reply(error_body(400, request.headers["authorization"]), status=400),
            "silent": Reply((begun, Hang())),
            "left": Reply((begun, Hang())),
            "cancelled": Reply((Hang(),), before_headers=True),
        }
        failures = 2 if call == "redirect elsewhere" else 1  # then the key that is left is asked
        return always.get(call) or (once.get(call, answer) if attempt <= failures else answer)

    async def run(self, numbers: range, repeats: int) -> list[str]:
        """Let each tenant make every call, all tenants at once; return what went wrong."""
        wrong: list[str] = []
        async with contextlib.AsyncExitStack() as stack:
            work: list[Coroutine[None, None, None]] = []
            for number in numbers:
                spare = await stack.enter_async_context(client_of(self.gateway, f"sk-tenant-{number}-spare"))
                options = {"max_retries": 1, "fallback_clients": [spare], "fallback_models": [f"b/tenant-{number}"]}
                client = client_of(
                    self.gateway, f"sk-tenant-{number}-key", default_model=f"a/tenant-{number}", **options
                )
                work.append(self._all_calls(await stack.enter_async_context(client), number, repeats, wrong))
            await asyncio.gather(*work)
        return wrong

    async def _all_calls(self, client: OpenRouterClient, number: int, repeats: int, wrong: list[str]) -> None:
        for turn in range(repeats):
            names = list(self.calls)
            # Each begins elsewhere, so that at any time every kind of call is under way.
            for name in names[(number + turn) % len(names) :] + names[: (number + turn) % len(names)]:
                said = ""
                try:
                    said = await self.calls[name](client, f"tenant-{number}-{turn} {name}")
                except AiError as error:
                    said = f"{error} {error.details} {error.partial and error.partial.content}"
                if set(TENANT.findall(said)) - {str(number)} or "sk-" in said:
                    wrong.append(f"{name} of {number}: {said}")

    async def _chat(self, client: OpenRouterClient, prompt: str) -> str:
        return (await client.chat(prompt)).content

    async def _one_body(self, client: OpenRouterClient, prompt: str) -> str:
        return (await client.chat(prompt, stream=False)).content

    async def _silent(self, client: OpenRouterClient, prompt: str) -> str:
        return (await client.chat(prompt, timeout=Timeouts(first_chunk=5, idle=0.05), fallback_models=[])).content

    async def _leave(self, client: OpenRouterClient, prompt: str) -> str:
        async for piece in client.stream_chat(prompt):
            if isinstance(piece, ContentChunk):
                return piece.content
        return ""

    async def _cancel(self, client: OpenRouterClient, prompt: str) -> str:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(client.chat(prompt), 0.05)
        return ""

    async def _generation(self, client: OpenRouterClient, prompt: str) -> str:
        return (await client.generation(prompt.partition(" ")[0])).id

    def check(self) -> None:
        """Assert that every request had the key of the tenant whose words it carried, and nothing of another's."""
        tenants_of: defaultdict[int, set[str]] = defaultdict(set)
        for request in self.gateway.requests:
            [tenant] = set(TENANT.findall(f"{request.query} {request.body.decode()}"))
            assert request.headers["authorization"] in {
                f"Bearer sk-tenant-{tenant}-{kind}" for kind in ("key", "spare")
            }
            assert TENANT.findall(str(dict(request.headers))) == [tenant]
            assert "cookie" not in request.headers
            tenants_of[request.connection].add(tenant)
        assert {one.headers["authorization"].rpartition("-")[2] for one in self.gateway.requests} == {"key", "spare"}
        assert self.elsewhere.requests == []
        assert max(map(len, tenants_of.values())) > 5, "the connections were not shared, so this proved nothing"


@pytest.mark.parametrize(("loops", "each"), [(1, 24), (3, 16)])
async def test_no_key_is_ever_sent_with_anothers_request(fake_gateway: FakeGateway, loops: int, each: int) -> None:
    with FakeGateway() as elsewhere:
        tenants = Tenants(fake_gateway, elsewhere)
        parts = [range(part * each, (part + 1) * each) for part in range(loops)]

        def in_a_loop_of_its_own(part: range) -> list[str]:
            return asyncio.run(tenants.run(part, 1))

        wrong = await asyncio.gather(*(asyncio.to_thread(in_a_loop_of_its_own, part) for part in parts))
        assert wrong == [[]] * loops
        tenants.check()
        made = Counter(
            request.json["messages"][0]["content"].partition(" ")[2]
            for request in fake_gateway.requests
            if request.body
        )
        assert made.keys() == tenants.calls.keys() - {"generation"}
        assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)
