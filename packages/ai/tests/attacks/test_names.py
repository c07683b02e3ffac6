"""A name that somebody chose forges no line of a log, gives a terminal no order, and turns no text around."""

from __future__ import annotations

import ast
import logging
from pathlib import Path
from typing import Any

import pytest
from ai_tests import ClientFactory

import raptscallions_ai
from raptscallions_ai import AiError, ModelNotAvailableError, OpenRouterClient, ToolCall, errors, tool
from raptscallions_ai.answer.result import ChatResult
from raptscallions_ai.cli.output import printable
from raptscallions_ai.errors.text import one_line
from raptscallions_ai.testing import FakeGateway, Reply, ScriptedClient, chunk, json_reply, sse
from raptscallions_ai.wrappers import HookedClient, LoggedClient

pytestmark = pytest.mark.requirement("E04-T014.AC3")

SOURCE = Path(raptscallions_ai.__file__).parent
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
HOSTILE = [
    "x\n2026-01-01 00:00:00 ERROR root: FORGED",
    "x\r\nFORGED",
    "x\x1b]0;title\x07\x1b[2J",
    "x\x9b31m",
    f"x{BIDI}FORGED",
    "x\u2028FORGED\u2029\x85FORGED",
    "x\U000e0041\u200b\ufeff",
    "x\ud800",
    "x" * 300_000,
]


def assert_fit(text: str) -> None:
    assert text.isprintable(), ascii(text)
    assert len(text) < 3000


def everything_in(records: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in records if record.name.startswith("raptscallions_ai")]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
async def test_no_name_of_a_model_forges_a_line(
    fake_gateway: FakeGateway, new_client: ClientFactory, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.DEBUG, "raptscallions_ai")
    statuses = [None, 404, 503, 400, 429, 403]
    hostile = name.encode("utf-8", "replace").decode()[:1000]
    answer = Reply((sse(chunk("Hi", finish_reason=hostile, model=hostile)), sse("[DONE]")))

    def respond(_: object) -> Reply:
        error = {"message": f"no {hostile}", "code": hostile, "metadata": {"provider_name": hostile}}
        return answer if statuses[0] is None else json_reply({"error": error}, status=statuses[0])

    fake_gateway.add(respond, times=None)
    client = new_client(max_retries=1, fallback_models=[name])
    wrapped = LoggedClient(HookedClient(client, on_error=lambda call, error: 1 / 0))  # type: ignore[arg-type,return-value]
    failures: list[AiError] = []
    while statuses:
        try:
            await wrapped.chat("Hi", model=name, timeout=10, require_usage=False)
        except AiError as error:
            failures.append(error)
        except ValueError:  # half a character is not sent at all
            assert name == "x\ud800"
        statuses.pop(0)
    for failure in failures:
        for text in (
            str(failure),
            failure.sentence,
            str(failure.details.get("model", "")),
            failure.to_dict()["message"],
        ):
            assert_fit(text)
    told = everything_in(caplog.records)
    assert told or name == "x\ud800"
    for line in told:
        assert_fit(line)


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
async def test_no_name_of_a_tool_forges_a_line(caplog: pytest.LogCaptureFixture, name: str) -> None:
    @tool
    def known() -> None:
        """Do nothing."""

    calls = (ToolCall("1", name, "{}"), ToolCall("2", "known", "{" + f'"{name[:50]}"' + ": 1}"))
    client = ScriptedClient(ChatResult(tool_calls=calls, finish_reason="tool_calls"), "The end.")
    await client.run_tools("Hi", tools=[known]).result()
    told = everything_in(caplog.records)
    assert len(told) == 2
    for line in told:
        assert_fit(line)


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_error_forges_a_line(name: str) -> None:
    assert_fit(str(ModelNotAvailableError(name)))
    assert_fit(ModelNotAvailableError(name).model)
    assert_fit(AiError(name).message)
    assert_fit(AiError("x", sentence=name).sentence)
    assert_fit(errors.InvalidResponseError(name).message)
    assert_fit(repr(AiError(name)))
    for line in errors.ConfigurationError(f"It is invalid:\n  {name[:9]}").message.split("\n"):
        assert_fit(line)


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_line_is_printable_and_short(name: str) -> None:
    line = one_line(name)
    assert line.startswith("x")
    assert line.isprintable()
    assert len(line) <= 200


def test_a_name_of_everyday_stays_as_it_is() -> None:
    for name in ("anthropic/claude-sonnet-4:free", "модель 1", "模型/qwen", "é ñ ü"):
        assert one_line(name) == name


@pytest.mark.parametrize("name", HOSTILE[:7], ids=ascii)
def test_the_terminal_is_given_no_order_by_an_answer(name: str) -> None:
    shown = printable(name)
    assert not set(shown) & set(BIDI)
    assert all(letter.isprintable() or letter in "\n\u200b\ufeff" for letter in shown), ascii(shown)


def test_no_module_writes_to_a_logger_of_its_own() -> None:
    allowed = {"_guards/log.py", "cli/run.py", "wrappers/logged.py", "__init__.py"}
    users = [
        str(path.relative_to(SOURCE))
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "getLogger"
    ]
    assert set(users) == allowed


def test_metrics_are_distinguished_by_so_many_models_only() -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from raptscallions_ai import Usage
    from raptscallions_ai.wrappers.telemetry import Instruments, Measured

    reader = InMemoryMetricReader()
    instruments = Instruments(MeterProvider([reader]))
    for number in range(1000):
        attributes: dict[str, Any] = {"gen_ai.request.model": f"model-{number}"}
        instruments.record(Measured(1.0, None, Usage(), attributes))
    data: Any = reader.get_metrics_data()
    points = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert len(points) == 201
    assert sum(point.count for point in points) == 1000


@pytest.mark.parametrize(
    "call",
    [
        {"messages": "my PIN is 4711 \ud800"},
        {"messages": [{"role": "user", "content": "my PIN is 4711 \ud800"}]},
        {"messages": "Hi", "user": "my PIN is 4711 \ud800"},
        {"messages": "Hi", "extra_body": {"my PIN is 4711 \ud800": 1}},
    ],
)
def test_half_a_character_in_a_prompt_is_reported_without_the_prompt(call: dict[str, Any]) -> None:
    client = OpenRouterClient("k", "https://gateway.example", "m")
    with pytest.raises(ValueError, match="half a character") as caught:
        client.stream_chat(**call)
    assert "4711" not in repr(caught.value)
    assert caught.value.__context__ is None
