"""Usage: on which chunk it comes, how often, in what shape, or not at all."""

from __future__ import annotations

import json
from decimal import Decimal

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import TEXT, Complete, Expected, Fails
from raptscallions_ai.testing.faults.fault import Category, Fault
from raptscallions_ai.testing.faults.pieces import BEGUN, COMPLETE, END, FINISH, PARTIAL, USAGE, WHOLE, stream
from raptscallions_ai.testing.wire import DONE, chunk, sse, usage

_LAST = TEXT.removeprefix(PARTIAL)
_TEXT = BEGUN + sse(chunk(_LAST))
_COUNTS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
_FINISHED = chunk(finish_reason="stop")["choices"]


def _usage(
    id: str,
    title: str,
    *parts: bytes,
    expected: Expected = COMPLETE,
    source: str = sources.PRECAUTION,
    require_usage: bool = True,
) -> Fault:
    return Fault(
        id=id,
        title=title,
        category=Category.USAGE,
        source=source,
        replies=(stream(*parts),),
        expected=expected,
        require_usage=require_usage,
    )


FAULTS = (
    _usage(
        "usage-on-empty-finish",
        "The usage comes on a choice whose finish reason is null again.",
        _TEXT + FINISH + sse(chunk("", usage=usage())) + DONE,
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _usage("usage-without-choices", "The usage comes with an empty list of choices.", WHOLE, source=sources.STREAMING),
    _usage(
        "usage-with-finish-repeated",
        "The usage comes on a choice that repeats the finish reason.",
        _TEXT + FINISH + sse(chunk(choices=_FINISHED, usage=usage(), service_tier="default")) + DONE,
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _usage(
        "usage-on-finish",
        "The usage comes with the finish reason.",
        _TEXT + sse(chunk(finish_reason="stop", usage=usage())) + DONE,
    ),
    _usage(
        "usage-on-empty-delta",
        "The usage comes on a choice with an empty delta.",
        _TEXT + FINISH + sse(chunk(choices=[{"index": 0, "delta": {}}], usage=_COUNTS)) + DONE,
        source=sources.LITELLM,
    ),
    _usage(
        "usage-null-until-the-end",
        "Every chunk has a usage of null.",
        sse(chunk(TEXT, usage=None)) + END,
        source=sources.OPENAI,
    ),
    _usage(
        "usage-grows",
        "Every chunk has the usage so far.",
        *(sse(chunk(text, usage=usage(10, n))) for n, text in enumerate(("The sky", " is", _LAST), 1)),
        END,
    ),
    _usage("usage-twice", "The usage comes twice.", _TEXT + FINISH + USAGE + USAGE + DONE),
    _usage(
        "usage-exact-cost",
        "The cost is a fraction that no float holds.",
        _TEXT
        + FINISH
        + sse(
            json.dumps(chunk(choices=[], usage={**_COUNTS, "cost": "COST"})).replace(
                '"COST"', "0.1000000000000000055511"
            )
        )
        + DONE,
        expected=Complete(cost=Decimal("0.1000000000000000055511")),
        source=sources.OPENROUTER_API,
    ),
    _usage(
        "usage-cost-as-text",
        "The cost is a string.",
        _TEXT + FINISH + sse(chunk(choices=[], usage={**_COUNTS, "cost": "0.00015"})) + DONE,
        expected=Complete(cost=Decimal("0.00015")),
    ),
    _usage(
        "usage-as-text",
        "The counts are strings.",
        _TEXT + FINISH + sse(chunk(choices=[], usage={name: str(count) for name, count in _COUNTS.items()})) + DONE,
    ),
    _usage(
        "usage-empty",
        "The usage is an empty object.",
        _TEXT + FINISH + sse(chunk(choices=[], usage={})) + DONE,
        expected=Fails(error="InvalidResponseError", status_code=502, says="No usage metadata", partial=TEXT),
    ),
    _usage(
        "usage-zero",
        "All counts are zero, because the answer came from the gateway's cache.",
        _TEXT + FINISH + sse(chunk(choices=[], usage=usage(0, 0, cost=0))) + DONE,
        expected=Complete(total_tokens=0, cost=Decimal(0)),
        source="OpenRouter docs: response caching",
    ),
    _usage(
        "usage-missing",
        "No chunk has a usage, although it was asked for.",
        _TEXT + FINISH + DONE,
        expected=Fails(
            error="InvalidResponseError", status_code=502, says="No usage metadata in response", partial=TEXT
        ),
        source=sources.LLAMA_PYTHON,
    ),
    _usage(
        "usage-missing-allowed",
        "No chunk has a usage, and the caller does not need one.",
        _TEXT + FINISH + DONE,
        expected=Complete(total_tokens=None),
        source=sources.OLLAMA,
        require_usage=False,
    ),
)
