"""The models of the fake gateway, and its answers about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raptscallions_ai.testing.replies import Reply, json_reply
from raptscallions_ai.testing.script import Script
from raptscallions_ai.testing.wire import MODEL, PROVIDER

if TYPE_CHECKING:
    from raptscallions_ai.testing.recording import RecordedRequest

__all__ = ["EMBEDDING_MODEL", "catalogue_routes"]

EMBEDDING_MODEL = "fake/embedding-1"

_PARAMETERS = ["max_tokens", "temperature", "top_p", "stop", "tools", "tool_choice", "reasoning"]


def catalogue_routes(prefix: str) -> dict[tuple[str, str], Script]:
    """Return the scripts of the routes for models and providers."""
    routes = {
        ("GET", f"{prefix}/models"): Script(_models),
        ("GET", f"{prefix}/providers"): Script(json_reply({"data": [_PROVIDER]})),
    }
    for model in _MODELS:
        routes["GET", f"{prefix}/model/{model['id']}"] = Script(json_reply({"data": model}))
        entry = {"id": model["id"], "name": model["name"], "endpoints": [_endpoint(model)]}
        routes["GET", f"{prefix}/models/{model['id']}/endpoints"] = Script(json_reply({"data": entry}))
    return routes


def _models(request: RecordedRequest) -> Reply:
    wanted = request.query.get("output_modalities", "text").split(",")
    models = [
        model for model in _MODELS if "all" in wanted or set(wanted) & set(model["architecture"]["output_modalities"])
    ]
    return json_reply({"data": models, "total_count": len(models), "links": {"next": None}})


def _model(
    slug: str, name: str, context_length: int, prompt_price: str, completion_price: str, output: str = "text"
) -> dict[str, Any]:
    return {
        "id": slug,
        "canonical_slug": slug,
        "name": name,
        "created": 1_700_000_000,
        "description": f"{name}, a model of the fake gateway.",
        "context_length": context_length,
        "architecture": {
            "modality": f"text->{output}",
            "input_modalities": ["text"],
            "output_modalities": [output],
            "tokenizer": "Other",
            "instruct_type": None,
        },
        "pricing": {"prompt": prompt_price, "completion": completion_price, "request": "0", "image": "0"},
        "top_provider": {"context_length": context_length, "max_completion_tokens": 16_384, "is_moderated": False},
        "per_request_limits": None,
        "supported_parameters": _PARAMETERS if output == "text" else [],
        "default_parameters": None,
        "expiration_date": None,
    }


_MODELS = [
    _model(MODEL, "Fake: Model 1", 128_000, "0.00000015", "0.0000006"),
    _model("fake/large-2", "Fake: Large 2", 1_000_000, "0.000003", "0.000015"),
    _model("fake/small:free", "Fake: Small (free)", 8_192, "0", "0"),
    _model(EMBEDDING_MODEL, "Fake: Embedding 1", 8_192, "0.00000002", "0", output="embeddings"),
]

_PROVIDER: dict[str, Any] = {
    "name": PROVIDER,
    "slug": PROVIDER.lower(),
    "headquarters": None,
    "datacenters": None,
    "privacy_policy_url": None,
    "terms_of_service_url": None,
    "status_page_url": None,
}


def _endpoint(model: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{PROVIDER} | {model['id']}",
        "model_name": model["name"],
        "context_length": model["context_length"],
        "pricing": {**model["pricing"], "discount": 0},
        "provider_name": PROVIDER,
        "tag": PROVIDER.lower(),
        "quantization": "fp8",
        "max_completion_tokens": 16_384,
        "max_prompt_tokens": None,
        "supported_parameters": model["supported_parameters"],
        "status": 0,
        "uptime_last_5m": 100,
        "uptime_last_30m": 99.9,
        "uptime_last_1d": 99.5,
        "supports_implicit_caching": False,
        "latency_last_30m": {"p50": 0.4, "p75": 0.5, "p90": 0.7, "p99": 1.2},
        "throughput_last_30m": {"p50": 80, "p75": 90, "p90": 100, "p99": 110},
    }
