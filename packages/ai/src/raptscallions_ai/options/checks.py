"""The checks of a request's options, before anything is sent.

A message names the option and what it must be. It quotes numbers only: a text may be the prompt's, or a key.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias, cast, get_args

from raptscallions_ai.options.call_options import CallOptions
from raptscallions_ai.options.types import ReasoningEffort, ServiceTier, Verbosity

if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["CHECKS", "checked_fields"]

Check: TypeAlias = Callable[[str, Any], None]
"""Raises an error if the option of this name must not have this value."""

_REPLACED = {
    "transforms": 'plugins=[{"id": "context-compression"}]',
    "route": 'provider={"sort": {"by": "price", "partition": "none"}}',
    "include_reasoning": 'reasoning={"exclude": True}',
}
# What other libraries call an option, or what is a method here.
_INSTEAD = {
    "function_call": "tool_choice=",
    "functions": "tools=",
    "instructions": "system=",
    "max_output_tokens": "max_tokens=",
    "max_steps": "run_tools(..., max_steps=...)",
    "max_turns": "run_tools(..., max_steps=...)",
    "output_type": "parse(messages, TYPE)",
    "response_model": "parse(messages, TYPE)",
    "request_timeout": "timeout=, in seconds",
    "stop_sequences": "stop=",
    "system_prompt": "system=",
    "timeout_ms": "timeout=, in seconds",
    "web_search": 'plugins=[{"id": "web"}]',
}
_JOINED = ("extra_headers", "extra_query", "extra_body")
_NUMERIC = (int, float, Decimal)
_DEPENDENT = frozenset({"top_logprobs", "reasoning_effort", "modalities"})


def _unknown_option(name: str) -> TypeError:
    """Return the error for an option that there is not."""
    ways = "pass fields that have no name here in extra_body={...}"
    if instead := _INSTEAD.get(name):
        return TypeError(f"unknown option {name!r}; use {instead}")
    if instead := _REPLACED.get(name):
        return TypeError(f"unknown option {name!r}; use {instead}, or {ways}")
    close = difflib.get_close_matches(name, ("model", *CallOptions.__annotations__), 1)
    meant = f"did you mean {close[0]!r}? Otherwise " if close else ""
    return TypeError(f"unknown option {name!r}; {meant}{ways}")


def checked_fields(options: CallOptions) -> dict[str, Any]:
    """Return the options that go into the body, checked, in an order that does not depend on the caller.

    Raises:
        TypeError: An option is unknown, or its value has a wrong type.
        ValueError: A value is out of range, or two options contradict each other.
    """
    if unknown := options.keys() - CallOptions.__annotations__.keys():
        raise _unknown_option(min(unknown))
    fields: dict[str, Any] = {}
    for name in sorted(options.keys() & CHECKS.keys(), key=_POSITIONS.__getitem__):
        if (value := options.get(name)) is not None:
            CHECKS[name](name, value)
            fields[name] = value
    if not fields.keys().isdisjoint(_DEPENDENT):
        _check_together(fields, options.get("extra_body") or {})
    return fields


def checked_options(options: CallOptions) -> CallOptions:
    """Return a copy of options that are meant for several calls.

    Raises:
        TypeError: They are not a mapping, an option is unknown, or its value has a wrong type.
        ValueError: A value is out of range, or two options contradict each other.
    """
    if not isinstance(cast("object", options), Mapping):
        raise TypeError(f"default_options must be a mapping, not {type(options).__name__}")
    checked_fields(options)
    return cast("CallOptions", {**options})


def merged_options(defaults: CallOptions, options: CallOptions) -> CallOptions:
    """Return the options of a call over a client's; one that is None is left out, and `extra_...` are joined."""
    if not defaults:
        return options
    merged: dict[str, Any] = {**defaults, **options}
    for name in _JOINED:
        own, other = defaults.get(name), options.get(name)
        if isinstance(own, Mapping) and isinstance(other, Mapping):
            merged[name] = {**own, **other}
    return cast("CallOptions", merged)


def _check_together(fields: Mapping[str, Any], extra: Mapping[str, object]) -> None:
    if "top_logprobs" in fields and not (fields.get("logprobs") or extra.get("logprobs")):
        raise ValueError("top_logprobs needs logprobs=True")
    effort = fields.get("reasoning_effort")
    if effort and fields.get("reasoning", {}).get("effort") not in (None, effort):
        raise ValueError("reasoning_effort and reasoning['effort'] must not differ; give one of them")
    if "audio" in fields.get("modalities", ()) and "audio" not in fields and "audio" not in extra:
        raise ValueError("modalities with 'audio' need audio={'voice': ..., 'format': ...}")


