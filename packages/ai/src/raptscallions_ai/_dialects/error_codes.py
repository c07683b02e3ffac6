"""The names and numbers that hosts give to failures, and what each means.

Most are decisive: they stand before any word. Some hosts have one code foreverything (`invalid_request_error`), or
send one that the sentence beside it corrects (xAI's `permission-denied` for an empty account): those are left out, or
stand in `WEAK_CODES` and are asked after the words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raptscallions_ai._dialects.wordings import Kind

__all__ = ["ABOUT_CONTENT", "STATUS_OF_CODE", "STRONG_CODES", "WEAK_CODES", "kind_of_base_resp", "normalized"]


def _table(rows: Iterable[tuple[Kind, str]]) -> dict[str, Kind]:
    return {code: kind for kind, codes in rows for code in codes.split()}


STRONG_CODES: dict[str, Kind] = _table((
    # OpenRouter's error types, the same over all of its API shapes, and its availability codes
    ("context", "context_length_exceeded max_tokens_exceeded token_limit_exceeded string_too_long"),
    ("policy", "content_policy_violation refusal"),
    ("authentication", "authentication"),
    ("credits", "payment_required"),
    ("permission", "region_restricted"),
    ("model", "model_not_found no_endpoints model_deprecated model_unavailable_upstream"),
    ("model", "privacy_restricted constraint_filtered free_variant_ended"),
    ("provider", "provider_unavailable provider_overloaded temporarily_unavailable"),
    # OpenAI and Azure
    ("credits", "insufficient_quota billing_hard_limit_reached billing_not_active access_terminated"),
    ("credits", "account_deactivated"),
    ("authentication", "invalid_api_key invalid_authentication missing_api_key incorrect_api_key"),
    ("policy", "content_filter content_policy responsibleaipolicyviolation moderation_blocked"),
    ("permission", "unsupported_country_region_territory"),
    ("model", "deploymentnotfound model_not_available model_not_supported unsupported_model invalid_model"),
    ("model", "unknown_model"),
    ("bad_request", "unknown_parameter unsupported_parameter unsupported_value invalid_type invalid_json"),
    ("bad_request", "invalid_schema"),
    ("bad_request", "missing_required_parameter invalid_function_parameters invalid_image invalid_image_format"),
    ("bad_request", "integer_above_max_value integer_below_min_value decimal_above_max_value decimal_below_min_value"),
    ("bad_request", "array_above_max_length array_below_min_length object_above_max_properties"),
    ("bad_request", "string_below_min_length"),
    ("bad_request", "invalid_json_schema parameter_missing parameter_unknown extra_forbidden json_invalid"),
    ("address", "unknown_url invalid_url route_not_found endpoint_not_found unknownoperationexception"),
    # Groq, Cerebras, Fireworks, Together, HuggingFace, Vercel
    ("output", "tool_use_failed json_validate_failed output_parse_failed malformed_function_call modelerrorexception"),
    ("model", "model_decommissioned model_not_active model_permission_blocked_org no_providers_available"),
    ("permission", "organization_restricted model_terms_required"),
    ("credits", "blocked_api_access spend_limit_reached insufficient_funds customer_verification_required"),
    ("authentication", "wrong_api_key"),
    ("rate_limit", "token_quota_exceeded request_quota_exceeded queue_exceeded capacity_exceeded"),
    # Anthropic, in its own words and in `details.error_code`
    ("credits", "billing_error enforced_spend_limit_reached contract_spend_limit_reached credit_balance_too_low"),
    ("provider", "overloaded_error"),
    ("body_size", "request_too_large payload_too_large request_entity_too_large"),
    # llama.cpp, LiteLLM, vLLM, TGI, Ollama's facades
    ("context", "exceed_context_size_error context_window_exceeded contextwindowexceedederror prompt_too_long"),
    ("context", "input_too_long model_context_window_exceeded context_size_exceeded max_context_length_exceeded"),
    ("context", "invalid_request_prompt_too_long"),
    # LiteLLM without a database knows its master key only, and looks for any other one in the database that it lacks.
    ("authentication", "auth_error no_db_connection token_not_found_in_db expired_key"),
    ("credits", "budget_exceeded exceededbudget"),
    ("rate_limit", "all_deployments_in_cooldown throttling_error"),
    # DeepSeek, Moonshot, MiniMax, Volcengine, SiliconFlow, Alibaba, resellers
    ("credits", "exceeded_current_quota_error insufficient_balance_error insufficient_balance insufficient_credits"),
    ("credits", "insufficient_user_quota arrearage accountoverdueerror serviceoverdue creditserror credits_exhausted"),
    ("credits", "insufficient_credit not_enough_credits not_enough_balance key_limit_exceeded quota_exhausted"),
    ("model", "invalidendpointormodel.notfound modelnotopen modelnotfound model_not_exist"),
    ("policy", "data_inspection_failed datainspectionfailed sensitivecontentdetected sensitive_content"),
    ("policy", "inputtextsensitivecontentdetected"),
    ("rate_limit", "rate_limit_reached_error ratelimitexceeded modelaccountrpmratelimitexceeded"),
    ("provider", "engine_overloaded_error"),
    # Google
    ("authentication", "api_key_invalid api_key_expired"),
    # Bedrock
    ("authentication", "unrecognizedclientexception expiredtokenexception incompletesignatureexception"),
    ("rate_limit", "servicequotaexceededexception"),
    ("timeout", "modeltimeoutexception"),
    ("provider", "modelnotreadyexception serviceunavailableexception internalserverexception"),
    # Z.AI and Mistral number theirs
    ("credits", "1113"),
    ("context", "1261 3051"),
    ("model", "1211"),
    ("policy", "1301"),
))  # fmt: skip

WEAK_CODES: dict[str, Kind] = _table((
    ("permission", "permission_denied permission_error accessdeniedexception"),
    ("rate_limit", "rate_limit_exceeded rate_limit_error capacity_exhausted resource_exhausted throttlingexception"),
    ("rate_limit", "too_many_requests too_many_requests_error"),
    ("authentication", "authentication_error unauthenticated unauthorized"),
    ("provider", "server server_error internal_server_error unavailable_error unavailable overloaded"),
    ("timeout", "timeout timeout_error deadline_exceeded"),
))  # fmt: skip

STATUS_OF_CODE: dict[str, int] = {
    "provider_overloaded": 503,
    "server": 500,
    # Anthropic's, each of which has one status of its own; in a stream it is told by the type alone
    "invalid_request_error": 400,
    "not_found_error": 404,
    "request_too_large": 413,
    "api_error": 500,
    "overloaded_error": 529,
}

ABOUT_CONTENT = frozenset({"image_not_found", "image_download_failed"})

# MiniMax answers 200 and puts the failure into `base_resp`; 2013, invalid parameters, needs its message to be read.
# https://platform.minimax.io/docs/api-reference/errorcode
_BASE_RESP: dict[int, Kind] = {
    1001: "timeout",
    1002: "rate_limit",
    1004: "authentication",
    1008: "credits",
    1026: "policy",
    1027: "policy",
    1039: "rate_limit",
    1041: "rate_limit",
    2045: "rate_limit",
    2049: "authentication",
    2056: "rate_limit",
    1000: "provider",
    1013: "provider",
    1024: "provider",
    1033: "provider",
}


def kind_of_base_resp(code: object) -> Kind | None:
    """Return what the number in MiniMax's `base_resp` means, or None if it says little."""
    return _BASE_RESP.get(code) if isinstance(code, int) else None


def normalized(code: str) -> str:
    """Return a code as the tables spell it: `permission-denied` and `PERMISSION_DENIED` are one."""
    return code.partition(":")[0].strip().lower().replace("-", "_").replace(" ", "_")
