"""A canonical request as one of Ollama's `/api/chat`.

Nothing that changes the answer is dropped: an option without a counterpart is refused before anything is sent. Source:
Ollama API reference, "Generate a chat completion", and "Valid parameters and values" of a Modelfile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.json import json_list, json_object
from raptscallions_ai._dialects.ollama.conversation import conversation
from raptscallions_ai.errors import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OllamaDefaults", "chat_body"]

# Options under their names here, and theirs among `options` there.
_OPTIONS = {
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "stop": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repetition_penalty": "repeat_penalty",
}
# They keep the books, group calls or keep prompts, and change no answer.
_WITHOUT_EFFECT = frozenset(
    {"cache_control", "metadata", "prompt_cache_key", "prompt_cache_options", "session_id", "stream_options", "trace"}
    | {"service_tier", "user"}
)
_NO_COUNTERPART = frozenset(
    {"audio", "image_config", "logit_bias", "max_tool_calls", "modalities", "models", "plugins", "prediction"}
    | {"preset", "provider", "stop_server_tools_when", "structured_outputs", "top_a", "verbosity"}
    | {"web_search_options", "x_search_filter", "n"}
)
_CLOUD_MODELS = ("-cloud", ":cloud")
_EFFORTS = {"minimal": "low", "xhigh": "max", "none": False}


@dataclass(frozen=True, slots=True)
class OllamaDefaults:
    """What a client asks of Ollama in every call, unless the call says otherwise in its `extra_body`.

    Attributes:
        num_ctx: How many tokens of context the model is loaded with; None for the server's choice.
        keep_alive: How long the model stays loaded, as in `"10m"`, or in seconds; None for the server's choice.
        truncate: Whether the server may silently cut a conversation that does not fit.
        cloud: Whether it is Ollama's cloud that is asked, which holds no answer to a format.
    """

    num_ctx: int | None = None
    keep_alive: str | float | None = None
    truncate: bool = False
    cloud: bool = False


def chat_body(body: Mapping[str, Any], defaults: OllamaDefaults) -> dict[str, Any]:
    """Return the body of a request to `/api/chat`.

    Args:
        body: The request in the canonical form.
        defaults: What the client asks for.

    Raises:
        NotSupportedError: An option or a part of a message has no counterpart.
    """
    fields = {name: value for name, value in body.items() if value is not None and name not in _WITHOUT_EFFECT}
    if refused := sorted(fields.keys() & _NO_COUNTERPART):
        raise NotSupportedError(f"Ollama does not support {', '.join(refused)}; leave it out")
    made: dict[str, Any] = {
        "model": fields.pop("model"),
        "messages": conversation(json_list(fields.pop("messages"))),
        "stream": fields.pop("stream"),
        "truncate": defaults.truncate,
        "shift": defaults.truncate,
    }
    if defaults.keep_alive is not None:
        made["keep_alive"] = defaults.keep_alive
    if tools := _tools(fields):
        made["tools"] = tools
    if (form := _format(fields)) is not None:
        if defaults.cloud or str(made["model"]).endswith(_CLOUD_MODELS):
            raise NotSupportedError("Ollama's cloud does not enforce a format; leave response_format out")
        made["format"] = form
    if (think := _think(fields)) is not None:
        made["think"] = think
    options = _options(fields, defaults)
    if options:
        made["options"] = options
    return made | fields  # `logprobs`, `top_logprobs`, and what is Ollama's own


def _options(fields: dict[str, Any], defaults: OllamaDefaults) -> dict[str, Any]:
    options: dict[str, Any] = {} if defaults.num_ctx is None else {"num_ctx": defaults.num_ctx}
    for name, option in _OPTIONS.items():
        if name in fields:
            options[option] = fields.pop(name)
    if isinstance(stop := options.get("stop"), str):
        options["stop"] = [stop]
    return options | json_object(fields.pop("options", None))


def _tools(fields: dict[str, Any]) -> list[Any]:
    tools, choice = json_list(fields.pop("tools", None)), fields.pop("tool_choice", None)
    parallel = fields.pop("parallel_tool_calls", None)
    if choice == "none":
        return []
    if choice not in (None, "auto"):
        raise NotSupportedError("Ollama cannot force a tool call; tool_choice must be auto or none")
    if tools and parallel is False:
        raise NotSupportedError("Ollama cannot limit a model to one tool call at a time; leave parallel_tool_calls out")
    return tools


def _format(fields: dict[str, Any]) -> Any:
    wanted = json_object(fields.pop("response_format", None))
    match wanted.get("type"):
        case None | "text":
            return None
        case "json_object":
            return "json"
        case "json_schema" if schema := json_object(json_object(wanted.get("json_schema")).get("schema")):
            return schema
        case kind:
            raise NotSupportedError(f"Ollama has no response_format {kind!r}; give json_object, or a json_schema")


def _think(fields: dict[str, Any]) -> bool | str | None:
    reasoning, effort = json_object(fields.pop("reasoning", None)), fields.pop("reasoning_effort", None)
    effort = effort or reasoning.get("effort")
    if "max_tokens" in reasoning:
        raise NotSupportedError("Ollama has no budget for thinking; give reasoning an effort, or enabled")
    if reasoning.get("exclude"):
        raise NotSupportedError("Ollama always returns the thinking; leave out reasoning's exclude")
    if effort:
        return _EFFORTS.get(effort, effort)
    return reasoning.get("enabled")
