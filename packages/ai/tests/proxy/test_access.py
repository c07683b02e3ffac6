"""Who may ask, whom and how: all of it is checked before a byte goes upstream."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from proxy_kit import Proxied, RunProxy, agents_body, completions_body
from starlette.requests import Request
from web_server import Serve

from raptscallions_ai import Caller, OpenRouterClient, RateLimitError, proxy_app
from raptscallions_ai.proxy import SAFE_OPTIONS, bearer_tokens, token_hash
from raptscallions_ai.testing import FakeGateway, ScriptedClient, chunk, sse
from raptscallions_ai.wrappers import Budget, RateLimiter

pytestmark = pytest.mark.requirement("E04-T028.AC2")
PATHS = {"/api/stream": agents_body(), "/v1/chat/completions": completions_body()}


@pytest.mark.parametrize("path", PATHS)
async def test_a_stranger_is_refused(proxied: Proxied, fake_gateway: FakeGateway, path: str) -> None:
    proxied.token = "another"
    response = await proxied.post(path, PATHS[path])
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert fake_gateway.requests == []
    (record,) = await proxied.audited()
    assert (record.caller, record.outcome, record.error, record.status) == (None, "refused", "AuthenticationError", 401)


async def test_the_error_is_where_pi_looks_for_it(proxied: Proxied) -> None:
    proxied.token = "another"
    body = (await proxied.post("/api/stream", agents_body())).json()
    assert body["error"] == "This proxy does not know you: send a token that it has given to you"
    assert body["failure"]["type"] == "AuthenticationError"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("callers", [None, ["fake/model-2"]])
async def test_a_model_that_is_not_allowed(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway, path: str, callers: list[str] | None
) -> None:
    models = ["fake/model-2"] if callers is None else ["fake/model-1", "fake/model-2"]
    proxied = run_proxy(upstream, models=models, caller=Caller("alice", callers))
    response = await proxied.post(path, PATHS[path])
    assert response.status_code == 403
    assert "You may not ask the model fake/model-1 here; you may ask fake/model-2" in response.text
    assert fake_gateway.requests == []
    assert (await proxied.audited())[0].model == "fake/model-1"


async def test_names_of_models_and_the_first_of_them(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    proxied = run_proxy(upstream, models={"fast": "fake/model-7", "smart": "fake/model-8"})
    body = completions_body(model="smart")
    await proxied.post("/v1/chat/completions", body)
    del body["model"]
    await proxied.post("/v1/chat/completions", body)
    assert [request.json["model"] for request in fake_gateway.requests] == ["fake/model-8", "fake/model-7"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("provider", {"order": ["x"]}), ("plugins", [{"id": "web"}]), ("models", ["dear/model"]), ("preset", "mine")],
)
async def test_an_option_that_is_not_allowed(
    proxied: Proxied, fake_gateway: FakeGateway, option: str, value: object
) -> None:
    for path, body in (
        ("/v1/chat/completions", {**completions_body(), option: value}),
        ("/api/stream", {**agents_body(), "options": {option: value}}),
    ):
        response = await proxied.post(path, body)
        assert response.status_code == 403, path
        assert f"These options are not allowed here: {option}" in response.text
    assert fake_gateway.requests == []


async def test_an_option_that_this_proxy_allows(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    proxied = run_proxy(upstream, options=SAFE_OPTIONS | {"provider"})
    response = await proxied.post("/v1/chat/completions", completions_body(provider={"sort": "price"}))
    assert response.status_code == 200
    assert fake_gateway.requests[0].json["provider"] == {"sort": "price"}


async def test_headers_and_keys_of_a_caller_go_nowhere(proxied: Proxied, fake_gateway: FakeGateway) -> None:
    body = agents_body(headers={"Authorization": "Bearer mine"}, metadata={"a": "b"}, sessionId="s-1")
    response = await proxied.post("/api/stream", body, x_title="mine")
    assert response.status_code == 200
    (request,) = fake_gateway.requests
    assert request.headers["authorization"] == f"Bearer {fake_gateway.api_key}"
    assert "x-title" not in request.headers
    assert request.json.keys() == {"model", "messages", "stream", "stream_options"}


async def test_tools_of_the_gateway_are_not_functions(proxied: Proxied, fake_gateway: FakeGateway) -> None:
    body = completions_body(tools=[{"type": "openrouter:web_search"}])
    response = await proxied.post("/v1/chat/completions", body)
    assert (response.status_code, fake_gateway.requests) == (403, [])


async def test_a_budget_that_is_used_up(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    proxied = run_proxy(upstream, caller=Caller("alice", budget=Budget(requests=1)))
    assert (await proxied.post("/api/stream", agents_body())).status_code == 200
    response = await proxied.post("/api/stream", agents_body())
    assert response.status_code == 402
    assert response.json()["failure"]["type"] == "BudgetExceededError"
    assert len(fake_gateway.requests) == 1
    first, second = await proxied.audited(2)
    assert (first.outcome, second.outcome, second.usage) == ("complete", "failed", None)


async def test_a_budget_that_all_share(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    proxied = run_proxy(upstream, budget=Budget(requests=1))
    statuses = [(await proxied.post("/api/stream", agents_body())).status_code for _ in range(2)]
    assert (statuses, len(fake_gateway.requests)) == ([200, 402], 1)


async def test_a_caller_over_budget_in_mid_answer(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream(*["four char words "] * 40, interval_s=0.001)
    proxied = run_proxy(upstream, caller=Caller("alice", budget=Budget(tokens=40)))
    response = await proxied.post("/api/stream", agents_body())
    assert response.status_code == 200
    last = response.text.rstrip().rpartition("\n\n")[2]
    assert '"type":"error","reason":"error"' in last
    assert '"type":"BudgetExceededError"' in last
    assert 0 < response.text.count("text_delta") < 40
    assert await fake_gateway.requests[0].closed()
    assert fake_gateway.requests[0].disconnected
    assert (await proxied.audited())[0].error == "BudgetExceededError"


async def test_a_rate_limit(run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    caller = Caller("alice", limiter=RateLimiter(requests_per_minute=1, max_wait=0))
    proxied = run_proxy(upstream, caller=caller)
    assert (await proxied.post("/api/stream", agents_body())).status_code == 200
    response = await proxied.post("/api/stream", agents_body())
    assert response.status_code == 429
    assert 0 < int(response.headers["retry-after"]) <= 60
    assert len(fake_gateway.requests) == 1


async def test_callers_have_limits_of_their_own(serve: Serve, upstream: OpenRouterClient) -> None:
    callers = {token_hash(name): Caller(name, budget=Budget(requests=1)) for name in ("alice", "bob")}
    proxied = Proxied(serve(proxy_app(upstream, authenticate=bearer_tokens(callers))).url)
    statuses: list[int] = []
    for name in ("alice", "alice", "bob"):
        proxied.token = name
        statuses.append((await proxied.post("/api/stream", agents_body())).status_code)
    assert statuses == [200, 402, 200]


async def test_an_authenticate_of_ones_own(serve: Serve) -> None:
    async def authenticate(request: Request) -> Caller | None:
        await asyncio.sleep(0)
        if request.headers.get("authorization") == "Bearer busy":
            raise RateLimitError(7)
        return Caller(request.headers["x-user"]) if "x-user" in request.headers else None

    proxied = Proxied(serve(proxy_app(ScriptedClient("Hi", repeat=True), authenticate=authenticate)).url)
    assert (await proxied.post("/api/stream", agents_body(), x_user="carol")).status_code == 200
    assert (await proxied.post("/api/stream", agents_body())).status_code == 401
    proxied.token = "busy"
    response = await proxied.post("/api/stream", agents_body())
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")


async def test_an_authenticate_with_a_bug_lets_nobody_in(serve: Serve) -> None:
    def authenticate(request: Request) -> Any:
        return request.headers["x-user"]

    client = ScriptedClient("Hi")
    proxied = Proxied(serve(proxy_app(client, authenticate=authenticate)).url)
    response = await proxied.post("/v1/chat/completions", completions_body(), x_user="carol")
    assert (response.status_code, client.calls) == (500, [])
    assert response.json()["error"]["message"] == "Unknown error occurred"


@pytest.mark.parametrize("path", PATHS)
async def test_a_request_that_is_too_large(
    run_proxy: RunProxy, upstream: OpenRouterClient, fake_gateway: FakeGateway, path: str
) -> None:
    proxied = run_proxy(upstream, max_body=1000)
    body = agents_body("x" * 1000) if path == "/api/stream" else completions_body("x" * 1000)
    assert (await proxied.post(path, body)).status_code == 413
    assert fake_gateway.requests == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"options": {}}, "it has no 'context'"),
        (agents_body(temperature="hot"), "temperature must be a number"),
        (agents_body(volume=11), "there is no option 'volume'"),
        ({"context": {"messages": [{"role": "narrator"}]}}, "the role 'narrator'"),
        ({"context": {"messages": ["Hi"]}}, "must be an object, not str"),
        ({"context": {"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}}, "must be a text"),
        ({"context": {"messages": [{"role": "user", "content": {"a": 1}}]}}, "a text or a list of parts"),
        ({"context": {"systemPrompt": 1}}, "the system prompt must be a text"),
        ("x", "it is a JSON str, not an object"),
    ],
)
async def test_a_request_that_cannot_be_read(
    proxied: Proxied, fake_gateway: FakeGateway, body: object, why: str
) -> None:
    response = await proxied.post("/api/stream", body)
    assert response.status_code == 400
    assert why in response.json()["error"]
    assert fake_gateway.requests == []


async def test_there_is_nothing_else(proxied: Proxied) -> None:
    response = await proxied.post("/v1/embeddings", {})
    assert (response.status_code, response.json()["error"]["message"]) == (404, "There is no such endpoint")


def test_what_cannot_be_a_proxy() -> None:
    def build(**options: Any) -> None:
        proxy_app(ScriptedClient("Hi"), authenticate=bearer_tokens({}), **options)

    with pytest.raises(TypeError, match="models must be a list of names"):
        build(models="openai/gpt-4o")
    with pytest.raises(ValueError, match="'extra_body' is no option of a request"):
        build(options=["extra_body"])
    with pytest.raises(ValueError, match="keep_alive must be more than 0"):
        build(keep_alive=0)
    with pytest.raises(ValueError, match="max_body"):
        build(max_body=0)
    with pytest.raises(TypeError, match="models of a Caller"):
        Caller("alice", models="openai/gpt-4o")
    with pytest.raises(ValueError, match="SHA-256") as caught:
        bearer_tokens({"a-plain-token": Caller("alice")})
    assert "a-plain-token" not in str(caught.value)


@pytest.mark.requirement("E04-T028.AC1")
async def test_no_byte_that_a_caller_gets_has_the_key(
    proxied: Proxied, fake_gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    key = fake_gateway.api_key
    told = f"The key {key} of account acme is over its limit"
    seen: list[str] = []
    for path, body in PATHS.items():
        for streams in (False, True):
            asked = {**body, "stream": streams} if path.startswith("/v1") else body
            accept = "text/event-stream; profile=raptscallions" if streams else "*/*"
            fake_gateway.stream("Hello")
            fake_gateway.error(401, told)
            fake_gateway.error(402, told)
            fake_gateway.error(429, told)
            fake_gateway.reply(sse(chunk("Half")), sse({"error": {"code": 502, "message": told}}))
            for _ in range(5):
                response = await proxied.post(path, asked, accept=accept)
                seen.append(f"{response.headers} {response.text}")
    assert len(seen) == 20
    assert [text for text in seen if key in text or "acme" in text or fake_gateway.base_url in text] == []
    assert key not in caplog.text
