"""A canonical request as one of Anthropic Messages.

Nothing that changes the answer is dropped: an option without a counterpart is refused before anything is sent. Source:
Anthropic API reference, "Messages", "Extended thinking", "Structured outputs".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.anthropic.conversation import container_of, conversation, names_of_calls
from raptscallions_ai._dialects.anthropic.schema import enforceable_schema
from raptscallions_ai._dialects.json import json_list, json_object
from raptscallions_ai.errors import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ANSWER_TOOL", "MessagesModel", "messages_body"]

ANSWER_TOOL = "raptscallions_answer"
"""The tool that a model without structured output is made to call; its arguments are the answer."""

_DEFAULT_MAX_TOKENS = 8192
_LEAST_BUDGET = 1024
# Claude 3 to 4.5, and 4.6: models that are out, so the list does not age. Later ones take other parameters.
_WITH_BUDGETS = re.compile(r"claude-(?:2|3|instant|(?:opus|sonnet|haiku)-4(?:$|@|-\d{8}|-[0-5](?:$|\D)))")
_WITH_SAMPLING = re.compile(rf"{_WITH_BUDGETS.pattern}|claude-(?:opus|sonnet|haiku)-4-6(?:$|\D)")
_SHARE_OF_EFFORT = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.9, "max": 0.95}
_EFFORTS = {"minimal": "low"}
_SERVICE_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_CHOICES = {"none": "none", "auto": "auto", "required": "any", "any": "any"}
# Options of other gateways; what is not listed and not known is sent as it is, because Anthropic has fields of its own.
_NO_COUNTERPART = frozenset(
    {"audio", "frequency_penalty", "image_config", "logit_bias", "logprobs", "max_tool_calls", "min_p", "modalities"}
    | {"models", "n", "plugins", "prediction", "presence_penalty", "preset", "prompt_cache_key", "prompt_cache_options"}
    | {"provider", "repetition_penalty", "seed", "session_id", "stop_server_tools_when", "structured_outputs", "top_a"}
    | {"top_logprobs", "trace", "verbosity", "web_search_options", "x_search_filter"}
)


@dataclass(frozen=True, slots=True)
class MessagesModel:
    """What is known of a model, and of the place that serves it.

    Attributes:
        at_anthropic: Whether Anthropic itself serves it, so that its latest features are there.
        max_tokens: The most tokens of an answer, if `/v1/models` reported it.
        adaptive_thinking: Whether it thinks adaptively, with an effort; None if only its name can tell.
        structured_outputs: Whether it holds to a JSON schema; None if only the place can tell.
    """

    at_anthropic: bool
    max_tokens: int | None = None
    adaptive_thinking: bool | None = None
    structured_outputs: bool | None = None

    def thinks_adaptively(self, model: str) -> bool:
        """Whether thinking is asked for by an effort rather than by a budget of tokens."""
        if self.adaptive_thinking is not None:
            return self.adaptive_thinking
        return self.at_anthropic and not _WITH_BUDGETS.match(model)

    def takes_sampling(self, model: str) -> bool:
        """Whether `temperature` and its like are accepted at all."""
        return not self.at_anthropic or bool(_WITH_SAMPLING.match(model))

    def has_structured_outputs(self) -> bool:
        """Whether a JSON schema can be given natively."""
        return self.at_anthropic if self.structured_outputs is None else self.structured_outputs


def messages_body(body: Mapping[str, Any], model: MessagesModel, *, origin: str) -> dict[str, Any]:
    """Return the body of a request to `/v1/messages`.

    Args:
        body: The request in the canonical form.
        model: What is known of the model.
        origin: Where it is sent; see `conversation`.

    Raises:
        NotSupportedError: An option or a part of a message has no counterpart.
    """
    fields = {name: value for name, value in body.items() if value is not None}
    if refused := sorted(fields.keys() & _NO_COUNTERPART):
        raise NotSupportedError(f"Anthropic's API does not support {', '.join(refused)}; leave it out")
    name = str(fields.pop("model"))
    history = json_list_of_objects(fields.pop("messages"))
    system, messages = conversation(history, origin=origin)
    made: dict[str, Any] = {"model": name, "messages": messages}
    if container := container_of(history, origin=origin):
        made["container"] = container
    if system:
        made["system"] = system
    fields.pop("stream_options", None)
    if stop := fields.pop("stop", None):
        made["stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    _sampling(fields, model, name)
    made["max_tokens"] = _max_tokens(fields, model)
    _thinking(fields, made, model, name)
    _tools(fields, made, names_of_calls(messages))
    _format(fields, made, model)
    _metadata(fields, made)
    if tier := fields.pop("service_tier", None):
        if tier not in _SERVICE_TIERS:
            raise NotSupportedError(f"Anthropic's API has no service tier {tier!r}; it has auto and default")
        made["service_tier"] = _SERVICE_TIERS[tier]
    _merge(made, fields)
    return made


def json_list_of_objects(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list."""
    return [json_object(item) for item in json_list(value)]


def _merge(made: dict[str, Any], rest: Mapping[str, Any]) -> None:
    """Add fields of Anthropic's own, such as `context_management`; objects are joined, not replaced."""
    for name, value in rest.items():
        if isinstance(value, dict) and isinstance(made.get(name), dict):
            made[name] = {**made[name], **value}
        else:
            made[name] = value