def _must_be(name: str, what: str, value: object) -> NoReturn:
    """Raise the error for a value of a wrong type."""
    raise TypeError(f"{name} must be {what}, not {type(value).__name__}")


def _number(low: int, high: float = math.inf, *, above: bool = False, whole: bool = False) -> Check:
    kinds = int if whole else _NUMERIC
    what = "a whole number" if whole else "a number"
    least = f"more than {low}" if above else f"{low}"
    allowed = f"{least} or more" if high == math.inf else f"{least} {'and up ' if above else ''}to {high}"

    def check(name: str, value: Any) -> None:
        if not isinstance(value, kinds) or isinstance(value, bool):
            _must_be(name, f"{what}, {allowed}", value)
        finite = isinstance(value, int) or math.isfinite(value)
        if not finite or value < low or value > high or (above and value == low):
            raise ValueError(f"{name} must be {allowed}, not {value}")

    return check


def _any(name: str, value: object) -> None:
    """Leave the check to what turns the value into JSON."""


def _flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        _must_be(name, "True or False", value)


def _text(most: int | None = None) -> Check:
    def check(name: str, value: object) -> None:
        if not isinstance(value, str):
            _must_be(name, "a text", value)
        if most is not None and len(value) > most:
            raise ValueError(f"{name} must have up to {most} characters, not {len(value)}")

    return check


def _one_of(words: Collection[str]) -> Check:
    *others, last = words
    listed = f"{', '.join(others)} or {last}" if others else last

    def check(name: str, value: object) -> None:
        if not isinstance(value, str):
            _must_be(name, listed, value)
        if value not in words:
            raise ValueError(f"{name} must be {listed}; pass a newer value in extra_body={{...}}")

    return check


def _list(item: Check, *, most: int | None = None) -> Check:
    def check(name: str, value: object) -> None:
        if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray):
            _must_be(name, "a list", value)
        values = cast("Sequence[object]", value)
        if most is not None and len(values) > most:
            raise ValueError(f"{name} must have up to {most} items, not {len(values)}")
        for position, each in enumerate(values):
            item(f"{name}[{position}]", each)

    return check


def _fields(checks: Mapping[str, Check], *needed: str) -> Check:
    """Return the check of an object: of its known fields, with any others beside them."""

    def check(name: str, value: object) -> None:
        if not isinstance(value, Mapping):
            _must_be(name, "a mapping", value)
        fields = cast("Mapping[object, object]", value)
        for field in needed:
            if fields.get(field) is None:
                raise ValueError(f"{name} needs the field {field!r}")
        for field, each in fields.items():
            if not isinstance(field, str):
                _must_be(f"a key of {name}", "a text", field)
            if each is not None and (known := checks.get(field)) is not None:
                known(f"{name}[{field!r}]", each)

    return check


def _either(kind: type, one: Check, other: Check) -> Check:
    """Return the check of a value that may be of this kind, or something else."""

    def check(name: str, value: object) -> None:
        (one if isinstance(value, kind) else other)(name, value)

    return check


def _not_both(first: str, second: str, check_fields: Check) -> Check:
    def check(name: str, value: Any) -> None:
        check_fields(name, value)
        if value.get(first) is not None and value.get(second) is not None:
            raise ValueError(f"{name} must have {first!r} or {second!r}, not both")

    return check


def _stop(name: str, value: object) -> None:
    if not isinstance(value, str):
        _texts_up_to_4(name, value)


def _model(name: str, value: object) -> None:
    _text()(name, value)
    if not cast("str", value).strip():
        raise ValueError(f"{name} must not be empty")


def _logit_bias(name: str, value: object) -> None:
    if not isinstance(value, Mapping):
        _must_be(name, "a mapping of token ids", value)
    for token, bias in cast("Mapping[object, object]", value).items():
        if not (isinstance(token, int) or (isinstance(token, str) and token.isdecimal())):
            raise ValueError(f"{name} must have token ids as keys")
        _number(-100, 100)(f"{name}[{token}]", bias)


