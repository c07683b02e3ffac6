"""The fake gateway's answers before anything is scripted: models, key, generation look-up, vectors, refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raptscallions_ai.testing._catalogue import catalogue_routes
from raptscallions_ai.testing._embeddings import embeddings
from raptscallions_ai.testing.replies import Reply, json_reply
from raptscallions_ai.testing.script import Script
from raptscallions_ai.testing.wire import MODEL, PROVIDER, error_body

if TYPE_CHECKING:
    from raptscallions_ai.testing.recording import RecordedRequest

__all__ = ["default_routes", "unauthorized", "unknown_route"]


def default_routes(prefix: str) -> dict[tuple[str, str], Script]:
    """Return the scripts of the routes besides chat completions, by method and path under `prefix`."""
    return {
        **catalogue_routes(prefix),
        ("GET", f"{prefix}/key"): Script(json_reply({"data": _KEY})),
        ("GET", f"{prefix}/credits"): Script(_management_key_needed),
        ("GET", f"{prefix}/generation"): Script(_generation),
        ("POST", f"{prefix}/embeddings"): Script(embeddings),
    }


def unauthorized(request: RecordedRequest) -> Reply:
    """Return OpenRouter's answer to a missing or a wrong key."""
    message = "User not found." if "authorization" in request.headers else "No auth credentials found"
    return json_reply({"error": {"message": message, "code": 401}}, status=401)


def unknown_route(request: RecordedRequest) -> Reply:
    """Return the answer to a path without a script."""
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


def _management_key_needed(request: RecordedRequest) -> Reply:
    return json_reply(error_body(403, "Only management keys can perform this operation"), status=403)


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