def _sampling(fields: Mapping[str, Any], model: MessagesModel, name: str) -> None:
    if model.takes_sampling(name):
        return
    if refused := [option for option in ("temperature", "top_p", "top_k") if option in fields]:
        raise NotSupportedError(f"{name} takes no {' and no '.join(refused)}: it chooses for itself; leave it out")


def _max_tokens(fields: dict[str, Any], model: MessagesModel) -> int:
    shorter, longer = fields.pop("max_tokens", None), fields.pop("max_completion_tokens", None)
    if (most := longer if shorter is None else shorter) is not None:
        return most
    return model.max_tokens or _DEFAULT_MAX_TOKENS


def _thinking(fields: dict[str, Any], made: dict[str, Any], model: MessagesModel, name: str) -> None:
    """Translate `reasoning` and `reasoning_effort`."""
    reasoning = json_object(fields.pop("reasoning", None))
    effort = fields.pop("reasoning_effort", None) or reasoning.get("effort")
    budget = reasoning.get("max_tokens")
    if effort == "none" or reasoning.get("enabled") is False:
        made["thinking"] = {"type": "disabled"}
        return
    if not (effort or budget or reasoning.get("enabled")):
        return
    if budget is None and model.thinks_adaptively(name):
        thinking: dict[str, Any] = {"type": "adaptive"}
        if effort:
            made["output_config"] = {"effort": _EFFORTS.get(effort, effort)}
    else:
        budget = budget or int(made["max_tokens"] * _SHARE_OF_EFFORT.get(effort or "medium", 0.5))
        thinking = {"type": "enabled", "budget_tokens": max(_LEAST_BUDGET, budget)}
        if thinking["budget_tokens"] >= made["max_tokens"]:
            raise NotSupportedError(
                f"thinking takes {thinking['budget_tokens']} tokens, so max_tokens must be more than that; "
                f"it is {made['max_tokens']}"
            )
    if reasoning.get("exclude"):
        thinking["display"] = "omitted"
    elif reasoning.get("summary"):
        thinking["display"] = "summarized"
    made["thinking"] = thinking


def _tools(fields: dict[str, Any], made: dict[str, Any], called: list[str]) -> None:
    tools = [_tool(tool) for tool in json_list_of_objects(fields.pop("tools", None))]
    choice, parallel = fields.pop("tool_choice", None), fields.pop("parallel_tool_calls", None)
    if tools:
        chosen = _choice(choice)
        if parallel is not None and chosen.get("type") != "none":
            chosen = {"type": "auto", **chosen, "disable_parallel_tool_use": not parallel}
        if chosen:
            made["tool_choice"] = chosen
    elif called:
        # A conversation with calls in it needs tools of these names, even where none may be called any more.
        tools = [{"name": name, "input_schema": {"type": "object"}} for name in called]
        made["tool_choice"] = {"type": "none"}
    if tools:
        made["tools"] = tools


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = json_object(tool.get("function"))
    if not function:
        return dict(tool)  # a tool of Anthropic's own, or in its form
    made: dict[str, Any] = {"name": function.get("name")}
    if description := function.get("description"):
        made["description"] = description
    made["input_schema"] = function.get("parameters") or {"type": "object", "properties": {}}
    if function.get("strict") is not None:
        made["strict"] = function["strict"]
    return made | {name: value for name, value in tool.items() if name not in ("type", "function")}


def _choice(choice: object) -> dict[str, Any]:
    if choice is None:
        return {}
    if isinstance(choice, str):
        if choice not in _CHOICES:
            raise NotSupportedError(f"Anthropic's API has no tool_choice {choice!r}")
        return {"type": _CHOICES[choice]}
    fields = json_object(choice)
    if name := json_object(fields.get("function")).get("name"):
        return {"type": "tool", "name": name}
    return dict(fields)  # in Anthropic's form


def _format(fields: dict[str, Any], made: dict[str, Any], model: MessagesModel) -> None:
    """Translate `response_format`: natively, or as a tool whose arguments are the answer."""
    wanted = json_object(fields.pop("response_format", None))
    kind = wanted.get("type")
    if kind in (None, "text"):
        return
    schema = json_object(json_object(wanted.get("json_schema")).get("schema"))
    if kind != "json_schema" or not schema:
        raise NotSupportedError(f"Anthropic's API has no response_format {kind!r}; give a json_schema")
    if model.has_structured_outputs():
        form = {"type": "json_schema", "schema": enforceable_schema(schema)}
        made["output_config"] = {**json_object(made.get("output_config")), "format": form}
        return
    answer = {"name": ANSWER_TOOL, "description": "Gives the answer.", "input_schema": schema}
    only = not made.get("tools")
    made["tools"] = [*made.get("tools", []), answer]
    made["tool_choice"] = {"type": "tool", "name": ANSWER_TOOL} if only else {"type": "any"}


def _metadata(fields: dict[str, Any], made: dict[str, Any]) -> None:
    metadata = dict(json_object(fields.pop("metadata", None)))
    if (user := fields.pop("user", None)) is not None:
        metadata.setdefault("user_id", user)
    if unsupported := sorted(metadata.keys() - {"user_id"}):
        raise NotSupportedError(
            f"Anthropic's API accepts no metadata except user_id; leave out {', '.join(unsupported)}"
        )
    if metadata:
        made["metadata"] = metadata
