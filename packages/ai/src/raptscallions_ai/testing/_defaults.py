"""What the fake gateway answers before anything is scripted: models, key, generation look-up, refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raptscallions_ai.testing.replies import Reply, json_reply
from raptscallions_ai.testing.script import Script
from raptscallions_ai.testing.wire import MODEL, PROVIDER, error_body

if TYPE_CHECKING:
    from raptscallions_ai.testing.recording import RecordedRequest

__all__ = ["default_routes", "unauthorized", "unknown_route"]


def default_routes(prefix: str) -> dict[tuple[str, str], Script]:
    """Return the scripts of the routes beside chat completions, by method and path under `prefix`."""
    models = [
        _model(MODEL, "Fake: Model 1", 128_000, "0.00000015", "0.0000006"),
        _model("fake/large-2", "Fake: Large 2", 1_000_000, "0.000003", "0.000015"),
        _model("fake/small:free", "Fake: Small (free)", 8_192, "0", "0"),
    ]
    return {
        ("GET", f"{prefix}/models"): Script(json_reply({"data": models, "total_count": len(models)})),
        ("GET", f"{prefix}/key"): Script(json_reply({"data": _KEY})),
        ("GET", f"{prefix}/generation"): Script(_generation),
    }


def unauthorized(request: RecordedRequest) -> Reply:
    """Return OpenRouter's answer to a missing or a wrong key."""
    message = "User not found." if "authorization" in request.headers else "No auth credentials found"
    return json_reply({"error": {"message": message, "code": 401}}, status=401)


def unknown_route(request: RecordedRequest) -> Reply:
    """Return the answer to a path that nobody scripted."""
    return json_reply(error_body(404, f"{request.method} {request.path} is not scripted"), status=404)


_KEY: dict[str, Any] = {
    "label": "sk-or-v1-not...key",
    "is_management_key": False,
    "is_provisioning_key": False,
    "limit": 10,
    "limit_reset": None,
    "limit_remaining": 7.5,
    "include_byok_in_limit": False,
    "usage": 2.5,
    "usage_daily": 0.5,
    "usage_weekly": 1,
    "usage_monthly": 2.5,
    "byok_usage": 0,
    "is_free_tier": False,
    "expires_at": None,
    "rate_limit": {"requests": -1, "interval": "10s", "note": "This field is deprecated and safe to ignore."},
}


def _model(slug: str, name: str, context_length: int, prompt_price: str, completion_price: str) -> dict[str, Any]:
    return {
        "id": slug,
        "canonical_slug": slug,
        "name": name,
        "created": 1_700_000_000,
        "description": f"{name}, a model of the fake gateway.",
        "context_length": context_length,
        "architecture": {
            "modality": "text->text",
            "input_modalities": ["text"],
            "output_modalities": ["text"],
            "tokenizer": "Other",
            "instruct_type": None,
        },
        "pricing": {"prompt": prompt_price, "completion": completion_price, "request": "0", "image": "0"},
        "top_provider": {"context_length": context_length, "max_completion_tokens": 16_384, "is_moderated": False},
        "per_request_limits": None,
        "supported_parameters": ["max_tokens", "temperature", "top_p", "stop", "tools", "tool_choice", "reasoning"],
    }


def _generation(request: RecordedRequest) -> Reply:
    stats = {
        "id": request.query.get("id", ""),
        "model": MODEL,
        "provider_name": PROVIDER,
        "streamed": True,
        "cancelled": False,
        "finish_reason": "stop",
        "native_finish_reason": "stop",
        "total_cost": 0.00015,
        "usage": 0.00015,
        "upstream_inference_cost": 0.00015,
        "is_byok": False,
        "tokens_prompt": 10,
        "tokens_completion": 5,
        "native_tokens_prompt": 10,
        "native_tokens_completion": 5,
        "native_tokens_reasoning": 0,
        "native_tokens_cached": 0,
        "cache_discount": None,
        "latency": 120,
        "generation_time": 450,
    }
    return json_reply({"data": stats})
