"""What browsers read of a failure are our words; the gateway's are in the log, under the same reference."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import AiError, OpenRouterClient, StreamChunk, errors
from raptscallions_ai.testing import FakeGateway, Reply, chunk, json_reply, sse
from raptscallions_ai.web import openai_sse_body, sse_response_body, ui_message_stream
from raptscallions_ai.web.payloads import error_payload

pytestmark = pytest.mark.requirement("E04-T014.AC3")

CANARY = "db-7.internal.example account-4711 sk-or-v1-0123"
STATUSES = [
    302,
    400,
    401,
    402,
    403,
    404,
    405,
    408,
    409,
    413,
    415,
    418,
    422,
    429,
    451,
    498,
    500,
    502,
    503,
    504,
    524,
    529,
]
BODIES: dict[str, Callable[[int], Reply]] = {
    "error": lambda status: json_reply({"error": {"message": CANARY, "code": CANARY, "type": CANARY}}, status=status),
    "metadata": lambda status: json_reply(
        {
            "error": {
                "message": "x",
                "code": status,
                "metadata": {
                    "error_type": CANARY,
                    "provider_name": CANARY,
                    "raw": CANARY,
                    "reasons": [CANARY, "violence"],
                    "flagged_input": CANARY,
                },
            }
        },
        status=status,
    ),
    "detail": lambda status: json_reply({"detail": CANARY}, status=status),
    "page": lambda status: Reply((f"<html><title>{CANARY}</title>{CANARY}</html>".encode(),), status),
    "known code": lambda status: json_reply(
        {"error": {"message": "x", "type": f"rate_limit: {CANARY}"}}, status=status
    ),
    "headers": lambda status: Reply((b"",), status, {"x-request-id": CANARY, "retry-after": CANARY}),
}
INSIDE = {
    "an error event": sse({"error": {"message": CANARY, "code": 502, "metadata": {"provider_name": CANARY}}}),
    "a choice": sse({"choices": [{"error": {"message": CANARY, "code": 400}}]}),
    "no JSON": f"data: {CANARY}\n\n".encode(),
    "a page": f"<html>{CANARY}</html>".encode(),
}
PROTOCOLS: dict[str, Callable[[AsyncIterator[StreamChunk]], Any]] = {
    "our own": sse_response_body,
    "the AI SDK's": ui_message_stream,
    "OpenAI's": openai_sse_body,
}


async def read(client: OpenRouterClient, protocol: str) -> str:
    body = PROTOCOLS[protocol](client.stream_chat("Hi"))
    return b"".join([piece async for piece in body]).decode()


def assert_ours(text: str) -> None:
    for word in CANARY.split():
        assert word not in text


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("body", BODIES)
async def test_no_words_of_the_gateway_reach_a_browser(
    fake_gateway: FakeGateway, new_client: ClientFactory, protocol: str, body: str
) -> None:
    client = new_client()
    for status in STATUSES:
        fake_gateway.add(lambda _, status=status: BODIES[body](status))
        told = await read(client, protocol)
        assert '"error"' in told
        assert_ours(told)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("place", INSIDE)
async def test_nor_do_they_from_inside_a_stream(
    fake_gateway: FakeGateway, new_client: ClientFactory, protocol: str, place: str
) -> None:
    fake_gateway.reply(sse(chunk("Half an ")), INSIDE[place])
    fake_gateway.reply(INSIDE[place])
    client = new_client()
    for _ in range(2):
        assert_ours(await read(client, protocol))


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_log_has_them_under_the_same_reference(
    fake_gateway: FakeGateway, new_client: ClientFactory, caplog: pytest.LogCaptureFixture, protocol: str
) -> None:
    caplog.set_level(logging.WARNING, "raptscallions_ai")
    fake_gateway.error(400, "the model lives at db-7.internal.example")
    told = await read(new_client(), protocol)
    found = re.search(r'(?:"reference":"|reference )([0-9a-f]{12})', told)
    assert found is not None
    [line] = [record.getMessage() for record in caplog.records if found[1] in record.getMessage()]
    assert "db-7.internal.example" in line
    assert "status 400" in line


def test_what_is_known_of_a_failure_is_reported() -> None:
    known = errors.ContentPolicyError(reasons=["violence", "account-4711"], error_type="Content-Policy-Violation: 4711")
    payload = error_payload(known)
    assert payload["details"] == {"reasons": ["violence"]}
    assert payload["error_type"] == "content_policy_violation"
    assert "4711" not in json.dumps(payload)
    assert error_payload(errors.ContentPolicyError(reasons=["account-4711"]))["details"] == {}


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_every_error_can_be_told(kind: type[Exception]) -> None:
    if not issubclass(kind, AiError):
        return
    error = kind.__new__(kind)
    AiError.__init__(error, "ours", gateway_message=CANARY, sentence="ours")
    assert_ours(json.dumps(error_payload(error)))
