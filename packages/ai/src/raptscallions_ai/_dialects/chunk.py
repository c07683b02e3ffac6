"""Wire chunks: the JSON of one event or of a whole body, as typed objects.

The fields are those of OpenRouter's and of every compatible gateway that was recorded; all are optional, and
unknown ones are skipped. A field of an unexpected type is dropped rather than failing the answer: gateways
change shapes without notice, and text must not be lost to a strange `logprobs`. Only what is the answer itself must be
readable: its text and its tool calls.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args, get_origin

import msgspec

from raptscallions_ai._dialects.json import (
    MalformedJSONError,
    json_list,
    json_object,
    parse_object,
    refuse_deep_nesting,
    with_floats,
)
from raptscallions_ai._dialects.split_pairs import halves_kept

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "WireChoice",
    "WireChunk",
    "WireDelta",
    "WireTimings",
    "WireToolCall",
    "WireUsage",
    "decode_chunk",
    "decode_usage",
]


NO_USAGE = msgspec.Raw(b"")
"""What a chunk without usage has in its place."""


class WireFunction(msgspec.Struct, gc=False):
    """The function part of a tool call's delta."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class WireToolCall(msgspec.Struct, gc=False):
    """A tool call, or a delta of one."""

    index: int | None = None
    id: str | None = None
    function: WireFunction | None = None
    # What has to be sent back with the call, where there is such: Gemini; LiteLLM; resellers of Gemini
    extra_content: Any = None
    provider_specific_fields: Any = None
    thought_signature: Any = None


class WireDelta(msgspec.Struct, gc=False):
    """A delta; or, in a body that was not streamed, a whole message.

    Attributes:
        refusal_category: What it is refused for; no gateway sends it so.
        halved: Whether one of its texts begins or ends with half a character; no gateway sends it.
    """

    content: str | list[Any] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None
    tool_calls: list[WireToolCall] | None = None
    annotations: list[dict[str, Any]] | None = None
    images: list[dict[str, Any]] | None = None
    refusal: str | None = None
    audio: dict[str, Any] | None = None
    thinking_blocks: list[dict[str, Any]] | None = None  # LiteLLM, of Anthropic's models
    extra_content: Any = None  # Gemini
    reasoning_text: str | None = None  # Copilot
    thinking: str | None = None
    function_call: WireFunction | None = None  # what tool calls were before 2023-11
    refusal_category: str | None = msgspec.field(default=None, name=" refusal category ")
    halved: bool = msgspec.field(default=False, name=" halved ")


class WireLogprobs(msgspec.Struct, gc=False):
    """Log probabilities of a choice's tokens."""

    content: list[dict[str, Any]] | None = None


class WireChoice(msgspec.Struct, gc=False):
    """One choice; in place of `delta` it has `message` if it was not streamed, `text` in legacy completions."""

    index: int | None = None
    delta: WireDelta | None = None
    message: WireDelta | None = None
    text: str | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    error: Any = None
    logprobs: WireLogprobs | None = None
    usage: msgspec.Raw = NO_USAGE  # Moonshot


class WirePromptDetails(msgspec.Struct, gc=False):
    """What the prompt tokens were."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None  # LiteLLM
    cache_creation_input_tokens: int | None = None  # Alibaba


class WireCompletionDetails(msgspec.Struct, gc=False):
    """What the completion tokens were."""

    reasoning_tokens: int | None = None


class WireCostDetails(msgspec.Struct, gc=False):
    """What the cost was for."""

    upstream_inference_cost: Decimal | None = None


class WireUsage(msgspec.Struct, gc=False):
    """The figures of a usage object that have a name of their own in `Usage`, under all names that they come by."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None  # Perplexity
    cost: Decimal | None = None
    estimated_cost: Decimal | None = None  # DeepInfra
    is_byok: bool | None = None
    prompt_tokens_details: WirePromptDetails | None = None
    completion_tokens_details: WireCompletionDetails | None = None
    cost_details: WireCostDetails | None = None
    # What was read from a prompt cache, and written to it: DeepSeek; Moonshot, SGLang; Mistral; Anthropic's facades
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None
    num_cached_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    # OpenAI's Responses and Anthropic's messages, behind gateways that pass the usage on as it came
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: WirePromptDetails | None = None
    output_tokens_details: WireCompletionDetails | None = None


class WireTimings(msgspec.Struct, gc=False):
    """How long the engine took: llama.cpp, and Ollama in the same words."""

    predicted_per_second: float | None = None


class WireGroq(msgspec.Struct, gc=False):
    """What Groq has besides."""

    usage: msgspec.Raw = NO_USAGE


