"""Requests to an Ollama server: its models, the loaded ones, and embeddings.

Source: Ollama API reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai._dialects.fields import count, moment, names, text
from raptscallions_ai._dialects.json import json_list, json_object, parse_json
from raptscallions_ai._dialects.request import written
from raptscallions_ai.answer.result import Usage
from raptscallions_ai.errors import InvalidResponseError, ModelNotAvailableError, NotSupportedError
from raptscallions_ai.gateway_api.embeddings import EmbeddingResult, checked_vectors
from raptscallions_ai.gateway_api.models import ModelInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from raptscallions_ai._call.document import JsonApi
    from raptscallions_ai.gateway_api.embeddings import EmbeddingRequest

__all__ = ["LoadedModel", "delete_model", "fetch_loaded", "fetch_model", "fetch_models", "fetch_vectors", "full_name"]

_MIB = 1024 * 1024
_LARGEST_DOCUMENT = 16 * _MIB  # `show` has the licence and, if asked for, the vocabulary
_OPTIONS_OF_CAPABILITIES = {"tools": ("tools", "tool_choice"), "thinking": ("reasoning", "reasoning_effort")}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model that is in memory.

    Attributes:
        name: Its name, with the tag.
        size: The memory that it takes, in bytes; None if unknown.
        size_vram: The part of it on the graphics card; None if unknown.
        context_length: The tokens of context that it was loaded with; None if the server does not say.
        expires_at: When it is unloaded, unless it is used again.
        raw: The entry as the server sent it.
    """

    name: str
    size: int | None = None
    size_vram: int | None = None
    context_length: int | None = None
    expires_at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A request about one model."""

    model: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    query: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)
    quotable: Sequence[object] = field(default=(), repr=False)

    @classmethod
    def of(cls, model: str, **fields: object) -> ModelRequest:
        """Return a request about a model with further fields."""
        return cls(model, written({"model": model, **fields}))


def full_name(model: str) -> str:
    """Return a model's name with its tag; without one it is `latest`."""
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"


async def fetch_version(api: JsonApi) -> str:
    """Return the server's version.

    Raises:
        InvalidResponseError: The server is not Ollama.
        AiError: The server could not be reached.
    """
    version = text(json_object(await api.get("/api/version")), "version")
    if version is None:
        raise InvalidResponseError(f"it has no version, so the server is not Ollama - check {api.gateway.url_name}")
    return version


async def fetch_models(api: JsonApi) -> list[ModelInfo]:
    """Return the models that the server has.

    Raises:
        AiError: The list could not be fetched.
    """
    listed: object = json_object(await api.get("/api/tags")).get("models")
    if not isinstance(listed, list):
        raise InvalidResponseError(f"it has no list of models - check {api.gateway.url_name}")
    entries = [json_object(entry) for entry in json_list(cast("object", listed))]
    return [_model(name, entry) for entry in entries if (name := text(entry, "name") or text(entry, "model"))]


async def fetch_model(api: JsonApi, model: str) -> ModelInfo:
    """Return one model: its context length, and what it can do.

    Raises:
        ModelNotAvailableError: The server does not have it.
        AiError: The server could not be reached.
    """
    document = await api.post("/api/show", ModelRequest.of(model), max_bytes=_LARGEST_DOCUMENT)
    return _model(model, json_object(parse_json(document)))


async def fetch_loaded(api: JsonApi) -> list[LoadedModel]:
    """Return the models that are in memory.

    Raises:
        AiError: The list could not be fetched.
    """
    entries = [json_object(entry) for entry in json_list(json_object(await api.get("/api/ps")).get("models"))]
    return [
        LoadedModel(
            name=name,
            size=count(entry, "size"),
            size_vram=count(entry, "size_vram"),
            context_length=count(entry, "context_length"),
            expires_at=moment(entry, "expires_at"),
            raw=entry,
        )
        for entry in entries
        if (name := text(entry, "name") or text(entry, "model"))
    ]


