"""The hosts that are known to speak OpenAI chat completions, one record each, and the ones that you add.

A record claims only what its host documents; some have just an address and a key variable.
"""

from __future__ import annotations

from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING

from raptscallions_ai._dialects.openai.preset import Preset

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PRESETS", "Preset", "preset_named", "register_preset"]

_BUILT_IN = (
    Preset(
        name="openai",
        base_url="https://api.openai.com/v1",
        key_env=("OPENAI_API_KEY",),
        default_model="gpt-4o",
        token_field="max_completion_tokens",
        documented_fields_only=True,
        source="OpenAI API reference, chat completions: max_tokens is deprecated and refused by reasoning models",
    ),
    Preset(
        name="azure",
        base_url="{AZURE_OPENAI_ENDPOINT}/openai/v1",
        key_env=("AZURE_OPENAI_API_KEY",),
        auth="api-key",
        token_field="max_completion_tokens",
        provider="azure.ai.openai",
        documented_fields_only=True,
        source="Azure OpenAI v1 API: the model is the name of a deployment; no api-version",
    ),
    Preset(
        name="groq",
        base_url="https://api.groq.com/openai/v1",
        key_env=("GROQ_API_KEY",),
        default_model="llama-3.3-70b-versatile",
        token_field="max_completion_tokens",
        refused=frozenset({"logprobs", "logit_bias", "top_logprobs"}),
        documented_fields_only=True,
        source="GroqDocs, OpenAI compatibility: these fields give a 400",
    ),
    Preset(name="together", base_url="https://api.together.ai/v1", key_env=("TOGETHER_API_KEY",)),
    Preset(name="huggingface", base_url="https://router.huggingface.co/v1", key_env=("HF_TOKEN",)),
    Preset(
        name="fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        key_env=("FIREWORKS_API_KEY",),
        source="Fireworks docs: usage is always in the last chunk",
    ),
    Preset(
        name="deepseek",
        base_url="https://api.deepseek.com",
        key_env=("DEEPSEEK_API_KEY",),
        token_field="max_tokens",
        reasoning_field="reasoning_content",
        source="DeepSeek API docs, create chat completion",
    ),
    Preset(name="xai", base_url="https://api.x.ai/v1", key_env=("XAI_API_KEY",), provider="x_ai"),
    Preset(
        name="mistral",
        base_url="https://api.mistral.ai/v1",
        key_env=("MISTRAL_API_KEY",),
        token_field="max_tokens",
        stream_usage=False,
        renames={"developer": "system", "seed": "random_seed"},
        tool_choice_required="any",
        provider="mistral_ai",
        documented_fields_only=True,
        prefill_mark="prefix",
        source="Mistral API reference, chat: unknown fields give a 422",
    ),
    Preset(
        name="gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        provider="gcp.gemini",
        source="Gemini API, OpenAI compatibility",
    ),
    Preset(
        name="cerebras",
        base_url="https://api.cerebras.ai/v1",
        key_env=("CEREBRAS_API_KEY",),
        token_field="max_completion_tokens",
        refused=frozenset({"frequency_penalty", "logit_bias", "presence_penalty", "service_tier"}),
        source="Cerebras docs, OpenAI compatibility",
    ),
    Preset(
        name="moonshot",
        base_url="https://api.moonshot.ai/v1",
        key_env=("MOONSHOT_API_KEY",),
        tool_choice_required=None,
        reasoning_field="reasoning_content",
        prefill_mark="partial",
        source="Moonshot docs: tool_choice=required is not supported",
    ),
    Preset(name="nvidia", base_url="https://integrate.api.nvidia.com/v1", key_env=("NVIDIA_API_KEY",)),
    Preset(
        name="cloudflare",
        base_url="https://api.cloudflare.com/client/v4/accounts/{CLOUDFLARE_ACCOUNT_ID}/ai/v1",
        key_env=("CLOUDFLARE_API_TOKEN",),
    ),
    Preset(
        name="vercel",
        base_url="https://ai-gateway.vercel.sh/v1",
        key_env=("AI_GATEWAY_API_KEY", "VERCEL_AI_GATEWAY_API_KEY"),
    ),
    Preset(
        name="bedrock",
        base_url="https://bedrock-runtime.{AWS_REGION}.amazonaws.com/openai/v1",
        key_env=("AWS_BEARER_TOKEN_BEDROCK",),
        provider="aws.bedrock",
    ),
    Preset(name="zai", base_url="https://api.z.ai/api/paas/v4", key_env=("ZAI_API_KEY",)),
    Preset(name="minimax", base_url="https://api.minimax.io/v1", key_env=("MINIMAX_API_KEY",)),
    Preset(name="deepinfra", base_url="https://api.deepinfra.com/v1/openai", key_env=("DEEPINFRA_API_KEY",)),
    Preset(name="vllm", base_url="http://localhost:8000/v1", key_env=("VLLM_API_KEY",)),
    Preset(name="lmstudio", base_url="http://localhost:1234/v1"),
    Preset(name="llamacpp", base_url="http://localhost:8080/v1"),
    Preset(name="sglang", base_url="http://localhost:30000/v1"),
    Preset(name="ollama-openai", base_url="http://localhost:11434/v1", provider="ollama"),
    Preset(name="litellm", base_url="http://localhost:4000", key_env=("LITELLM_API_KEY",)),
)
_presets: dict[str, Preset] = {preset.name: preset for preset in _BUILT_IN}

PRESETS: Mapping[str, Preset] = MappingProxyType(_presets)
"""Every known host by its name, yours included."""


def preset_named(name: str) -> Preset:
    """Return the preset of a name.

    Raises:
        ValueError: There is none; the message suggests similar names.
    """
    if name in PRESETS:
        return PRESETS[name]
    near = get_close_matches(name.lower(), PRESETS, 3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(PRESETS)}"
    raise ValueError(f"no preset is called {name!r}; {hint}")


def register_preset(preset: Preset) -> None:
    """Add a host under its name, or replace the one with that name.

    Raises:
        TypeError: It is not a `Preset`.
        ValueError: Its name or its base URL is empty.
    """
    if not isinstance(preset, Preset):  # pyright: ignore[reportUnnecessaryIsInstance] - callers are often untyped
        raise TypeError(f"a preset must be a Preset, not {type(preset).__name__}")
    if not preset.name or not preset.base_url:
        raise ValueError("a preset needs a name and a base URL")
    _presets[preset.name] = preset