class WireChunk(msgspec.Struct, gc=False):
    """One event's JSON object, or a whole body's.

    Attributes:
        usage: Left as raw JSON, because it comes once a call and is wanted both typed and as received.
        base_resp: MiniMax's word on how it went, beside an answer or instead of one; its `status_code` is 0 where all
            is well.
    """

    id: str | None = None
    model: str | None = None
    provider: str | None = None
    choices: list[WireChoice] | None = None
    usage: msgspec.Raw = NO_USAGE
    error: Any = None
    base_resp: Any = None
    x_groq: WireGroq | None = None
    timings: WireTimings | None = None
    citations: list[Any] | None = None  # Perplexity, xAI
    search_results: list[Any] | None = None  # Perplexity
    web_search: list[Any] | None = None  # Z.AI

    @property
    def is_empty(self) -> bool:
        """Whether it has none of the parts that a chunk is made of."""
        return self.choices is None and self.usage is NO_USAGE and self.error is None and self.id is None


_OPTIONAL_DECIMAL = Decimal | None
_ANSWER_ITSELF = frozenset(
    {(WireChunk, "choices"), (WireDelta, "content"), (WireDelta, "tool_calls"), (WireFunction, "arguments")}
    | {(WireChoice, "text")}
)
_TEXTS = ("content", "reasoning", "reasoning_content", "refusal")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_encode_exactly = msgspec.json.Encoder(decimal_format="number").encode

_T = TypeVar("_T", bound=msgspec.Struct)
_decode: Callable[[bytes], WireChunk] = msgspec.json.Decoder(WireChunk).decode


def decode_chunk(data: bytes) -> WireChunk:
    """Return the JSON object in `data` as a chunk, dropping fields that have an unexpected type.

    Raises:
        MalformedJSONError: `data` is not a JSON object, it is nested too deeply, or the answer itself has an
            unexpected type.
    """
    try:
        chunk = _decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        chunk = lenient(parse_object(data), WireChunk)
        if _SURROGATE.search(data):
            _keep_halves(chunk, data)
        return chunk
    refuse_deep_nesting(data)
    return chunk


def decode_usage(raw: msgspec.Raw) -> tuple[WireUsage, dict[str, Any]] | None:
    """Return a usage object typed and as received, or None when it is not an object with anything in it."""
    try:
        received = json_object(msgspec.json.decode(raw))
        typed = msgspec.json.decode(raw, type=WireUsage) if received else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        try:
            parsed = parse_object(bytes(raw))
        except MalformedJSONError:
            return None
        typed, received = lenient(parsed, WireUsage), json_object(with_floats(parsed))
    return (typed, received) if typed is not None else None


def _keep_halves(chunk: WireChunk, data: bytes) -> None:
    """Put back the halves of characters that a delta's texts begin or end with: the other half may be in the next."""
    sent = json_list(json_object(json.loads(data.decode("utf-8", "replace"))).get("choices"))
    for choice, raw in zip(chunk.choices or (), sent, strict=False):
        delta, fields = choice.delta, json_object(json_object(raw).get("delta"))
        for name in _TEXTS:
            text: object = fields.get(name)
            if delta is not None and isinstance(text, str) and (joined := halves_kept(text)) is not None:
                setattr(delta, name, joined)
                delta.halved = True


def lenient(value: object, type_: type[_T]) -> _T:
    """Build a struct from parsed JSON, field by field; what does not fit is left at its default.

    Raises:
        MalformedJSONError: What does not fit is a part of the answer itself, which must not be lost unseen.
    """
    fields: dict[str, Any] = {}
    source = json_object(value)
    for field in msgspec.structs.fields(type_):
        if (raw := source.get(field.encode_name)) is not None:
            read = fields[field.name] = _lenient_value(raw, field.type)
            if read is None and raw and (type_, field.name) in _ANSWER_ITSELF and not source.get("error"):
                raise MalformedJSONError(f"its {field.name} has an unexpected type")
    return type_(**{name: value for name, value in fields.items() if value is not None})


def _lenient_value(value: object, type_: Any) -> Any:
    if type_ is msgspec.Raw:
        return msgspec.Raw(_encode_exactly(value))
    if type_ is Any:
        return with_floats(value)
    members: tuple[Any, ...] = getattr(type_, "__args__", ())
    for member in members:
        if isinstance(member, type) and issubclass(member, msgspec.Struct) and isinstance(value, dict):
            return lenient(json_object(cast("object", value)), member)
    if isinstance(value, dict) and "function" in value and list[WireToolCall] in members:
        value = [cast("object", value)]  # TGI streams one object where a list of them belongs
    try:
        unchecked = cast("object", value)
        return msgspec.convert(unchecked if type_ == _OPTIONAL_DECIMAL else with_floats(unchecked), type_, strict=False)
    except (msgspec.MsgspecError, RecursionError, ArithmeticError):
        pass
    for member in members:
        if get_origin(member) is list and isinstance(value, list):
            item_type = get_args(member)[0] | None
            fitting = (_lenient_value(item, item_type) for item in json_list(cast("object", value)))
            return [item for item in fitting if item is not None]
    return None
