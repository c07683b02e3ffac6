"""`Preset`: what is particular about one host that speaks OpenAI chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Preset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One host that speaks OpenAI chat completions: where it is, and how it differs.

    You can write your own: pass it as `AsyncOpenAICompatClient(preset=...)`, or register it under a name.

    Attributes:
        name: What it is called, as in `get_provider("groq")`.
        base_url: Its base URL. A name in braces, as in `https://{AZURE_RESOURCE}.example/v1`, is an environment
            variable.
        key_env: The environment variables that may hold its key, the first that is set counts; none if it needs none.
        auth: How the key is sent: as `Authorization: Bearer`, or in the header of this name.
        headers: Headers of each request.
        default_model: The default model; empty if the caller has to name one.
        token_field: The name of the option that limits the answer's tokens; None to send the one that was given.
        stream_usage: Whether usage has to be asked for with `stream_options`; False where that is refused.
        require_usage: Whether a streamed answer without usage is an error.
        renames: Options, or roles of messages, that have another name there.
        refused: Options that it refuses; they are refused here, before anything is sent.
        defaults: Fields of the body that are sent unless the caller gives them.
        tool_choice_required: Its own word for `tool_choice="required"`; None where it has none.
        documented_fields_only: Whether it refuses fields of a message that OpenAI does not document, such as the
            reasoning of another host's model; they are left out.
        reasoning_field: The field of a message in which it takes the reasoning of another host's model. What a host
            itself sent goes back under the name it had.
        prefill_mark: The field of a trailing assistant message that asks the model to go on with it; empty if none is
            known, and then `on_interrupt="continue"` begins anew.
        provider: What OpenTelemetry calls it; empty for its name.
        source: Where this is documented.
    """

    name: str
    base_url: str
    key_env: tuple[str, ...] = ()
    auth: str = "bearer"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    default_model: str = ""
    token_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    stream_usage: bool = True
    require_usage: bool = True
    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    refused: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tool_choice_required: str | None = "required"
    documented_fields_only: bool = False
    reasoning_field: str = "reasoning"
    prefill_mark: str = ""
    provider: str = ""
    source: str = ""
