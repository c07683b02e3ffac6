"""A call as OpenTelemetry sees it: names and values of the GenAI semantic conventions 1.41.0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from raptscallions_ai._version import __version__
from raptscallions_ai.errors.text import one_line
from raptscallions_ai.options.routing import is_openrouter

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from raptscallions_ai.answer.result import ChatResult, Usage
    from raptscallions_ai.wrappers.call import ChatCall

__all__ = ["INSTRUMENTATION", "Instruments", "describe", "describe_result", "describe_server"]

INSTRUMENTATION = ("raptscallions_ai", __version__)

# The boundaries that the conventions give.
_SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
_FIRST_SECONDS = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
_TOKENS = [float(4**power) for power in range(14)]

_REQUEST = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "session_id": "gen_ai.conversation.id",
}
_USAGE = {
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}
_ALWAYS_TOLD = ("prompt_tokens", "completion_tokens")

_MOST_MODELS = 200  # that metrics are told apart by; each is kept forever, and its name may be a stranger's choice
_OTHER = "_OTHER"  # the conventions' own word for all others


def describe_server(base_url: str | None, provider: str | None) -> dict[str, Any]:
    """Return the attributes of the gateway; one that is not OpenRouter counts as OpenAI's API."""
    url = urlsplit(base_url or "")
    host = url.hostname or ""
    name = provider or ("openrouter" if is_openrouter(base_url or "") else "openai")
    attributes: dict[str, Any] = {"gen_ai.provider.name": name}
    if host:
        attributes["server.address"] = host
        attributes["server.port"] = url.port or (80 if url.scheme == "http" else 443)
    return attributes


def describe(call: ChatCall, model: str | None) -> dict[str, Any]:
    """Return the attributes of the request."""
    options: dict[str, Any] = dict(call.options)
    attributes: dict[str, Any] = {"gen_ai.operation.name": "chat"}
    if model:
        attributes["gen_ai.request.model"] = one_line(model)
    if call.stream:
        attributes["gen_ai.request.stream"] = True
    for option, name in _REQUEST.items():
        if (value := options.get(option)) is not None:
            attributes[name] = value
    if stop := options.get("stop"):
        attributes["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    if options.get("response_format"):
        attributes["gen_ai.output.type"] = "json"
    elif "image" in (options.get("modalities") or ()):
        attributes["gen_ai.output.type"] = "image"
    return attributes


def describe_result(result: ChatResult) -> dict[str, Any]:
    """Return the attributes of an answer, or of the part that had arrived."""
    attributes: dict[str, Any] = {}
    if result.id:
        attributes["gen_ai.response.id"] = one_line(result.id)
    if result.model:
        attributes["gen_ai.response.model"] = one_line(result.model)
    if result.finish_reason:
        attributes["gen_ai.response.finish_reasons"] = [one_line(result.finish_reason)]
    if result.attempts:
        attributes["raptscallions_ai.attempts"] = len(result.attempts)
    if result.usage.cost is not None:
        attributes["raptscallions_ai.cost"] = float(result.usage.cost)
        attributes["raptscallions_ai.cost_source"] = result.usage.cost_source
    return attributes | _used(result.usage)


def _used(usage: Usage) -> dict[str, Any]:
    if not usage.reported:
        return {}
    counts = {name: getattr(usage, field) for field, name in _USAGE.items() if field in _ALWAYS_TOLD}
    return counts | {name: count for field, name in _USAGE.items() if (count := getattr(usage, field))}


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one call.

    Attributes:
        duration: Seconds from its start to its end.
        to_first_chunk: Seconds from its start to its first chunk, if it was streamed and there was one.
        usage: What it used, if that is known.
        attributes: The attributes of the figures.
    """

    duration: float
    to_first_chunk: float | None
    usage: Usage
    attributes: dict[str, Any]


class Instruments:
    """The metrics of calls.

    Args:
        provider: Where they go; None for the process's own.
    """

    def __init__(self, provider: MeterProvider | None) -> None:
        from opentelemetry.metrics import get_meter

        meter = get_meter(*INSTRUMENTATION, meter_provider=provider)
        self._models: set[str] = set()
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._to_first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            description="Time to receive the first chunk.",
            explicit_bucket_boundaries_advisory=_FIRST_SECONDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._cost = meter.create_counter(
            "raptscallions_ai.client.cost", unit="USD", description="What calls cost, as far as it is known."
        )

    def record(self, call: Measured) -> None:
        """Record the figures of a call."""
        attributes = {name: self._limited(name, value) for name, value in call.attributes.items()}
        self._duration.record(call.duration, attributes)
        if call.to_first_chunk is not None:
            self._to_first_chunk.record(call.to_first_chunk, attributes)
        if call.usage.reported:
            for kind, count in (("input", call.usage.prompt_tokens), ("output", call.usage.completion_tokens)):
                self._tokens.record(count, attributes | {"gen_ai.token.type": kind})
        if call.usage.cost:
            self._cost.add(float(call.usage.cost), attributes)

    def _limited(self, name: str, value: Any) -> Any:
        if not name.endswith(".model") or value in self._models:
            return value
        if len(self._models) >= _MOST_MODELS:
            return _OTHER
        self._models.add(value)
        return value
