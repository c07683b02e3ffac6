"""The catalogue in other dialects: what their wires cannot say, and what they can say only in part.

`FakeAnthropic` and `FakeOllama` say a fault's replies in their own dialect. What should come of it is the same, unless
a row here tells why it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from raptscallions_ai.testing.faults.expected import Complete, Fails

if TYPE_CHECKING:
    from raptscallions_ai.testing.faults.expected import Expected
    from raptscallions_ai.testing.faults.fault import Fault

__all__ = ["DIFFERENCES", "Dialect", "Difference", "expected_in"]

Dialect: TypeAlias = Literal["openai", "anthropic", "ollama"]
"""The dialects that a fake server speaks; the catalogue is written in OpenAI's, as OpenRouter has it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Faults that a dialect cannot say, or not wholly.

    Attributes:
        reason: Why, in one sentence.
        faults: Their ids.
        dialects: Where it is so.
        instead: What of the expected outcome is different there; None if there is no such fault.
    """

    reason: str
    faults: tuple[str, ...]
    dialects: tuple[Dialect, ...] = ("anthropic", "ollama")
    instead: Mapping[str, Any] | None = field(default=None)


def expected_in(fault: Fault, dialect: Dialect) -> Expected | None:
    """Return what should come of a fault where another dialect is spoken; None if it cannot be there.

    OpenRouter's own facts, such as a cost and the names of providers and failures, are expected nowhere else.
    """
    expected = fault.expected
    if dialect == "openai":
        return expected
    if isinstance(expected, Complete):
        expected = replace(expected, cost=None)
    elif isinstance(expected, Fails):
        expected = replace(expected, provider=None, error_type=None)
    for difference in DIFFERENCES:
        if dialect in difference.dialects and fault.id in difference.faults:
            if difference.instead is None:
                return None
            expected = replace(expected, **difference.instead)
    return expected


def _ids(text: str, prefix: str = "") -> tuple[str, ...]:
    return tuple(prefix + word for word in text.split())


_ANTHROPIC: tuple[Dialect, ...] = ("anthropic",)
_OLLAMA: tuple[Dialect, ...] = ("ollama",)
_BOTH: tuple[Dialect, ...] = ("anthropic", "ollama")

DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "The reply is bytes of HTTP itself, or compressed: the fake servers translate no such bytes, and one transport "
        "reads them for all engines.",
        _ids("frame-cut-chunk frame-no-last-chunk frame-short-length frame-trailers frame-early-hints")
        + _ids("silent-bad-chunk-size size-gzip size-gzip-flushed size-gzip-cut-short size-gzip-cut")
        + _ids("size-gzip-bomb size-deflate-bomb"),
    ),
    Difference(
        "There is one answer, whose pieces are text, thinking and calls: no further choice, picture, refusal field or "
        "citation in OpenRouter's form.",
        _ids("chunk-other-choice chunk-refusal chunk-annotation-first chunk-image silent-other-choice"),
    ),
    Difference("There are no log probabilities.", ("chunk-logprobs",), _ANTHROPIC),
    Difference(
        "The shape is of a chat completion alone: a list of choices, or a whole completion as an event.",
        _ids("json-choices-null json-choices-empty ok-json-in-event"),
    ),
    Difference(
        "OpenRouter says it in `availability`, `metadata` or a name of its own, and nobody else has these.",
        _ids("availability-model-not-found availability-no-endpoints availability-model-deprecated")
        + _ids("availability-privacy-restricted availability-region-restricted availability-capacity-exhausted")
        + _ids("availability-temporarily-unavailable type-image-not-found fact-provider fact-moderation")
        + _ids("fact-guardrail fact-not-retryable no-retry-told no-retry-told-in-stream retry-after-availability")
        + _ids("retry-after-reset-body in-stream-provider end-length-then-typed-error"),
    ),
    Difference("The finish reason has no second, native form beside it.", ("in-stream-native-error",)),
    Difference("No finish reason says that the provider failed.", ("in-stream-finish-error",)),
    Difference(
        "An error in the stream does not say when to come back.", ("no-retry-after-text",), _BOTH, {"retry_after": None}
    ),
    Difference(
        "A body that is an error holds no text beside it.",
        ("json-choice-error",),
        _BOTH,
        {"partial": None, "tokens": 0},
    ),
    Difference("The fake server can read no number of ten thousand digits itself.", ("json-absurd-integer",)),
    Difference("The counts have names of their own, and there is no total.", _ids("json-negative-usage json-cost-nan")),
    # Anthropic
    Difference(
        "The tokens of the prompt are told as the answer begins.",
        _ids("garbled-json garbled-cut-json garbled-text garbled-two-objects garbled-array json-deep-nesting"),
        _ANTHROPIC,
        {"tokens": 10},
    ),
    Difference(
        "A refusal is told in so many words, as a refusal.",
        ("end-content-filter",),
        _ANTHROPIC,
        {"refusal": "refusal"},
    ),
    Difference(
        "A 403 is a `permission_error`: the key is good and may not do this.",
        _ids("status-403 no-retry-403"),
        _ANTHROPIC,
        {"error": "PermissionDeniedError", "status_code": 403},
    ),
    Difference(
        "A 413 is a `request_too_large`, which counts bytes and no tokens.",
        _ids("status-413 no-retry-413"),
        _ANTHROPIC,
        {"error": "BadRequestError", "status_code": 413},
    ),
    Difference(
        "An error in the stream has a type and no status: an `api_error` is a 500.",
        _ids(
            "with-choice in-choice no-choices envelope text event-error first after-comments with-usage with-text",
            "in-stream-",
        )
        + _ids("in-same-packet after-finish after-length reasoning-first server-error none", "in-stream-")
        + _ids("ok-error-body ok-error-body-labelled json-error close-after-error-in-stream")
        + _ids("no-retry-after-text json-choice-error message-escapes-in-stream"),
        _ANTHROPIC,
        {"status_code": 500},
    ),
    Difference("An overload is a 529.", ("in-stream-provider-overloaded",), _ANTHROPIC, {"status_code": 529}),
    Difference("Every request that is wrong is a 400.", ("in-stream-422",), _ANTHROPIC, {"status_code": 400}),
    # Ollama
    Difference(
        "A line is a document that ends with LF: it has no fields, name or comments, and does not go on in the next.",
        _ids("cr mixed-line-ends multi-line-data ids id-then-comment id-with-nul retry bare-retry bad-retry", "sse-")
        + _ids("unknown-field field-without-colon event-message event-heartbeat comment-in-event comments", "sse-")
        + _ids("bare-comments long-comment no-space two-spaces empty-data done-with-blanks", "sse-")
        + _ids("in-stream-event-text in-stream-event-bare in-stream-bare-json silent-heartbeats-after-text")
        + _ids("drip-then-answer sse-event-of-many-lines"),
        _OLLAMA,
    ),
    Difference(
        "A page in the middle is lines that cannot be read.",
        ("cut-html",),
        _OLLAMA,
        {"error": "InvalidResponseError"},
    ),
    Difference(
        "Usage stands on the line that ends the answer, and nowhere else.",
        _ids("cut-end-with-usage in-stream-with-usage silent-usage-after-text"),
        _OLLAMA,
        {"tokens": 0},
    ),
    Difference(
        "The line with the finish reason is the last: nothing follows it.",
        _ids("silent-before-usage in-stream-after-finish in-stream-after-length end-length-then-error")
        + _ids("usage-grows ok-usage-alone"),
        _OLLAMA,
    ),
    Difference(
        "The last line always says that the model has stopped.",
        _ids("end-without-finish json-finish-null"),
        _OLLAMA,
        {"finish_reason": "stop"},
    ),
    Difference(
        "An answer has no id, so that before its first text there is nothing of it.",
        _ids("in-stream-first cut-after-empty silent-empty-deltas"),
        _OLLAMA,
        {"partial": None},
    ),
    Difference(
        "Arguments are an object, which comes whole: empty, but never null or cut.",
        _ids("tool-arguments-null tool-arguments-cut"),
        _OLLAMA,
    ),
    Difference("A call without an id is given one.", ("tool-without-id",), _OLLAMA),
    Difference(
        "An error is a sentence: in a stream neither a code nor a type says what it is.",
        _ids(
            "rate-limit-exceeded timeout content-policy-violation 401 402 permission-denied no-endpoints 422",
            "in-stream-",
        )
        + _ids("type-content-policy-violation type-refusal type-permission-denied type-payload-too-large ok-error-429"),
        _OLLAMA,
    ),
    Difference(
        "The same: of a server's failure no status is told.",
        _ids("in-stream-provider-overloaded in-stream-500 message-escapes-in-stream"),
        _OLLAMA,
        {"status_code": 502},
    ),
)
"""Each difference, with its reason; what stands in none of them is the same in all dialects."""
