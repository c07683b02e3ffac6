"""Usage: on which chunk it comes, how often, in what shape, or not at all."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import TEXT, Complete, Fails
from raptscallions_ai.testing.faults.fault import Category
from raptscallions_ai.testing.faults.pieces import (
    ALL_TEXT,
    COUNTS,
    END,
    FINISH,
    LAST,
    USAGE,
    WHOLE,
    one_answer,
)
from raptscallions_ai.testing.wire import DONE, chunk, sse, usage

_usage = partial(one_answer, Category.USAGE)

_FINISHED = chunk(finish_reason="stop")["choices"]


FAULTS = (
    _usage(
        "usage-on-empty-finish",
        "The usage comes on a choice whose finish reason is null again.",
        ALL_TEXT + FINISH + sse(chunk("", usage=usage())) + DONE,
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _usage("usage-without-choices", "The usage comes with an empty list of choices.", WHOLE, source=sources.STREAMING),
    _usage(
        "usage-with-finish-repeated",
        "The usage comes on a choice that repeats the finish reason.",
        ALL_TEXT + FINISH + sse(chunk(choices=_FINISHED, usage=usage(), service_tier="default")) + DONE,
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _usage(
        "usage-on-finish",
        "The usage comes with the finish reason.",
        ALL_TEXT + sse(chunk(finish_reason="stop", usage=usage())) + DONE,
    ),
    _usage(
        "usage-on-empty-delta",
        "The usage comes on a choice with an empty delta.",
        ALL_TEXT + FINISH + sse(chunk(choices=[{"index": 0, "delta": {}}], usage=COUNTS)) + DONE,
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
        *(sse(chunk(text, usage=usage(10, n))) for n, text in enumerate(("The sky", " is", LAST), 1)),
        END,
    ),
    _usage("usage-twice", "The usage comes twice.", ALL_TEXT + FINISH + USAGE + USAGE + DONE),
    _usage(
        "usage-exact-cost",
        "The cost is a fraction that no float holds.",
        ALL_TEXT
        + FINISH
        + sse(
            json.dumps(chunk(choices=[], usage={**COUNTS, "cost": "COST"})).replace(
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
        ALL_TEXT + FINISH + sse(chunk(choices=[], usage={**COUNTS, "cost": "0.00015"})) + DONE,
        expected=Complete(cost=Decimal("0.00015")),
    ),
    _usage(
        "usage-as-text",
        "The counts are strings.",
        ALL_TEXT + FINISH + sse(chunk(choices=[], usage={name: str(count) for name, count in COUNTS.items()})) + DONE,
    ),
    _usage(
        "usage-empty",
        "The usage is an empty object.",
        ALL_TEXT + FINISH + sse(chunk(choices=[], usage={})) + DONE,
        expected=Fails(error="InvalidResponseError", status_code=502, says="No usage metadata", partial=TEXT),
    ),
    _usage(
        "usage-zero",
        "All counts are zero, because the answer came from the gateway's cache.",
        ALL_TEXT + FINISH + sse(chunk(choices=[], usage=usage(0, 0, cost=0))) + DONE,
        expected=Complete(total_tokens=0, cost=Decimal(0)),
        source="OpenRouter docs: response caching",
    ),
    _usage(
        "usage-missing",
        "No chunk has a usage, although it was asked for.",
        ALL_TEXT + FINISH + DONE,
        expected=Fails(
            error="InvalidResponseError", status_code=502, says="No usage metadata in response", partial=TEXT
        ),
        source=sources.LLAMA_PYTHON,
    ),
    _usage(
        "usage-missing-allowed",
        "No chunk has a usage, and the caller does not need one.",
        ALL_TEXT + FINISH + DONE,
        expected=Complete(total_tokens=None),
        source=sources.OLLAMA,
        require_usage=False,
    ),
)
