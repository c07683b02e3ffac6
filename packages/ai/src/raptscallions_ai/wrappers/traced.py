"""`TracedClient`: OpenTelemetry spans and metrics forevery call."""

from __future__ import annotations

from contextlib import AbstractContextManager
from time import monotonic
from typing import TYPE_CHECKING, Any

from raptscallions_ai._guards.imports import require_extra
from raptscallions_ai.answer.result import ChatResult
from raptscallions_ai.errors import AiError
from raptscallions_ai.errors.text import one_line
from raptscallions_ai.wrappers.base import WrappedClient
from raptscallions_ai.wrappers.source import AroundSource
from raptscallions_ai.wrappers.telemetry import (
    INSTRUMENTATION,
    Instruments,
    Measured,
    describe,
    describe_result,
    describe_server,
)
from raptscallions_ai.wrappers.traced_messages import input_messages, output_messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.stream import ChunkSource
    from raptscallions_ai.client.base import ChatClient
    from raptscallions_ai.wrappers.call import ChatCall

__all__ = ["TracedClient"]

# The attributes of metrics: few values each, unlike ids and settings.
_DIMENSIONS = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "server.address", "server.port")


class TracedClient(WrappedClient):
    """A chat client that records its calls with OpenTelemetry, by the GenAI semantic conventions 1.41.0.

    One span per call, named `chat {model}`, over all attempts until the end; and the metrics
    `gen_ai.client.operation.duration`, `gen_ai.client.operation.time_to_first_chunk`, `gen_ai.client.token.usage` and
    `raptscallions_ai.client.cost`. Needs the extra `otel`; without a configured OpenTelemetry SDK, nothing is
    recorded.

    Args:
        inner: The client to wrap.
        tracer_provider: Where spans go; else the process's own.
        meter_provider: Where metrics go; else the process's own.
        provider_name: `gen_ai.provider.name`; else what the wrapped client says of itself, such as `openrouter`,
            `anthropic`, `ollama` or `groq`, and `openai` for a gateway of which no more is known.
        capture_content: Whether conversations and answers are written to the spans; no by default.

    Raises:
        ImportError: The extra is not installed.
    """

    def __init__(
        self,
        inner: ChatClient,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        provider_name: str | None = None,
        capture_content: bool = False,
    ) -> None:
        require_extra("otel", "opentelemetry.trace")
        from opentelemetry.trace import get_tracer

        super().__init__(inner)
        self._tracer = get_tracer(*INSTRUMENTATION, tracer_provider=tracer_provider)
        self._instruments = Instruments(meter_provider)
        self._provider_name = provider_name
        self._capture_content = capture_content

    def start_span(self, call: ChatCall) -> tuple[Span, dict[str, Any]]:
        """Begin the span of a call; return it and the attributes of the call's metrics."""
        from opentelemetry.trace import SpanKind

        model = self.resolve_model(call.model)
        attributes = describe(call, model) | describe_server(self.base_url, self._provider_name or self.provider_name)
        name = f"chat {one_line(model)}" if model else "chat"
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
        if self._capture_content:
            span.set_attribute("gen_ai.input.messages", input_messages(call.messages))
        return span, {name: attributes[name] for name in _DIMENSIONS if name in attributes}

    def end_span(self, span: Span, call: Measured, result: ChatResult, error: BaseException | None) -> None:
        """End the span of a call, and record its metrics."""
        from opentelemetry.trace import StatusCode

        span.set_attributes(describe_result(result))
        if call.to_first_chunk is not None:
            span.set_attribute("gen_ai.response.time_to_first_chunk", call.to_first_chunk)
        if self._capture_content:
            span.set_attribute("gen_ai.output.messages", output_messages(result))
        if isinstance(error, Exception):
            kind = type(error).__name__
            span.set_attribute("error.type", kind)
            # Only errors of this package are known to quote no conversation.
            span.set_status(StatusCode.ERROR, error.message if isinstance(error, AiError) else kind)
            call.attributes["error.type"] = kind
        if result.model:
            call.attributes["gen_ai.response.model"] = one_line(result.model)
        self._instruments.record(call)
        span.end()

    def source(self, call: ChatCall) -> ChunkSource:
        """Return the source of a call's chunks."""
        return _TracedCall(self.ask(call), self, call.snapshot() if self._capture_content else call)


class _TracedCall(AroundSource):
    def __init__(self, inner: ChunkSource, client: TracedClient, call: ChatCall) -> None:
        super().__init__(inner)
        self._client, self._call = client, call
        self._span: Span | None = None
        self._dimensions: dict[str, Any] = {}
        self._begun_at = 0.0
        self._first_at: float | None = None

    async def open(self) -> None:
        with self._in_span():
            await super().open()

    async def read(self) -> Sequence[StreamChunk]:
        if self._first_at is not None:
            return await super().read()  # making a span the current one costs more than a chunk does
        with self._in_span():
            return await super().read()

    def received(self, chunks: Sequence[StreamChunk]) -> Sequence[StreamChunk]:
        if self._first_at is None:
            self._first_at = monotonic()
        return chunks

    def ended(self, result: ChatResult | None, error: BaseException | None) -> None:
        if (span := self._span) is None:
            return
        now = monotonic()
        first = self._first_at if self._call.stream else None
        to_first = None if first is None else first - self._begun_at
        known = result or self.partial()
        if isinstance(error, AiError):
            known = error.partial or known
        call = Measured(now - self._begun_at, to_first, known.usage, dict(self._dimensions))
        if result is None and error is None and self._loop is not None and not self._loop.is_closed():
            # It may be the garbage collector that let go of the stream, while this thread holds a lock of the SDK.
            self._loop.call_soon_threadsafe(self._client.end_span, span, call, known, None)
        else:
            self._client.end_span(span, call, known, error)

    def _in_span(self) -> AbstractContextManager[object]:
        """Make the span the current one while the gateway is asked, so that spans of the transport are its children."""
        from opentelemetry.trace import use_span

        if self._span is None:
            self._begun_at = monotonic()
            self._span, self._dimensions = self._client.start_span(self._call)
        return use_span(self._span, end_on_exit=False, record_exception=False, set_status_on_exception=False)
