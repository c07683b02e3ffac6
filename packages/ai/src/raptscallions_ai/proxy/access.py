"""What a caller may ask for: models and options, looked at before a byte goes upstream."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai._dialects.json import json_list, json_object
from raptscallions_ai.errors import PermissionDeniedError
from raptscallions_ai.options.call_options import ChatOptions

if TYPE_CHECKING:
    from raptscallions_ai.proxy.asked import Asked
    from raptscallions_ai.proxy.callers import Caller

__all__ = ["SAFE_OPTIONS", "Access"]

SAFE_OPTIONS: frozenset[str] = frozenset(
    {"max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "min_p", "top_a", "seed", "stop"}
    | {"frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias", "logprobs", "top_logprobs"}
    | {"response_format", "structured_outputs", "tools", "tool_choice", "parallel_tool_calls"}
    | {"reasoning", "reasoning_effort", "verbosity", "prediction", "modalities", "audio", "image_config"}
)
"""The options that a caller may give unless a proxy says otherwise: none that asks anybody else or buys anything."""

_MOST_NAMED = 20
# They keep the books of whoever answers, and change no answer.
_WITHOUT_EFFECT = frozenset({"metadata", "prompt_cache_key", "prompt_cache_options", "session_id", "trace", "user"})


class Access:
    """What the callers of one proxy may ask for.

    Args:
        models: The names of the models, or the ids that they stand for by these names; None for any model.
        options: The options that a caller may give.

    Raises:
        ValueError: An option is none of a request.
    """

    def __init__(self, models: Iterable[str] | Mapping[str, str] | None, options: Collection[str]) -> None:
        if isinstance(models, str):
            raise TypeError("models must be a list of names, or a mapping of names to ids, not a text")
        if unknown := set(options) - set(ChatOptions.__annotations__):
            raise ValueError(f"options: {min(unknown)!r} is no option of a request")
        self._ids: Mapping[str, str] | None = None
        if isinstance(models, Mapping):
            self._ids = cast("Mapping[str, str]", models)
        elif models is not None:
            self._ids = {name: name for name in models}
        self._options = frozenset(options)

    def models(self, caller: Caller) -> list[str] | None:
        """Return the names of the models that a caller may ask, the first choice first; None for any."""
        if caller.models is None:
            return None if self._ids is None else [*self._ids]
        return [name for name in caller.models if self._ids is None or name in self._ids]

    def model_of(self, caller: Caller, asked: Asked) -> str | None:
        """Return the id of the model to ask; None for the client's default.

        Raises:
            PermissionDeniedError: The caller may not ask it.
        """
        names = self.models(caller)
        if names is None:
            return asked.model
        name = asked.model if asked.model is not None else next(iter(names), None)
        if name is None or name not in names:
            listed = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
            raise PermissionDeniedError(
                f"You may not ask the model {name or 'of choice'} here" + (f"; you may ask {listed}" if listed else "")
            )
        return name if self._ids is None else self._ids[name]

    def options_of(self, asked: Asked) -> dict[str, Any]:
        """Return the options of a request, without those that are not allowed but change nothing.

        Raises:
            PermissionDeniedError: One of them is not allowed.
        """
        given = {name: value for name, value in asked.options.items() if value is not None}
        given = {name: given[name] for name in given if name in self._options or name not in _WITHOUT_EFFECT}
        if refused := sorted(given.keys() - self._options):
            raise PermissionDeniedError(f"These options are not allowed here: {', '.join(refused)}")
        # The gateway's own tools search the web, or run code, for money.
        kinds = {json_object(tool).get("type", "function") for tool in json_list(given.get("tools"))}
        if kinds - {"function"}:
            raise PermissionDeniedError("Only functions are allowed as tools here")
        return given
