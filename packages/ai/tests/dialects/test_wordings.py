"""What hosts say when something fails, and what it becomes: overflow, empty accounts, addresses, and near misses."""

import json
from typing import Any, cast

import pytest
from ai_tests import Drive

from raptscallions_ai._dialects.failures import classify, is_no_such_endpoint, read_failure
from raptscallions_ai._dialects.json import parse_json
from raptscallions_ai._dialects.wordings import WORDINGS
from raptscallions_ai.errors import (
    AiError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyError,
    ContextLengthError,
    InsufficientCreditsError,
    InvalidOutputError,
    ModelNotAvailableError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    TimeoutError,
)

pytestmark = [pytest.mark.requirement("E04-T019.AC1"), pytest.mark.requirement("E04-T019.AC2")]


def mapped(payload: object, status: int | None = None, headers: dict[str, str] | None = None) -> AiError:
    body = parse_json(payload) if isinstance(payload, bytes) else payload
    return classify(read_failure(body, status=status, headers=headers), model="some/model", redact=str)


def error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def raw(words: object) -> dict[str, Any]:
    """OpenRouter's envelope: one general sentence, and the provider's reason in `metadata.raw`."""
    return error("Provider returned error", code=400, metadata={"provider_name": "P", "raw": words})


def row(host: str, status: int | None, body: object, *figures: int | None) -> Any:
    return pytest.param(status, body, figures or (None, None), id=host)


INVALID = {"type": "invalid_request_error"}
ANTHROPIC = "prompt is too long: 213462 tokens > 200000 maximum"
VLLM = (
    "This model's maximum context length is 4096 tokens. However, you requested 200 output tokens and your prompt"
    " contains at least 3897 input tokens, for a total of at least 4097 tokens. Please reduce the length of the input."
)

