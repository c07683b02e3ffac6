"""Tool calls: whole or in pieces, with or without an index, under every finish reason."""

from __future__ import annotations

from typing import Any

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import Complete, Expected, Fails
from raptscallions_ai.testing.faults.fault import Category, Fault
from raptscallions_ai.testing.faults.pieces import USAGE, stream
from raptscallions_ai.testing.replies import Reply, json_reply
from raptscallions_ai.testing.wire import DONE, chunk, completion, sse
from raptscallions_ai.tools.tool_call import ToolCall

_ROME = ToolCall("call_1", "weather", '{"city":"Rome"}')
_OSLO = ToolCall("call_2", "weather", '{"city":"Oslo"}')
_CALLED = Complete(content="", tool_calls=(_ROME,), finish_reason="tool_calls")
_BOTH = Complete(content="", tool_calls=(_ROME, _OSLO), finish_reason="tool_calls")
_END = sse(chunk(finish_reason="tool_calls")) + USAGE + DONE


def _delta(*calls: dict[str, Any]) -> bytes:
    return sse(chunk(delta={"tool_calls": list(calls)}))


def _begin(call: ToolCall, arguments: str = "", **place: Any) -> dict[str, Any]:
    """Return the delta that begins a call."""
    return {**place, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _more(arguments: Any, **place: Any) -> dict[str, Any]:
    """Return a delta that continues a call."""
    return {**place, "function": {"arguments": arguments}}


def _tools(
    id: str,
    title: str,
    *parts: bytes,
    expected: Expected = _CALLED,
    source: str = sources.TOOL_CALLING,
    reply: Reply | None = None,
) -> Fault:
    return Fault(
        id=id,
        title=title,
        category=Category.TOOLS,
        source=source,
        replies=(reply or stream(*parts),),
        expected=expected,
        stream=reply is None,
    )


_PIECES = _delta(_begin(_ROME, index=0)) + _delta(_more('{"city":', index=0)) + _delta(_more('"Rome"}', index=0))
_WHOLE = _delta(_begin(_ROME, _ROME.raw_arguments, index=0))


_DELTAS = (
    _tools("tool-in-pieces", "Id and name come first, then the arguments in pieces.", _PIECES, _END),
    _tools("tool-whole", "The call comes whole in one delta.", _WHOLE, _END, source=sources.PRECAUTION),
    _tools(
        "tool-without-index",
        "The deltas of the call have no index.",
        _delta(_begin(_ROME)) + _delta(_more('{"city":')) + _delta(_more('"Rome"}')),
        _END,
        source=sources.PRECAUTION,
    ),
    _tools(
        "tool-repeated-id",
        "Every delta repeats id and name.",
        *(_delta(_begin(_ROME, piece, index=0)) for piece in ("", '{"city":', '"Rome"}')),
        _END,
        source=sources.LLAMA_PYTHON,
    ),
    _tools(
        "tools-interleaved",
        "The pieces of two calls come by turns.",
        _delta(_begin(_ROME, index=0), _begin(_OSLO, index=1)),
        _delta(_more('{"city":', index=0), _more('{"city":', index=1)),
        _delta(_more('"Oslo"}', index=1)) + _delta(_more('"Rome"}', index=0)),
        _END,
        expected=_BOTH,
    ),
    _tools(
        "tools-one-index",
        "Two calls have the same index and differ in their id.",
        _WHOLE + _delta(_begin(_OSLO, _OSLO.raw_arguments, index=0)),
        _END,
        expected=_BOTH,
        source=sources.PRECAUTION,
    ),
    _tools(
        "tools-without-index",
        "Two whole calls come without an index.",
        _delta(_begin(_ROME, _ROME.raw_arguments), _begin(_OSLO, _OSLO.raw_arguments)),
        _END,
        expected=_BOTH,
        source=sources.PRECAUTION,
    ),
    _tools(
        "tools-index-from-one",
        "The indices begin at one and leave a gap.",
        _delta(_begin(_ROME, _ROME.raw_arguments, index=1)) + _delta(_begin(_OSLO, _OSLO.raw_arguments, index=5)),
        _END,
        expected=_BOTH,
        source=sources.PRECAUTION,
    ),
)

_ARGUMENTS = (
    _tools(
        "tool-arguments-null",
        "A call without arguments has null for them.",
        _delta({"index": 0, "id": "call_1", "type": "function", "function": {"name": "now", "arguments": None}}),
        _END,
        expected=Complete(content="", tool_calls=(ToolCall("call_1", "now"),), finish_reason="tool_calls"),
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _tools(
        "tool-arguments-object",
        "The arguments are an object instead of its JSON text.",
        _delta(
            {
                "index": 0,
                "id": "call_1",
                "type": "function",
                "function": {"name": "weather", "arguments": {"city": "Rome"}},
            }
        ),
        _END,
        source=sources.PRECAUTION,
    ),
    _tools(
        "tool-without-id",
        "The call has no id.",
        _delta({"index": 0, "function": {"name": "weather", "arguments": _ROME.raw_arguments}}),
        _END,
        expected=Complete(
            content="", tool_calls=(ToolCall("", "weather", _ROME.raw_arguments),), finish_reason="tool_calls"
        ),
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _tools(
        "tool-arguments-cut",
        "The token limit cuts the arguments off; they must not be repaired.",
        _delta(_begin(_ROME, '{"city":"Ro', index=0)) + sse(chunk(finish_reason="length")) + USAGE + DONE,
        expected=Complete(
            content="", tool_calls=(ToolCall("call_1", "weather", '{"city":"Ro'),), finish_reason="length"
        ),
    ),
)

_FINISHES = (
    _tools(
        "tool-finish-stop",
        "The finish reason is `stop` although there is a call.",
        _WHOLE + sse(chunk(finish_reason="stop")) + USAGE + DONE,
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _tools(
        "tool-finish-null",
        "There is no finish reason, but a call, the usage and the end mark.",
        _WHOLE + USAGE + DONE,
        source=sources.OPENROUTER_TRAFFIC,
    ),
    _tools(
        "tool-after-text",
        "Text stands before the call.",
        sse(chunk("Let me look.")) + _PIECES + _END,
        expected=Complete(content="Let me look.", tool_calls=(_ROME,), finish_reason="tool_calls"),
    ),
    _tools(
        "tool-cut-by-end",
        "The stream ends inside the arguments.",
        _delta(_begin(_ROME, '{"city":', index=0)),
        expected=Fails(error="StreamInterruptedError", status_code=502, partial="", retryable=True),
        source=sources.NETWORK,
    ),
    _tools(
        "tool-in-json",
        "An answer in one body has a call and null for a text.",
        expected=_CALLED,
        reply=json_reply(completion(None, message={"tool_calls": [_ROME.to_dict()]}, finish_reason="tool_calls")),
    ),
)

FAULTS = (*_DELTAS, *_ARGUMENTS, *_FINISHES)