def _metadata(name: str, value: object) -> None:
    if not isinstance(value, Mapping):
        _must_be(name, "a mapping", value)
    pairs = cast("Mapping[object, object]", value)
    if len(pairs) > 16:
        raise ValueError(f"{name} must have up to 16 pairs, not {len(pairs)}")
    for position, (key, text) in enumerate(pairs.items(), 1):
        _text(64)(f"key {position} of {name}", key)
        _text(512)(f"value {position} of {name}", text)


_texts = _list(_text())
_texts_up_to_4 = _list(_text(), most=4)
_handles = _list(_text(), most=20)
_any_object = _fields({})
_share = _number(0, 1)
_amount = _number(0)
_price = _either(str, _text(), _amount)
_percentiles = _either(Mapping, _fields(dict.fromkeys(("p50", "p75", "p90", "p99"), _amount)), _amount)
_order = _one_of(("price", "throughput", "latency", "exacto"))

_PROVIDER: Mapping[str, Check] = {
    **dict.fromkeys(("order", "only", "ignore", "quantizations"), _texts),
    **dict.fromkeys(("allow_fallbacks", "require_parameters", "zdr", "enforce_distillable_text"), _flag),
    "data_collection": _one_of(("allow", "deny")),
    "sort": _either(Mapping, _fields({"by": _order, "partition": _one_of(("model", "none"))}, "by"), _order),
    "preferred_min_throughput": _percentiles,
    "preferred_max_latency": _percentiles,
    "max_price": _fields(dict.fromkeys(("prompt", "completion", "request", "image", "audio"), _price)),
    "options": _any_object,
}
_REASONING: Mapping[str, Check] = {
    "effort": _one_of(get_args(ReasoningEffort)),
    "max_tokens": _number(1, whole=True),
    "exclude": _flag,
    "enabled": _flag,
    "summary": _one_of(("auto", "concise", "detailed")),
}
_X_SEARCH: Mapping[str, Check] = {
    "allowed_x_handles": _handles,
    "excluded_x_handles": _handles,
    "enable_image_understanding": _flag,
    "enable_video_understanding": _flag,
}

CHECKS: Mapping[str, Check] = {
    "stream": _flag,
    "max_tokens": _number(1, whole=True),
    "max_completion_tokens": _number(1, whole=True),
    "temperature": _number(0, 2),
    "top_p": _number(0, 1, above=True),
    "top_k": _number(0, whole=True),
    "min_p": _share,
    "top_a": _share,
    "frequency_penalty": _number(-2, 2),
    "presence_penalty": _number(-2, 2),
    "repetition_penalty": _number(0, 2, above=True),
    "seed": _number(-(2**63), 2**63 - 1, whole=True),
    "stop": _stop,
    "logit_bias": _logit_bias,
    "logprobs": _flag,
    "top_logprobs": _number(0, 20, whole=True),
    "response_format": _fields({"json_schema": _fields({"name": _text(64), "schema": _any_object}, "name")}, "type"),
    "structured_outputs": _flag,
    "tools": _list(_any),
    "tool_choice": _either(Mapping, _fields({}, "type"), _one_of(("none", "auto", "required"))),
    "parallel_tool_calls": _flag,
    "max_tool_calls": _number(1, 30, whole=True),
    "stop_server_tools_when": _list(_fields({}, "type")),
    "reasoning": _not_both("effort", "max_tokens", _fields(_REASONING)),
    "reasoning_effort": _REASONING["effort"],
    "verbosity": _one_of(get_args(Verbosity)),
    "prediction": _fields({}, "type", "content"),
    "models": _list(_model),
    "provider": _fields(_PROVIDER),
    "plugins": _list(_fields({"id": _text(), "enabled": _flag}, "id")),
    "preset": _text(),
    "web_search_options": _fields({"search_context_size": _one_of(("low", "medium", "high"))}),
    "x_search_filter": _not_both("allowed_x_handles", "excluded_x_handles", _fields(_X_SEARCH)),
    "modalities": _list(_one_of(("text", "image", "audio"))),
    "audio": _fields({"voice": _text(), "format": _text()}, "voice", "format"),
    "image_config": _any_object,
    "cache_control": _fields({"type": _one_of(("ephemeral",)), "ttl": _one_of(("5m", "1h"))}, "type"),
    "prompt_cache_key": _text(),
    "prompt_cache_options": _fields({}, "mode"),
    "service_tier": _one_of(get_args(ServiceTier)),
    "user": _text(),
    "session_id": _text(256),
    "metadata": _metadata,
    "trace": _any_object,
}
_POSITIONS = {name: position for position, name in enumerate(CHECKS)}