TOO_LONG = [
    row(
        "anthropic",
        400,
        {"type": "error", "error": {"type": "invalid_request_error", "message": ANTHROPIC}},
        200000,
        213462,
    ),
    row("anthropic, newer", 400, error("prompt is too long: 204521 > 200000", **INVALID), 200000, 204521),
    row(
        "anthropic, with the answer",
        400,
        error("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length"),
        200000,
        210000,
    ),
    row(
        "openai",
        400,
        error(
            "This model's maximum context length is 128000 tokens. However, your messages resulted in"
            " 130225 tokens. Please reduce the length of the messages.",
            code="context_length_exceeded",
        ),
        128000,
        130225,
    ),
    row("openai, responses", 400, error("Your input exceeds the context window of this model.", **INVALID)),
    row(
        "openai, configured",
        400,
        error(
            "Input tokens exceed the configured limit of 272000 tokens. Your messages"
            " resulted in 300123 tokens. Please reduce the length of the messages."
        ),
        272000,
        300123,
    ),
    row(
        "azure",
        400,
        error(
            "This model's maximum context length is 8192 tokens, however you requested 10000 tokens"
            " (9000 in your prompt; 1000 for the completion)."
        ),
        8192,
        10000,
    ),
    row(
        "openrouter",
        400,
        error(
            "This endpoint's maximum context length is 8192 tokens. However, you requested about"
            " 9000 tokens (8000 of text input, 1000 in the output)."
        ),
        8192,
        9000,
    ),
    row(
        "poolside",
        400,
        error("Input length 131393 exceeds the maximum allowed input length of 131040 tokens."),
        131040,
        131393,
    ),
    row("openrouter, of anthropic", 400, raw(json.dumps({"error": {"message": ANTHROPIC}})), 200000, 213462),
    row("openrouter, of openai", 400, raw({"error": {"code": "context_length_exceeded", "message": "Too long"}})),
    row("openrouter, of vllm", 400, raw(VLLM), 4096, 4097),
    row("openrouter, of openrouter", 400, raw(json.dumps(raw("Input is too long for requested model.")))),
    row("groq", 400, error("Please reduce the length of the messages or completion.", code="context_length_exceeded")),
    row(
        "together",
        422,
        error(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000"
            " `inputs` tokens and 500 `max_new_tokens`",
            **INVALID,
        ),
        4097,
        5500,
    ),
    row(
        "together, newer",
        400,
        error("The input (516368 tokens) is longer than the model's context length (262144 tokens)."),
        262144,
        516368,
    ),
    row(
        "together, sum",
        422,
        error(
            "Input token count + max_tokens parameter must be less than the context length of the model being queried."
        ),
    ),
    row(
        "huggingface",
        422,
        {
            "error": "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000",
            "error_type": "validation",
        },
        4096,
        5000,
    ),
    row(
        "deepinfra",
        422,
        {"detail": {"error": "inputs tokens + max_new_tokens must be <= 4097. Given: 5000"}},
        4097,
        5000,
    ),
    row(
        "fireworks", 400, error("The prompt is too long: 150000, model maximum context length: 131072"), 131072, 150000
    ),
    row(
        "deepseek",
        400,
        error(
            "This model's maximum context length is 65536 tokens. However, you requested 100307"
            " tokens (92115 in the messages, 8192 in the completion).",
            code="invalid_request_error",
        ),
        65536,
        100307,
    ),
    row(
        "xai",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        },
        131072,
        537812,
    ),
    row(
        "mistral",
        400,
        {
            "object": "error",
            "message": "Prompt contains 66385 tokens and 0 draft tokens, too large for"
            " model with 32768 maximum context length",
            "type": "invalid_request_error",
            "code": "3051",
        },
        32768,
        66385,
    ),
    row(
        "gemini",
        400,
        [
            error(
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                code=400,
                status="INVALID_ARGUMENT",
            )
        ],
        1048576,
        1200000,
    ),
    row(
        "gemini, without a figure",
        400,
        [
            error(
                "The input token count exceeds the maximum number of tokens allowed (1048576).",
                status="INVALID_ARGUMENT",
            )
        ],
        1048576,
        None,
    ),
    row(
        "cerebras",
        400,
        error(
            "Please reduce the length of the messages or completion. Current length is 8194 while limit is 8192",
            code="context_length_exceeded",
        ),
        8192,
        8194,
    ),
    row("cerebras, without a body", 413, b""),
    row(
        "moonshot",
        400,
        error("Invalid request: Your request exceeded model token limit: 131072 (requested: 140000)", **INVALID),
        131072,
        140000,
    ),
    row("moonshot, without a figure", 400, error("Your request exceeded model token limit: 131072"), 131072, None),
    row("nvidia", 400, {"object": "error", "message": VLLM, "type": "BadRequestError", "code": 400}, 4096, 4097),
    row(
        "cloudflare",
        413,
        {
            "success": False,
            "errors": [
                {
                    "code": 5021,
                    "message": "AiError: The estimated number of"
                    " input and maximum output tokens (40000) exceeded this model context window limit (8192).",
                }
            ],
        },
        8192,
        40000,
    ),
    row("bedrock", 400, {"message": "Input is too long for requested model."}),
    row(
        "bedrock, figures",
        400,
        {"message": "Too many input tokens. Max input tokens: 8192, request input token count: 10000"},
        8192,
        10000,
    ),
    row("zai", 400, error("Prompt exceeds max length", code="1261")),
    row("zai, chinese", 400, error("Prompt 超长", code="1261")),
    row("minimax", 400, error("invalid params, context window exceeds limit (2013)", type="bad_request_error")),
    row(
        "siliconflow",
        400,
        {
            "code": 20015,
            "message": "length of prompt_tokens (40000) must be less than max_seq_len (32768).",
            "data": None,
        },
        32768,
        40000,
    ),
    row(
        "alibaba", 400, error("Range of input length should be [1, 30720]", code="invalid_parameter_error"), 30720, None
    ),
    row("volcengine", 400, error("Total tokens of image and text exceed max message tokens", code="InvalidParameter")),
    row("baidu", 200, {"error_code": 336103, "error_msg": "Prompt tokens too long"}),
    row("novita", 400, {"code": 400, "reason": "INVALID", "message": "Token limit exceeded, please shorten the input"}),
    row("vllm", 400, {"error": {"message": VLLM, "type": "BadRequestError", "code": 400}}, 4096, 4097),
    row(
        "vllm, newest",
        400,
        error(
            "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum"
            " context length is 4096 tokens and your request has 10 input tokens (5000 > 4096 - 10)."
        ),
        4096,
        5010,
    ),
    row(
        "vllm, decoder",
        400,
        error("The decoder prompt (length 5000) is longer than the maximum model length of 4096."),
        4096,
        5000,
    ),
    row(
        "lmstudio",
        400,
        {
            "error": "The number of tokens to keep from the initial prompt is greater than the context"
            " length (n_keep: 5000>= n_ctx: 4096). Try to load the model with a larger context length"
        },
        4096,
        5000,
    ),
    row(
        "lmstudio, older",
        400,
        {
            "error": "Trying to keep the first 5000 tokens when context the overflows. However, the"
            " model is loaded with context length of only 4096 tokens, which is not enough."
        },
    ),
    row(
        "llamacpp",
        400,
        error("request (16031 tokens) exceeds the available context size (2048 tokens), try increasing it"),
        2048,
        16031,
    ),
    row("llama-cpp-python", 400, error("Requested tokens (5000) exceed context window of 2048"), 2048, 5000),
    row(
        "sglang",
        400,
        {
            "object": "error",
            "message": "Requested token count exceeds the model's maximum context length"
            " of 131072 tokens. You requested a total of 140000 tokens: 130000 tokens from the input messages and 10000"
            " tokens for the completion.",
        },
        131072,
        140000,
    ),
    row(
        "litellm, wrapped in a 503",
        503,
        error(
            "litellm.APIConnectionError: OpenAIException - Requested token count"
            " exceeds the model's maximum context length of 131072 tokens."
        ),
        131072,
        None,
    ),
    row("ollama", 400, {"error": "prompt too long; exceeded max context length by 304 tokens"}),
    row("ollama, embeddings", 400, {"error": "the input length exceeds the context length"}),
    row("copilot", 400, error("prompt token count of 70000 exceeds the limit of 64000"), 64000, 70000),
    row(
        "cohere",
        400,
        {"message": "too many tokens: total number of tokens in the prompt cannot exceed 8192 - received 9000."},
        8192,
        9000,
    ),
    row("vercel", 400, error("Input is too long for requested model.", type="invalid_request_error")),
    row("inside a stream", None, error(ANTHROPIC), 200000, 213462),
]