async def keep_loaded(api: JsonApi, model: str, keep_alive: str | float | None, num_ctx: int | None) -> None:
    """Load a model, or unload it: a conversation without messages asks for nothing else.

    Raises:
        AiError: It failed.
    """
    fields: dict[str, object] = {"messages": [], "stream": False}
    if keep_alive is not None:
        fields["keep_alive"] = keep_alive
    if num_ctx is not None:
        fields["options"] = {"num_ctx": num_ctx}
    document = await api.post("/api/chat", ModelRequest.of(model, **fields), max_bytes=_LARGEST_DOCUMENT)
    answer = json_object(parse_json(document))
    if answer.get("done") is not True:
        raise InvalidResponseError("it does not say that it is done")


async def fetch_vectors(api: JsonApi, request: EmbeddingRequest, *, fields: Mapping[str, object]) -> EmbeddingResult:
    """Return the vectors of texts.

    Args:
        api: The server.
        request: The request, in the form of other gateways.
        fields: Further fields of the body.

    Raises:
        NotSupportedError: Ollama does not support an option.
        InvalidResponseError: A vector is missing, or has another length than requested.
        AiError: The call failed.
    """
    body = json_object(parse_json(request.body))
    if refused := sorted(body.keys() & {"encoding_format", "input_type", "provider"}):
        raise NotSupportedError(f"Ollama does not support {', '.join(refused)}; leave it out")
    options = {name: value for name, value in body.items() if name != "user"}
    # Without `truncate`, the end of a text that is too long would be cut silently.
    sent = ModelRequest(
        request.model,
        written({"truncate": False, **fields, **options}),
        request.headers,
        request.query,
        request.quotable,
    )
    answer = json_object(parse_json(await api.post("/api/embed", sent, max_bytes=_LARGEST_DOCUMENT)))
    vectors = [_vector(vector) for vector in json_list(answer.get("embeddings"))]
    tokens = count(answer, "prompt_eval_count")
    raw = {} if tokens is None else {"prompt_tokens": tokens, "total_tokens": tokens}
    return EmbeddingResult(
        vectors=checked_vectors(vectors, request),
        model=text(answer, "model") or request.model,
        usage=Usage(prompt_tokens=tokens or 0, total_tokens=tokens or 0, raw=raw),
    )


async def delete_model(api: JsonApi, model: str) -> None:
    """Delete a model from the server's disk.

    Raises:
        ModelNotAvailableError: The server does not have it.
        AiError: It failed.
    """
    await api.post("/api/delete", ModelRequest.of(model), max_bytes=_LARGEST_DOCUMENT, method="DELETE")


def find_model(models: Sequence[ModelInfo], model: str) -> ModelInfo:
    """Return the model of this name, with or without its tag.

    Raises:
        ModelNotAvailableError: There is none.
    """
    wanted = full_name(model)
    found = next((one for one in models if full_name(one.id) == wanted), None)
    if found is None:
        raise ModelNotAvailableError(model)
    return found


def _vector(value: object) -> list[float]:
    """Return a list of numbers; an empty one for what is none."""
    numbers = [each for each in json_list(value) if isinstance(each, int | float) and not isinstance(each, bool)]
    return [float(each) for each in numbers] if len(numbers) == len(json_list(value)) else []


def _model(name: str, entry: Mapping[str, Any]) -> ModelInfo:
    details, facts = json_object(entry.get("details")), json_object(entry.get("model_info"))
    architecture = text(facts, "general.architecture") or ""
    able = names(entry, "capabilities")
    options = [option for capability in able for option in _OPTIONS_OF_CAPABILITIES.get(capability, ())]
    return ModelInfo(
        id=name,
        name=text(facts, "general.name") or name,
        created=moment(entry, "modified_at"),
        description=" ".join(filter(None, (text(details, "parameter_size"), text(details, "quantization_level")))),
        context_length=count(facts, f"{architecture}.context_length"),
        input_modalities=("text", "image") if "vision" in able else ("text",) if able else (),
        output_modalities=("embeddings",) if "embedding" in able else ("text",) if able else (),
        tokenizer=text(details, "family") or architecture,
        supported_parameters=tuple(options),
        raw=entry,
    )
