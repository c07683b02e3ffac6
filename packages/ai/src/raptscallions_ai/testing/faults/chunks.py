"""Shapes of good chunks and of good ends, as OpenRouter, llama.cpp, LiteLLM and others send them."""

from __future__ import annotations

from functools import partial
from typing import Any

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import TEXT, Complete
from raptscallions_ai.testing.faults.fault import Category
from raptscallions_ai.testing.faults.pieces import (
    ALL_TEXT,
    COUNTS,
    END,
    FINISH,
    LAST,
    OPENING,
    USAGE,
    WHOLE,
    one_answer,
)
from raptscallions_ai.testing.wire import DONE, chunk, sse, usage

_shape = partial(one_answer, Category.CHUNKS)


def _plain(id: str, choices: Any, **fields: Any) -> bytes:
    """Return a chunk with nothing in it that OpenRouter adds."""
    envelope = {"id": id, "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "small"}
    return sse({**envelope, "choices": choices, **fields})


_END = (
    _shape(
        "end-without-done",
        "The stream ends after usage and finish reason, without the end mark.",
        ALL_TEXT + FINISH + USAGE,
    ),
    _shape(
        "end-without-finish",
        "No chunk has a finish reason, but usage and end mark are there.",
        ALL_TEXT + USAGE + DONE,
        expected=Complete(finish_reason=None),
    ),
    _shape(
        "end-with-text",
        "The last text shares a chunk with the finish reason.",
        OPENING + sse(chunk(LAST, finish_reason="stop")) + USAGE + DONE,
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _shape(
        "end-finish-absent",
        "The finish reason is absent until the end, rather than null.",
        *(_plain("c-1", [{"index": 0, "delta": {"content": text}}]) for text in ("The sky", " is", LAST)),
        _plain("c-1", [{"index": 0, "delta": {}, "finish_reason": "stop"}]),
        _plain("c-1", [{"index": 0, "delta": {}}], usage=COUNTS),
        DONE,
        source=sources.LITELLM,
    ),
    *(
        _shape(
            f"end-{reason.replace('_', '-')}",
            f"The finish reason is `{reason}`.",
            ALL_TEXT + sse(chunk(finish_reason=reason)) + USAGE + DONE,
            expected=Complete(finish_reason=reason),
            source=sources.OPENROUTER_API,
        )
        for reason in ("length", "content_filter", "eos_token")
    ),
    _shape(
        "end-without-text",
        "The answer ends at its token limit before any text, because reasoning used it up.",
        sse(chunk(delta={"reasoning": "Hm."})) + sse(chunk(finish_reason="length")) + USAGE + DONE,
        expected=Complete(content="", reasoning="Hm.", finish_reason="length"),
        source=sources.REASONING,
    ),
    _shape(
        "end-empty-finish",
        "The finish reason is an empty text until the end.",
        sse(chunk(TEXT, finish_reason="")) + END,
    ),
    _shape(
        "end-length-then-error",
        "After the finish reason `length` an error says that the token limit was reached.",
        ALL_TEXT
        + sse(chunk(finish_reason="length"))
        + sse(chunk(choices=[], usage=usage(), error={"code": 400, "message": "Token limit reached"}))
        + DONE,
        expected=Complete(finish_reason="length"),
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _shape(
        "end-length-then-typed-error",
        "After the finish reason `length` an error of the type `max_tokens_exceeded` follows.",
        ALL_TEXT
        + sse(chunk(finish_reason="length"))
        + sse(
            chunk(
                choices=[],
                usage=usage(),
                error={"code": 400, "message": "no", "metadata": {"error_type": "max_tokens_exceeded"}},
            )
        )
        + DONE,
        expected=Complete(finish_reason="length"),
        source=sources.ERRORS,
    ),
)

_GATEWAYS = (
    _shape(
        "gateway-llamacpp",
        "The first content is null, and timings come with the usage.",
        _plain("c-2", [{"finish_reason": None, "index": 0, "delta": {"role": "assistant", "content": None}}]),
        *(
            _plain("c-2", [{"finish_reason": None, "index": 0, "delta": {"content": t}}])
            for t in ("The sky", " is", LAST)
        ),
        _plain("c-2", [{"finish_reason": "stop", "index": 0, "delta": {}}]),
        _plain("c-2", [], usage=COUNTS, timings={"cache_n": 9, "predicted_per_second": 72.3}),
        DONE,
        expected=Complete(model="small"),
        source=sources.LLAMA,
    ),
    _shape(
        "gateway-aimock",
        "Role and native finish reason are on every chunk.",
        *(sse(chunk(t, provider="OpenAI", system_fingerprint=None)) for t in ("", "The sky", " is", LAST)),
        END,
        source=sources.AIMOCK,
    ),
    _shape(
        "gateway-ollama-proxy",
        "There is neither role nor usage, and the text is escaped.",
        *(_plain("c-3", [{"index": 0, "delta": {"content": t}, "finish_reason": None}]) for t in (TEXT, " \U0001f609")),
        _plain("c-3", [{"index": 0, "delta": {}, "finish_reason": "stop"}]),
        DONE,
        expected=Complete(content=TEXT + " \U0001f609", total_tokens=None),
        source=sources.OLLAMA,
        require_usage=False,
    ),
    _shape(
        "gateway-other-model",
        "Another model answers than the one asked for.",
        sse(chunk(TEXT, model="fake/fallback-2"))
        + sse(chunk(finish_reason="stop", model="fake/fallback-2", usage=usage()))
        + DONE,
        expected=Complete(model="fake/fallback-2"),
        source="OpenRouter docs: model fallbacks",
    ),
)

_ODD = (
    _shape(
        "chunk-debug-first",
        "The first chunk has no choices but debug data.",
        sse(chunk(choices=[], debug={"echo_upstream_body": {}})) + WHOLE,
        source=sources.STREAMING,
    ),
    _shape(
        "chunk-choices-null",
        "A chunk has null for choices.",
        sse(chunk(choices=None)) + WHOLE,
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _shape(
        "chunk-delta-null", "A choice has null for a delta.", sse(chunk(choices=[{"index": 0, "delta": None}])) + WHOLE
    ),
    _shape(
        "chunk-delta-absent",
        "A choice has no delta.",
        sse(chunk(choices=[{"index": 0, "finish_reason": None}])) + WHOLE,
        source=sources.AZURE_FILTER,
    ),
    _shape(
        "chunk-role-null",
        "Every delta has null for a role and a function call.",
        *(sse(chunk(t, delta={"role": None, "content": t, "function_call": None})) for t in ("The sky", " is", LAST)),
        END,
        source=sources.LLAMA_PYTHON,
    ),
    _shape(
        "chunk-index-text",
        "The choice's index is a string.",
        sse(chunk(choices=[{"index": "0", "delta": {"content": TEXT}, "finish_reason": None}])) + END,
    ),
    _shape(
        "chunk-odd-types",
        "Fields that do not matter have unexpected types.",
        sse(chunk(TEXT, id=7, provider=["P"], created="now", service_tier={})) + END,
    ),
    _shape(
        "chunk-parts",
        "A delta's content is a list of parts.",
        sse(chunk(delta={"content": [{"type": "text", "text": TEXT}]})) + END,
    ),
    _shape(
        "chunk-other-choice",
        "Chunks of a second choice stand between those of the first.",
        OPENING
        + sse(chunk(choices=[{"index": 1, "delta": {"content": "Not I."}, "finish_reason": None}]))
        + sse(chunk(LAST))
        + END,
        source=sources.OPENAI,
    ),
    _shape(
        "chunk-logprobs",
        "Log probabilities come with the text.",
        sse(
            chunk(
                choices=[
                    {
                        "index": 0,
                        "delta": {"content": TEXT},
                        "finish_reason": None,
                        "logprobs": {"content": [{"token": "The", "logprob": -0.1, "bytes": None, "top_logprobs": []}]},
                    }
                ]
            )
        )
        + END,
        expected=Complete(logprobs=1),
        source=sources.LLAMA,
    ),
    _shape(
        "chunk-refusal",
        "The model refuses, in a field of its own.",
        sse(chunk(delta={"refusal": "I cannot."})) + END,
        expected=Complete(content="", refusal="I cannot."),
        source=sources.OPENAI,
    ),
    _shape(
        "chunk-annotation-first",
        "A citation comes before the text.",
        sse(chunk(delta={"annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.org"}}]}))
        + WHOLE,
        expected=Complete(annotations=1),
        source="OpenRouter docs: web search",
    ),
    _shape(
        "chunk-image",
        "An image comes whole in one chunk.",
        sse(
            chunk(
                delta={
                    "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}]
                }
            )
        )
        + WHOLE,
        expected=Complete(images=1),
        source="OpenRouter docs: image generation",
    ),
    _shape(
        "reasoning-plain",
        "Reasoning comes in `reasoning`, with an empty text.",
        sse(chunk(delta={"reasoning": "Hm."})) + WHOLE,
        expected=Complete(reasoning="Hm."),
        source=sources.REASONING,
    ),
    _shape(
        "reasoning-content",
        "Reasoning comes in `reasoning_content`.",
        sse(chunk(delta={"reasoning_content": "Hm."})) + WHOLE,
        expected=Complete(reasoning="Hm."),
        source=sources.LLAMA,
    ),
    _shape(
        "reasoning-twice",
        "Reasoning comes in `reasoning` and in `reasoning_content` alike.",
        sse(chunk(delta={"reasoning": "Hm.", "reasoning_content": "Hm."})) + WHOLE,
        expected=Complete(reasoning="Hm."),
    ),
    _shape(
        "reasoning-details",
        "Reasoning comes in `reasoning_details` alone, its signature later.",
        sse(chunk(delta={"reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "index": 0}]}))
        + sse(chunk(delta={"reasoning_details": [{"type": "reasoning.text", "signature": "s", "index": 0}]}))
        + WHOLE,
        expected=Complete(reasoning="Hm."),
        source=sources.REASONING,
    ),
    _shape(
        "reasoning-encrypted",
        "Reasoning is encrypted and must not be shown.",
        sse(chunk(delta={"reasoning_details": [{"type": "reasoning.encrypted", "data": "c2VjcmV0"}]})) + WHOLE,
        source=sources.REASONING,
    ),
)

FAULTS = (*_END, *_GATEWAYS, *_ODD)