@pytest.mark.parametrize(("status", "body", "figures"), TOO_LONG)
def test_a_conversation_that_is_too_long(status: int, body: object, figures: tuple[int | None, int | None]) -> None:
    failure = mapped(body, status)
    assert isinstance(failure, ContextLengthError), failure
    assert (failure.max_tokens, failure.requested_tokens) == figures
    assert not failure.retryable


XAI = "Your team 1-2-3 has either used all available credits or reached its monthly spending limit. To continue making"
NO_MONEY = [
    row("anthropic", 400, error("Your credit balance is too low to access the Anthropic API.", **INVALID)),
    row(
        "anthropic, limit",
        400,
        error(
            "You have reached your specified API usage limits. You will regain access on 2027-01-01 at 00:00 UTC.",
            **INVALID,
        ),
    ),
    row(
        "anthropic, spend",
        429,
        error("m", type="rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
    ),
    *(
        row(
            f"openrouter, {limit}",
            403,
            error(f"Key limit exceeded ({limit} limit). Manage it using the keys page", code=403),
        )
        for limit in ("total", "monthly", "weekly", "daily")
    ),
    row(
        "openrouter",
        402,
        error(
            "This request requires more credits, or fewer max_tokens. You requested up to 4096"
            " tokens, but can only afford 12.",
            code=402,
        ),
    ),
    row("openrouter, of a provider", 400, raw('{"error":{"message":"Your credit balance is too low"}}')),
    row("siliconflow", 403, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}),
    row("together", 403, error("Credit limit exceeded, please navigate to the billing page", type="credit_limit")),
    row("deepseek", 402, error("Insufficient Balance", code="invalid_request_error")),
    row(
        "moonshot",
        429,
        error(
            "Your account org-1 is suspended due to insufficient balance, please recharge",
            type="exceeded_current_quota_error",
        ),
    ),
    row("xai", 403, {"code": "permission-denied", "error": XAI}),
    row("xai, exhausted", 429, {"code": "Some resource has been exhausted", "error": XAI}),
    row(
        "openai",
        429,
        error(
            "You exceeded your current quota, please check your plan and billing details.",
            type="insufficient_quota",
            code="insufficient_quota",
        ),
    ),
    row("openai, hard limit", 400, error("Billing hard limit has been reached", code="billing_hard_limit_reached")),
    row(
        "openai, inactive",
        429,
        error(
            "Your account is not active, please check your billing details on our website.", code="billing_not_active"
        ),
    ),
    row(
        "fireworks",
        412,
        error(
            "Account a-1 is suspended, possibly due to reaching the monthly spending limit or"
            " failure to pay past invoices."
        ),
    ),
    row("huggingface", 402, {"error": "You have exceeded your monthly included credits for Inference Providers."}),
    row("huggingface, as a wrong request", 400, {"error": "You have exceeded your monthly included credits"}),
    row(
        "nvidia",
        402,
        {
            "status": 402,
            "title": "Payment Required",
            "detail": "Account 'X': Cloud credits expired - Please contact NVIDIA representatives",
        },
    ),
    row(
        "gemini",
        429,
        [error("Your prepayment credits are depleted. Please go to AI Studio", code=429, status="RESOURCE_EXHAUSTED")],
    ),
    row(
        "groq",
        400,
        error(
            "API access has been blocked because your organization reached its spend alert limit",
            code="blocked_api_access",
        ),
    ),
    row("cerebras", 402, error("Payment required", type="payment_required_error")),
    row("mistral", 402, {"object": "error", "message": "Payment required", "type": "billing", "code": None}),
    row(
        "vercel",
        403,
        error(
            "AI Gateway requires a valid credit card on file to service requests.",
            type="customer_verification_required",
        ),
    ),
    row("vercel, empty", 402, error("Insufficient funds. Please add credits.", type="insufficient_funds")),
    row(
        "bedrock",
        403,
        {
            "message": "Model access is denied due to INVALID_PAYMENT_INSTRUMENT: A valid payment instrument"
            " must be provided."
        },
    ),
    row(
        "cloudflare",
        429,
        {
            "success": False,
            "errors": [
                {
                    "code": 4006,
                    "message": "you have used up your daily free allocation of 10,000 neurons, please upgrade",
                }
            ],
        },
    ),
    row("zai", 429, error("余额不足或无可用资源包,请充值。", code="1113")),
    row("zai, english", 429, error("Insufficient balance or no resource package. Please recharge.", code="1113")),
    row("minimax", 200, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
    row(
        "minimax, compatible",
        429,
        {
            "type": "error",
            "error": {
                "type": "insufficient_balance_error",
                "message": "insufficient balance (1008)",
                "http_code": "429",
            },
        },
    ),
    row("deepinfra", 402, {"detail": {"error": "You have reached your usage limit or have no balance"}}),
    row(
        "volcengine",
        403,
        error(
            "The request failed because your account has an overdue balance.",
            code="AccountOverdueError",
            type="Forbidden",
        ),
    ),
    row("alibaba", 400, error("Access denied, please make sure your account is in good standing.", code="Arrearage")),
    row("litellm", 400, error("Budget has been exceeded! Current cost: 1.0, Max budget: 0.5", type="budget_exceeded")),
    row("litellm, of a key", 400, error("ExceededBudget: Key over budget. Spend=1, Budget=0.5")),
    row("opencode", 401, {"type": "error", "error": {"type": "CreditsError", "message": "Insufficient balance."}}),
    row(
        "a reseller",
        403,
        {
            "error": {
                "message": "user quota is not enough: insufficient account balance",
                "type": "new_api_error",
                "code": "insufficient_user_quota",
            }
        },
    ),
    row("a reseller in chinese", 403, error("用户余额不足")),
    row("oauth shape", 402, {"error": "insufficient_balance", "message": "Top up to continue."}),
]


@pytest.mark.parametrize(("status", "body", "_figures"), NO_MONEY)
def test_an_empty_account_or_a_key_at_its_limit(status: int, body: object, _figures: object) -> None:
    failure = mapped(body, status)
    assert isinstance(failure, InsufficientCreditsError), failure
    assert (failure.status_code, failure.retryable, failure.gateway_status) == (402, False, status)


NO_SUCH_ADDRESS = [
    row("openai", 404, error("Invalid URL (POST /v1/chat/complete)", **INVALID)),
    row(
        "groq",
        404,
        error("Unknown request URL: POST /openai/v1/x. Please check the URL for typos", code="unknown_url", **INVALID),
    ),
    row("groq, as a wrong request", 400, error("Unknown request URL: POST /openai/v1/x")),
    row("lmstudio", 200, {"error": "Unexpected endpoint or method. (POST /v1/chat/complete)"}),
    row("kong, mistral", 404, {"message": "no Route matched with those values", "request_id": "1"}),
    row("cloudflare", 404, {"success": False, "errors": [{"code": 7000, "message": "No route for that URI"}]}),
    row(
        "cloudflare, wrong account",
        400,
        {
            "success": False,
            "errors": [
                {
                    "code": 7003,
                    "message": "Could not route to /accounts/x/ai/v1, perhaps your object identifier is invalid?",
                }
            ],
        },
    ),
    row("azure", 404, error("Resource not found", code="404")),
    row("ollama, traefik, go", 404, b"404 page not found"),
    row("fastapi: vllm, sglang, litellm", 404, {"detail": "Not Found"}),
    row("llamacpp", 404, error("File Not Found", code=404, type="not_found_error")),
    row("smg", 404, error("Invalid URL (POST /v1/nothing)", type="invalid_request_error", code="route_not_found")),
    row("express", 404, b"<!DOCTYPE html><html><body><pre>Cannot POST /v1/chat/completions</pre></body></html>"),
    row("fastify", 404, {"message": "Route POST:/v1/x not found", "error": "Not Found", "statusCode": 404}),
    row("flask", 404, {"message": "The requested URL was not found on the server."}),
    row("spring", 404, {"timestamp": "t", "status": 404, "error": "Not Found", "path": "/v1/x"}),
    row("bedrock", 404, {"Message": "UnknownOperationException"}),
    row("fireworks", 404, {"error": "Path not found"}),
    row("apigee", 404, {"fault": {"faultstring": "Unable to identify proxy for host: x and url: /v1"}}),
    row("nginx", 404, b"<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>"),
    row("anybody", 405, {"detail": "Method Not Allowed"}),
    row("nothing at all", 404, b""),
]


@pytest.mark.parametrize(("status", "body", "_figures"), NO_SUCH_ADDRESS)
def test_an_address_at_which_there_is_nothing(status: int, body: object, _figures: object) -> None:
    payload = parse_json(body) if isinstance(body, bytes) else body
    assert is_no_such_endpoint(read_failure(payload, status=status))
    failure = mapped(body, status)
    assert isinstance(failure, BadRequestError)
    assert str(failure) == "The AI gateway has no such endpoint - check AI_GATEWAY_URL"
    assert failure.status_code in (404, 405)


OTHERS: list[tuple[str, int | None, object, type[AiError]]] = [
    # near misses of an overflow
    ("a parameter's range", 400, error("max_tokens must be at most 8192"), BadRequestError),
    (
        "an output limit",
        400,
        error("max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens for claude"),
        BadRequestError,
    ),
    (
        "openai's output limit",
        400,
        error(
            "max_tokens is too large: 100000. This model supports at most 16384 completion tokens", code="invalid_value"
        ),
        BadRequestError,
    ),
    (
        "an array",
        400,
        error("array too long. Expected an array with maximum length 128", code="array_above_max_length"),
        BadRequestError,
    ),
    (
        "an array without a code",
        400,
        error(
            "Invalid 'tools': array too long. Expected an array with maximum length 128,"
            " but got an array with length 129 instead."
        ),
        BadRequestError,
    ),
    (
        "a name",
        400,
        error("Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64"),
        BadRequestError,
    ),
    (
        "a throttle of tokens",
        429,
        error(
            "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000,"
            " Requested 2000. Please try again in 2s.",
            code="rate_limit_exceeded",
        ),
        RateLimitError,
    ),
    ("bedrock's throttle", 429, {"message": "Too many tokens, please wait before trying again."}, RateLimitError),
    (
        "bedrock's throttle in a stream",
        None,
        error("Too many tokens, please wait before trying again.", type="throttlingException"),
        RateLimitError,
    ),
    ("a deadline of go's", 500, error("context deadline exceeded"), ProviderError),
    ("the thinking budget", 400, error("thinking.budget_tokens must be less than max_tokens"), BadRequestError),
    # near misses of an empty account
    (
        "gemini's limit for a minute",
        429,
        [
            error(
                "You exceeded your current quota, please check your plan and billing details. Please retry in 36.4s.",
                status="RESOURCE_EXHAUSTED",
                code=429,
            )
        ],
        RateLimitError,
    ),
    (
        "openrouter's free models",
        429,
        error(
            "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
            code=429,
        ),
        RateLimitError,
    ),
    (
        "zai's window",
        429,
        error("Usage limit reached for 5 hour. Your limit will reset soon", code="1308"),
        RateLimitError,
    ),
    ("a billing service that is down", 500, error("upstream billing service timeout"), ProviderError),
    ("a prompt about money", 400, error("messages[0].content: expected a string"), BadRequestError),
    # content or schema
    ("a parameter's name", 400, error("Unknown parameter: 'moderation'.", code="unknown_parameter"), BadRequestError),
    (
        "a schema",
        400,
        error("Invalid schema for function 'f': it violates the constraint of additionalProperties"),
        BadRequestError,
    ),
    (
        "a strict schema",
        400,
        error("response_format violates strict mode: 'required' must list every key", code="invalid_json_schema"),
        BadRequestError,
    ),
    ("a moderation option", 400, error("The moderation option needs a plan"), BadRequestError),
    (
        "openai's safety system",
        400,
        error("Your request was rejected as a result of our safety system."),
        ContentPolicyError,
    ),
    (
        "openai's policy",
        400,
        error("This request may violate our usage policies.", code="invalid_prompt"),
        ContentPolicyError,
    ),
    (
        "azure",
        400,
        error(
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            code="content_filter",
        ),
        ContentPolicyError,
    ),
    (
        "openrouter's moderation",
        403,
        error(
            'openai/gpt-4 requires moderation on OpenAI. Your input was flagged for "violence".',
            metadata={"reasons": ["violence"]},
        ),
        ContentPolicyError,
    ),
    ("deepseek", 400, error("Content Exists Risk"), ContentPolicyError),
    (
        "moonshot",
        400,
        error("The request was rejected because it was considered high risk", type="content_filter"),
        ContentPolicyError,
    ),
    (
        "xai",
        403,
        {"code": "permission-denied", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK"},
        ContentPolicyError,
    ),
    ("zai", 400, error("系统检测到输入或生成内容可能包含不安全或敏感内容", code="1301"), ContentPolicyError),
    (
        "alibaba",
        400,
        error("Input data may contain inappropriate content.", code="data_inspection_failed"),
        ContentPolicyError,
    ),
    (
        "minimax's input check",
        200,
        {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}},
        ContentPolicyError,
    ),
    (
        "a provider's policy behind openrouter",
        400,
        raw('{"error":{"code":"content_filter","message":"filtered"}}'),
        ContentPolicyError,
    ),
    # keys, told as wrong requests
    (
        "xai's wrong key",
        400,
        {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***1."},
        AuthenticationError,
    ),
    (
        "gemini's wrong key",
        400,
        [
            error(
                "API key not valid. Please pass a valid API key.",
                status="INVALID_ARGUMENT",
                details=[{"reason": "API_KEY_INVALID"}],
            )
        ],
        AuthenticationError,
    ),
    (
        "bedrock's wrong key",
        403,
        {"message": "The security token included in the request is invalid."},
        AuthenticationError,
    ),
    (
        "minimax's wrong key",
        200,
        {"base_resp": {"status_code": 2049, "status_msg": "invalid api key"}},
        AuthenticationError,
    ),
    (
        "gemini's regions",
        400,
        [error("User location is not supported for the API use.", status="FAILED_PRECONDITION")],
        PermissionDeniedError,
    ),
    (
        "openai's regions",
        403,
        error("Country, region, or territory not supported", code="unsupported_country_region_territory"),
        PermissionDeniedError,
    ),
    # models
    (
        "azure's deployment",
        404,
        error("The API deployment for this resource does not exist.", code="DeploymentNotFound"),
        ModelNotAvailableError,
    ),
    ("bedrock's model", 400, {"message": "The provided model identifier is invalid."}, ModelNotAvailableError),
    (
        "groq's old model",
        400,
        error("The model `x` has been decommissioned and is no longer supported", code="model_decommissioned"),
        ModelNotAvailableError,
    ),
    (
        "together's model",
        404,
        error("Unable to access model x. Please visit the models page", code="model_not_available"),
        ModelNotAvailableError,
    ),
    (
        "huggingface's model",
        400,
        error("The requested model 'x' is not supported by any provider you have enabled.", code="model_not_supported"),
        ModelNotAvailableError,
    ),
    (
        "nvidia's model",
        404,
        {"status": 404, "title": "Not Found", "detail": "Function 'x': Not found for account 'y'"},
        ModelNotAvailableError,
    ),
    (
        "lmstudio without a model",
        400,
        error("No models loaded. Please load a model in the developer page"),
        ModelNotAvailableError,
    ),
    (
        "ollama's memory",
        500,
        {"error": "model requires more system memory (9.1 GiB) than is available (4.0 GiB)"},
        ModelNotAvailableError,
    ),
    ("ollama's model", 404, {"error": "model 'x' not found"}, ModelNotAvailableError),
    ("deepseek's model", 400, error("Model Not Exist"), ModelNotAvailableError),
    (
        "gemini's model",
        404,
        [error("models/x is not found for API version v1main", status="NOT_FOUND")],
        ModelNotAvailableError,
    ),
    # others
    ("a proxy's page", 413, b"<html><h1>413 Request Entity Too Large</h1></html>", BadRequestError),
    ("anthropic's bytes", 413, error("Request exceeds the maximum size", type="request_too_large"), BadRequestError),
    (
        "a busy provider",
        429,
        error("The engine is currently overloaded", type="engine_overloaded_error"),
        ProviderError,
    ),
    ("minimax's throttle", 200, {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, RateLimitError),
    ("bedrock's slow model", 408, {"message": "Model has timed out", "__type": "ModelTimeoutException"}, TimeoutError),
    ("groq's flex tier", 498, error("capacity exceeded", code="capacity_exceeded"), RateLimitError),
    (
        "groq's broken call",
        400,
        error("Failed to call a function.", code="tool_use_failed", failed_generation="<function=f>"),
        InvalidOutputError,
    ),
]


@pytest.mark.parametrize(("status", "body", "kind"), [pytest.param(*one[1:], id=one[0]) for one in OTHERS])
def test_codes_stand_before_words_and_words_mean_no_more_than_they_say(
    status: int | None, body: object, kind: type[AiError]
) -> None:
    failure = mapped(body, status)
    assert type(failure) is kind, failure
    assert failure.gateway_status == status


@pytest.mark.parametrize(("status", "body", "figures"), [*TOO_LONG, *NO_MONEY])
def test_the_same_failure_inside_a_stream(drive: Drive, status: int, body: object, figures: object) -> None:
    expected = mapped(body, status)
    event: dict[str, Any] = {"error": body or "prompt too long"}
    if isinstance(body, dict):
        event = {"choices": None, **cast("dict[str, Any]", body)}
    _, _, failure = drive(b"data: " + json.dumps(event).encode() + b"\n\n")
    assert type(failure) is type(expected)
    _, _, failure = drive(json.dumps(event).encode())
    assert type(failure) is type(expected)


def test_what_the_model_wrote_for_a_call_that_cannot_be_read_is_kept() -> None:
    failure = mapped(error("Failed", code="json_validate_failed", failed_generation='{"a": '), 400)
    assert failure.partial is not None and failure.partial.content == '{"a": '
    assert (failure.retryable, failure.gateway_status) == (True, 400)
    assert '{"a": ' not in f"{failure} {failure!r} {failure.to_dict()}"


@pytest.mark.parametrize(
    ("words", "retryable"),
    [
        (
            "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7000, please reduce",
            False,
        ),
        ("Rate limit reached on tokens per minute (TPM): Limit 6000, Used 5000, Requested 2000", True),
        ("Limit 6,000, Requested 7,000", False),
    ],
)
def test_a_request_that_is_larger_than_its_limit_is_not_sent_again(words: str, retryable: bool) -> None:
    for status in (413, 429):
        failure = mapped(error(words, type="tokens", code="rate_limit_exceeded"), status)
        assert (type(failure), failure.retryable) == (RateLimitError, retryable)


def test_the_gateways_words_and_its_status_are_apart_from_ours() -> None:
    failure = mapped(error("host db-7.internal of account 17 refused"), 422)
    assert (failure.sentence, failure.gateway_message, failure.gateway_status) == (
        "The AI gateway rejected the request",
        "host db-7.internal of account 17 refused",
        422,
    )
    behind = mapped(raw("prompt is too long: 5 tokens > 4 maximum"), 400)
    assert behind.message == "Context length exceeded: prompt is too long: 5 tokens > 4 maximum"
    assert behind.sentence == "Context length exceeded"
    assert behind.gateway_message == "prompt is too long: 5 tokens > 4 maximum"


@pytest.mark.parametrize("status", [400, 402, 403, 409, 413, 422, 429, 500, 503, 529])
@pytest.mark.parametrize("words", ["db-7.internal is down", "blocked: db-7.internal", "flagged by db-7.internal"])
def test_our_sentence_has_nothing_of_the_gateways(status: int, words: str) -> None:
    failure = mapped(error(words), status)
    assert "db-7" not in failure.sentence
    assert "db-7" in (failure.gateway_message or "")


def test_each_row_of_the_table_names_who_says_it() -> None:
    assert all(wording.hosts for wording in WORDINGS)


def test_the_reasons_of_several_errors_are_reported() -> None:
    body = {"success": False, "errors": [{"code": 1, "message": "one"}, {"code": 2, "message": "two"}]}
    for status in (400, 409, 422):
        assert str(mapped(body, status)) == "one; two"
    assert str(mapped({"errors": {"model": ["is required"]}, "title": "m"}, 400)) == "model: is required"
