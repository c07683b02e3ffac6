"""`AsyncOpenAICompatClient`: presets, hosts by their URL alone, and refusals of a spelling."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ai_tests import cut_off

import raptscallions_ai
from raptscallions_ai import ChatMessage, errors, user
from raptscallions_ai.client import presets
from raptscallions_ai.client.openai_compat import AsyncOpenAICompatClient
from raptscallions_ai.client.presets import PRESETS, Preset, preset_named, register_preset
from raptscallions_ai.client.provider import ENGINES, get_provider
from raptscallions_ai.errors import BadRequestError, ConfigurationError, InvalidResponseError, NotSupportedError
from raptscallions_ai.sync.engines import OpenAICompatClient
from raptscallions_ai.testing import FakeGateway
from raptscallions_ai.testing.recording import RecordedRequest
from raptscallions_ai.testing.replies import Reply, json_reply
from raptscallions_ai.testing.wire import Answer

MESSAGE = [{"role": "user", "content": "Hi"}]


def at(gateway: FakeGateway, preset: Preset | str | None = None, **arguments: Any) -> AsyncOpenAICompatClient:
    return AsyncOpenAICompatClient(
        gateway.api_key, gateway.base_url, arguments.pop("model", "m"), preset=preset, **arguments
    )


async def test_a_host_by_its_url_alone(fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hel", "lo")
    async with at(fake_gateway) as client:
        result = await client.chat("Hi", max_tokens=5)
    assert result.content == "Hello"
    (request,) = fake_gateway.requests
    assert request.headers["authorization"] == f"Bearer {fake_gateway.api_key}"
    assert request.json["max_tokens"] == 5
    assert request.json["stream_options"] == {"include_usage": True}


@pytest.mark.requirement("E04-T024.AC1")
@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if "{" not in preset.base_url])
def test_every_preset_is_chosen_by_its_url(name: str) -> None:
    preset = PRESETS[name]
    client = AsyncOpenAICompatClient("k", preset.base_url, "m")
    assert client.base_url == preset.base_url.rstrip("/")


async def strict(gateway: FakeGateway, *refused: str) -> None:
    """Answer 400 to a request that has a field by one of these names."""

    def respond(request: RecordedRequest) -> Reply:
        for name in refused:
            if name in request.json:
                other = "max_completion_tokens" if name == "max_tokens" else "max_tokens"
                hint = f" Use '{other}' instead." if "tokens" in name else ""
                message = f"Unsupported parameter: '{name}' is not supported with this model.{hint}"
                error = {"message": message, "type": "invalid_request_error", "param": name}
                return json_reply({"error": error}, status=400)
        usage = None if "stream_options" in refused else ...
        return Answer(("Hello",), usage=usage).stream()

    gateway.add(respond, times=None)


@pytest.mark.requirement("E04-T024.AC2")
@pytest.mark.parametrize(
    ("given", "refused", "sent"),
    [
        ({"max_tokens": 5}, "max_tokens", {"max_completion_tokens": 5}),
        ({"max_completion_tokens": 5}, "max_completion_tokens", {"max_tokens": 5}),
    ],
)
async def test_a_refused_spelling_is_sent_once_in_the_other_and_remembered(
    fake_gateway: FakeGateway, given: dict[str, Any], refused: str, sent: dict[str, Any]
) -> None:
    await strict(fake_gateway, refused)
    async with at(fake_gateway, max_retries=0) as client:
        first = await client.chat("Hi", **given)
        second = await client.chat("Hi", **given)
    assert (first.content, second.content) == ("Hello", "Hello")
    assert len(first.attempts) == 2
    assert len(fake_gateway.requests) == 3
    assert [request.json.get(refused) for request in fake_gateway.requests] == [5, None, None]
    assert sent.items() <= fake_gateway.requests[2].json.items()


@pytest.mark.requirement("E04-T024.AC2")
async def test_usage_that_may_not_be_asked_for_is_not_required(fake_gateway: FakeGateway) -> None:
    await strict(fake_gateway, "stream_options")
    async with at(fake_gateway) as client:
        result = await client.chat("Hi")
    assert result.content == "Hello"
    assert not result.usage.reported
    assert len(fake_gateway.requests) == 2


@pytest.mark.requirement("E04-T024.AC2")
async def test_a_role_that_is_not_known_is_called_by_the_older_name(fake_gateway: FakeGateway) -> None:
    def respond(request: RecordedRequest) -> Reply:
        if any(message["role"] == "developer" for message in request.json["messages"]):
            return json_reply({"error": {"message": "unknown variant `developer`, expected `system`"}}, status=422)
        return Answer(("Hello",)).stream()

    fake_gateway.add(respond, times=None)
    async with at(fake_gateway) as client:
        result = await client.chat([{"role": "developer", "content": "Be brief."}, *MESSAGE])
    assert result.content == "Hello"
    assert fake_gateway.requests[1].json["messages"][0] == {"role": "system", "content": "Be brief."}


@pytest.mark.requirement("E04-T024.AC2")
@pytest.mark.parametrize(
    "message",
    [
        "max_tokens must be at most 8192",
        "Unsupported parameter: 'temperature' is not supported with this model.",
        "Unsupported parameter: 'seed'",
    ],
)
async def test_what_would_change_the_answer_is_never_dropped(fake_gateway: FakeGateway, message: str) -> None:
    fake_gateway.json({"error": {"message": message}}, status=400, times=None)
    async with at(fake_gateway) as client:
        with pytest.raises(BadRequestError):
            await client.chat("Hi", max_tokens=9000, temperature=0, seed=1)
    assert len(fake_gateway.requests) == 1


@pytest.mark.requirement("E04-T024.AC2")
async def test_a_spelling_that_is_refused_again_is_not_sent_for_ever(fake_gateway: FakeGateway) -> None:
    await strict(fake_gateway, "max_tokens", "max_completion_tokens")
    async with at(fake_gateway) as client:
        with pytest.raises(BadRequestError):
            await client.chat("Hi", max_tokens=5)
    assert len(fake_gateway.requests) <= 3


@pytest.mark.parametrize("name", ["deepseek", "mistral"])
async def test_presets_with_the_older_name(fake_gateway: FakeGateway, name: str) -> None:
    async with at(fake_gateway, name) as client:
        await client.chat("Hi", max_completion_tokens=5)
    assert fake_gateway.requests[0].json["max_tokens"] == 5


async def test_mistral(fake_gateway: FakeGateway) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    async with at(fake_gateway, "mistral") as client:
        messages = [{"role": "developer", "content": "x"}, *MESSAGE]
        await client.chat(messages, seed=7, tools=[tool], tool_choice="required")
    body = fake_gateway.requests[0].json
    assert (body["random_seed"], body["tool_choice"], body["messages"][0]["role"]) == (7, "any", "system")
    assert "stream_options" not in body
    assert "seed" not in body


async def test_what_a_preset_refuses_is_refused_before_anything_is_sent(fake_gateway: FakeGateway) -> None:
    async with at(fake_gateway, "groq") as client:
        with pytest.raises(NotSupportedError, match="groq takes no logit_bias"):
            await client.chat("Hi", logit_bias={"1": 1})
    async with at(fake_gateway, "moonshot") as client:
        with pytest.raises(NotSupportedError, match="tool_choice='required'"):
            await client.chat("Hi", tool_choice="required")
    assert fake_gateway.requests == []


async def test_azure_sends_its_key_in_a_header_of_its_own(
    fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", fake_gateway.base_url)
    fake_gateway.route("POST", "/api/v1/openai/v1/chat/completions").stream("Hello")
    async with get_provider("azure", api_key="not-a-real-key", model="my-deployment") as client:
        await client.chat("Hi")
    headers = fake_gateway.requests[0].headers
    assert headers["api-key"] == "not-a-real-key"
    assert "authorization" not in headers


def test_a_variable_of_an_address_that_is_not_set_is_named() -> None:
    with pytest.raises(ConfigurationError, match="azure needs AZURE_OPENAI_ENDPOINT in the environment"):
        AsyncOpenAICompatClient("k", preset="azure")


async def test_a_host_without_a_default_model_asks_for_one(fake_gateway: FakeGateway) -> None:
    async with AsyncOpenAICompatClient("k", fake_gateway.base_url) as client:
        with pytest.raises(ConfigurationError, match="has no default model: give model="):
            await client.chat("Hi")
        assert (await client.chat("Hi", model="m")).finish_reason == "stop"


def test_a_missing_key_is_reported_with_the_variable_of_the_host() -> None:
    with pytest.raises(ConfigurationError, match="groq needs a key: GROQ_API_KEY"):
        get_provider("groq")


def test_a_host_on_this_machine_needs_no_key() -> None:
    assert AsyncOpenAICompatClient(preset="vllm", model="m").base_url == "http://localhost:8000/v1"


@pytest.mark.requirement("E04-T024.AC1")
def test_presets_of_your_own_are_as_good_as_ours(fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Preset(name="mine", base_url=fake_gateway.base_url, default_model="m", defaults={"temperature": 0})
    monkeypatch.setitem(presets._presets, "mine", mine)  # pyright: ignore[reportPrivateUsage] - forgets it after the test
    register_preset(mine)
    assert get_provider("mine", api_key="k").resolve_model() == "m"
    assert preset_named("mine") is mine


@pytest.mark.requirement("E04-T024.AC3")
@pytest.mark.parametrize(
    ("name", "hint"), [("grok", "did you mean groq"), ("anthropc", "anthropic"), ("zzz", "there are")]
)
def test_an_unknown_name_lists_near_ones(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        get_provider(name)


async def test_a_preset_that_tells_no_usage(fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hi", usage=None)
    async with at(fake_gateway, Preset(name="x", base_url=fake_gateway.base_url, require_usage=False)) as client:
        assert (await client.chat("Hi")).content == "Hi"
    fake_gateway.stream("Hi", usage=None)
    async with at(fake_gateway) as client:
        with pytest.raises(InvalidResponseError):
            await client.chat("Hi")


def test_without_await(fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hel", "lo")
    with OpenAICompatClient(fake_gateway.api_key, fake_gateway.base_url, "m") as client:
        assert "".join(client.chat_stream("Hi")) == "Hello"
        assert fake_gateway.model in client.list_models()


def test_the_names_that_other_programs_catch() -> None:
    assert errors.LLMError is errors.AiError
    assert errors.LLMAuthError is errors.AuthenticationError
    assert errors.LLMTimeoutError is errors.TimeoutError


async def test_every_engine_has_a_provider() -> None:
    for name in ENGINES:
        client = get_provider(name, api_key="k", model="m")
        assert client.resolve_model() == "m"
        await client.aclose()


@pytest.mark.requirement("E04-T024.AC3")
async def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_ENGINE", "groq")
    monkeypatch.setenv("GROQ_API_KEY", "gsk-k")
    monkeypatch.setenv("AI_DEFAULT_MODEL", "llama-x")
    monkeypatch.setenv("AI_FALLBACK_MODELS", "llama-y, llama-z")
    async with get_provider() as client, get_provider(model="mine", fallback_models=[]) as other:
        assert (client.provider_name, client.resolve_model()) == ("groq", "llama-x")
        assert client.key_fingerprint == AsyncOpenAICompatClient("gsk-k", preset="groq").key_fingerprint
        assert other.resolve_model() == "mine"
    async with get_provider("groq") as named:
        assert named.resolve_model() == "llama-3.3-70b-versatile"
    monkeypatch.setenv("AI_ENGINE", "grok")
    with pytest.raises(ConfigurationError, match="AI_ENGINE: no provider is called 'grok'; did you mean groq"):
        get_provider()


@pytest.mark.requirement("E04-T024.AC3")
async def test_without_a_choice_it_is_openrouter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_KEY", "k")
    monkeypatch.delenv("AI_ENGINE", raising=False)
    async with get_provider() as client:
        assert client.provider_name == "openrouter"


THOUGHT = {"type": "reasoning.text", "text": "Hm", "signature": "s", "format": "anthropic-claude-v1"}
ELSEWHERE = [user("Hi"), ChatMessage("assistant", "Yo", reasoning_details=(THOUGHT,), reasoning="Hm"), user("So?")]


@pytest.mark.requirement("E04-T024.AC1")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("openai", {"role": "assistant", "content": "Yo"}),
        ("deepseek", {"reasoning_content": "Hm", "role": "assistant", "content": "Yo"}),
        ("vllm", {"role": "assistant", "content": "Yo", "reasoning": "Hm", "reasoning_details": [THOUGHT]}),
    ],
)
async def test_reasoning_of_another_host_comes_in_the_field_that_this_one_has(
    fake_gateway: FakeGateway, name: str, message: dict[str, Any]
) -> None:
    async with at(fake_gateway, dataclasses.replace(PRESETS[name], base_url=fake_gateway.base_url)) as client:
        await client.chat(ELSEWHERE, model="m")
    assert fake_gateway.requests[0].json["messages"][1] == message


@pytest.mark.requirement("E04-T024.AC1")
async def test_a_host_that_marks_the_beginning_of_an_answer_goes_on_with_it(fake_gateway: FakeGateway) -> None:
    fake_gateway.add(cut_off("Once"))
    fake_gateway.stream(" upon")
    mistral = dataclasses.replace(PRESETS["mistral"], base_url=fake_gateway.base_url)
    async with at(fake_gateway, mistral) as client:
        result = await client.chat("Tell", model="m", on_interrupt="continue")
    assert result.content == "Once upon"
    assert fake_gateway.requests[1].json["messages"][-1] == {"role": "assistant", "content": "Once", "prefix": True}


@pytest.mark.parametrize("name", ["openrouter", "ollama", "groq"])
async def test_who_cannot_count_tokens_says_who_can_estimate_them(name: str) -> None:
    async with get_provider(name, api_key="k", model="m") as client:
        with pytest.raises(NotSupportedError, match="prices.estimate_tokens"):
            await client.count_tokens("Hi")


def test_the_names_that_other_programs_catch_are_at_the_top_too() -> None:
    for name in ("Error", "AuthError", "ConnectionError", "ContextLengthError", "RateLimitError", "TimeoutError"):
        assert getattr(raptscallions_ai, f"LLM{name}") is getattr(errors, f"LLM{name}")
