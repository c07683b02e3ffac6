"""What a gateway tells of its models, how models are named, and vectors of texts."""

from __future__ import annotations

from raptscallions_ai._dialects.prefill import accepts_prefill
from raptscallions_ai.gateway_api.embeddings import EmbeddingResult, EmbedOptions
from raptscallions_ai.gateway_api.endpoints import ModelEndpoint, Percentiles, ProviderInfo
from raptscallions_ai.gateway_api.models import ModelFilter, ModelInfo, ReasoningSupport, filter_models
from raptscallions_ai.gateway_api.ollama import LoadedModel
from raptscallions_ai.gateway_api.ollama_pull import ModelPull, PullProgress
from raptscallions_ai.options.routing import (
    MODEL_ALIASES,
    ModelId,
    RouteVariant,
    apply_variant,
    parse_model_id,
    resolve_model_alias,
)

__all__ = [
    "ModelInfo",
    "ModelFilter",
    "filter_models",
    "ModelEndpoint",
    "Percentiles",
    "ProviderInfo",
    "ReasoningSupport",
    "MODEL_ALIASES",
    "ModelId",
    "RouteVariant",
    "apply_variant",
    "parse_model_id",
    "resolve_model_alias",
    "accepts_prefill",
    "EmbeddingResult",
    "EmbedOptions",
    "LoadedModel",
    "ModelPull",
    "PullProgress",
]
