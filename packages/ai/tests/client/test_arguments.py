"""The constructor: what people look for in it, what is theirs to use instead, and views with other defaults."""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import AiSettings, ConfigurationError, OpenRouterClient, SyncOpenRouterClient
from raptscallions_ai.errors import AiError
from raptscallions_ai.options import ClientOptions, NetworkOptions
from raptscallions_ai.options.setting_values import SettingValues
from raptscallions_ai.testing import FakeGateway
from raptscallions_ai.wrappers import CachedClient, memory_store

INTERNAL = ("key", "https://gateway.example/v1", "a/model")


def sent(gateway: FakeGateway) -> dict[str, Any]:
    """What the last request asked."""
    return gateway.requests[-1].json


@pytest.mark.requirement("E04-T033.AC1")
async def test_what_is_said_of_the_app_is_sent_with_each_request(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    client = new_client(app_title="Library", app_url="https://library.example", headers={"X-Team": "a"})
    await client.chat("Hi")
    headers = fake_gateway.requests[-1].headers
    assert (headers["x-openrouter-title"], headers["http-referer"]) == ("Library", "https://library.example")
    assert headers["x-team"] == "a"


@pytest.mark.requirement("E04-T033.AC1")
async def test_an_answer_without_usage_is_accepted_by_a_client_that_says_so(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream("Hi", usage=None)
    assert (await new_client(require_usage=False).chat("Hi")).content == "Hi"


@pytest.mark.requirement("E04-T033.AC1")
def test_plain_http_to_another_host_is_allowed_by_an_argument() -> None:
    arguments = ("key", "http://10.0.0.3:8000/v1", "a/model")
    with pytest.raises(ConfigurationError, match="argument allow_insecure=True"):
        OpenRouterClient(*arguments)
    assert OpenRouterClient(*arguments, allow_insecure=True).base_url == "http://10.0.0.3:8000/v1"


@pytest.mark.requirement("E04-T033.AC1")
async def test_default_options_are_those_of_every_call(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    client = new_client(default_options={"temperature": 0, "extra_headers": {"X-A": "1"}, "seed": 7})
    await client.chat("Hi", seed=8, extra_headers={"X-B": "2"})
    assert (sent(fake_gateway)["temperature"], sent(fake_gateway)["seed"]) == (0, 8)
    headers = fake_gateway.requests[-1].headers
    assert (headers["x-a"], headers["x-b"]) == ("1", "2")
    await client.chat("Hi", temperature=None)
    assert "temperature" not in sent(fake_gateway)


def test_default_options_are_checked_where_they_stand() -> None:
    with pytest.raises(TypeError, match="did you mean 'temperature'"):
        OpenRouterClient(*INTERNAL, default_options={"temprature": 0})  # pyright: ignore[reportArgumentType] - the point
    with pytest.raises(ValueError, match="temperature"):
        OpenRouterClient(*INTERNAL, default_options={"temperature": 5})
    with pytest.raises(TypeError, match="default_options must be a mapping"):
        OpenRouterClient(*INTERNAL, default_options=3)  # pyright: ignore[reportArgumentType] - the point


async def test_a_view_has_other_defaults_and_shares_the_connection(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    client = new_client(default_options={"temperature": 0, "top_p": 0.5})
    view = client.with_options(model="fake/large-2", temperature=1)
    await view.chat("Hi")
    asked = sent(fake_gateway)
    assert (asked["model"], asked["temperature"], asked["top_p"]) == ("fake/large-2", 1, 0.5)
    await view.aclose()
    await client.chat("Hi")
    assert (sent(fake_gateway)["model"], sent(fake_gateway)["temperature"]) == (fake_gateway.model, 0)
    assert len({request.connection for request in fake_gateway.requests}) == 1
    del view
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()
    await client.aclose()


async def test_a_view_ends_with_its_client(new_client: ClientFactory) -> None:
    client = new_client()
    view = client.with_options(temperature=0).with_options(seed=1)
    assert view.default_options == {"temperature": 0, "seed": 1}
    await client.aclose()
    with pytest.raises(AiError, match="closed"):
        await view.chat("Hi")


def test_a_view_of_a_client_without_async(fake_gateway: FakeGateway) -> None:
    arguments = (fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model)
    with SyncOpenRouterClient(*arguments, default_options={"seed": 1}) as client:
        client.with_options(temperature=0).chat("Hi")
    assert (sent(fake_gateway)["seed"], sent(fake_gateway)["temperature"]) == (1, 0)


async def test_answers_are_cached_by_all_options_that_they_were_made_with(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    store = memory_store()
    for temperature in (0, 1, 0):
        await CachedClient(new_client(default_options={"temperature": temperature}), store).chat("Hi")
    assert [request.json["temperature"] for request in fake_gateway.requests] == [0, 1]


async def test_defaults_reach_objects_and_runs(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream(json.dumps({"name": "Ann"}))
    await new_client(default_options={"seed": 3, "provider": {"only": ["x"]}}).parse(
        "Who?", dict[str, str], strict=False
    )
    assert sent(fake_gateway)["seed"] == 3


def rotating(*keys: str) -> Callable[[], str]:
    rest = iter(keys)
    return lambda: next(rest)


def later(*keys: str) -> Callable[[], Awaitable[str]]:
    rest = iter(keys)

    async def key() -> str:
        return next(rest)

    return key


@pytest.mark.requirement("E04-T033.AC1")
@pytest.mark.parametrize("kind", [rotating, later])
async def test_a_function_returns_the_key_of_each_request(
    new_client: ClientFactory, fake_gateway: FakeGateway, kind: Callable[..., Any]
) -> None:
    client = new_client(api_key=kind(f"{fake_gateway.api_key} ", "sk-wrong-key-1234567890", fake_gateway.api_key))
    await client.chat("Hi")
    fake_gateway.error(400, "sk-wrong-key-1234567890 is not known here")
    with pytest.raises(AiError) as caught:
        await client.chat("Hi")
    assert "sk-wrong" not in str(caught.value) + repr(caught.value.to_dict())
    assert len(await client.models()) > 1  # which needs the key, too


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda: 3, "must return a key of printable ASCII letters, not int"),
        (lambda: "", "must return a key"),
        (lambda: "two words", "must return a key"),
        (lambda: 1 / 0, "raised ZeroDivisionError"),
    ],
)
async def test_a_function_that_returns_no_key_is_named(
    new_client: ClientFactory, fake_gateway: FakeGateway, function: Callable[[], Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        await new_client(api_key=function).chat("Hi")
    assert fake_gateway.requests == []


@pytest.mark.requirement("E04-T033.AC2")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("default_headers", "use headers="),
        ("http_client", "use verify=, cert= and proxy=, or a client of the SDK as openai_client="),
        ("organization", "use headers={'OpenAI-Organization': ...}"),
        ("api_base", "use base_url="),
        ("model", "use default_model="),
        ("proxies", "use proxy="),
        ("verify_ssl", "use verify="),
        ("app_name", "use app_title="),
        ("temperature", "pass it to the call, or use default_options={'temperature': ...}"),
        ("max_retry", "did you mean 'max_retries'"),
        ("app_titel", "did you mean 'app_title'"),
        ("nonsense", "unexpected keyword argument 'nonsense'$"),
    ],
)
@pytest.mark.parametrize("kind", [OpenRouterClient, SyncOpenRouterClient])
def test_an_argument_of_another_library_names_the_one_to_use(kind: Callable[..., Any], name: str, problem: str) -> None:
    with pytest.raises(TypeError) as caught:
        kind(*INTERNAL, **{name: "x"})
    assert caught.match(problem)


def test_a_setting_that_there_is_not_is_refused_with_a_near_one() -> None:
    with pytest.raises(TypeError, match="there is no setting 'app_titel'; did you mean 'app_title'"):
        AiSettings(api_key="k", app_titel="x")  # pyright: ignore[reportCallIssue] - the point
    with pytest.raises(TypeError, match="there is no setting 'ai_app_title'; did you mean 'app_title'"):
        AiSettings.explicit(api_key="k", ai_app_title="x")  # pyright: ignore[reportCallIssue] - the point
    assert SettingValues.__annotations__.keys() == AiSettings.model_fields.keys()


@pytest.mark.parametrize("path", ["chat/completions", "completions", "chat/completions/"])
def test_a_base_url_is_that_of_the_api(path: str) -> None:
    with pytest.raises(ConfigurationError, match=f"leave out /{path.rstrip('/')}$"):
        OpenRouterClient("key", f"https://gateway.example/v1/{path}", "a/model")


def test_every_argument_is_described() -> None:
    described = OpenRouterClient.__doc__ or ""
    names = [*ClientOptions.__annotations__, *NetworkOptions.__annotations__]
    assert [name for name in names if f"`{name}`" not in described] == []
