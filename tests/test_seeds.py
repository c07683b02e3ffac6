"""The pages about the seeds name all that the seeds promise, and show it in code that `test_docs.py` executes.

The seeds are not in this repository, so what they promise stands here: every class, function, variable and option that
one of their samples uses. Each has to be named on the seed's page, or in the index's table of what is not there.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import raptscallions_ai

ROOT = Path(__file__).resolve().parents[1]
INDEX = "docs/seeds.md"
PROMISED = {
    "openrouter-client-plan": """
        Message MessageRole ContentPart ToolCall ToolDefinition CompletionRequest CompletionResponse CompletionChoice
        StreamChunk StreamDelta TokenUsage Message.system .user .assistant .tool_result complete stream list_models
        get_usage reset_usage close LLMError AuthenticationError RateLimitError ModelNotFoundError ContextLengthError
        ContentPolicyError ProviderError retry_after model_id max_tokens requested_tokens provider RouteVariant
        apply_variant parse_model_id MODEL_ALIASES resolve_model_alias StreamCollector.add_chunk get_message is_complete
        to_dict from_dict frequency_penalty presence_penalty stop top_p temperature transforms route retry_delay
        max_retries timeout app_url ResourceWarning
    """,
    "openrouter-service": """
        send_to_openrouter send_to_openrouter_no_stream get_available_models get_openrouter_headers ValueError
        httpx.HTTPError StreamingResponse OPENROUTER_API_KEY OPENROUTER_BASE_URL APP_TITLE APP_URL INFO DEBUG WARNING
        ERROR X-Title
    """,
    "stream-providers": """
        OpenRouterModel agent.set_model stream_openrouter OpenRouterStreamResponse StreamResponse SimpleStreamOptions
        OPENROUTER_API_KEY agent.set_system_prompt agent.prompt_text OpenAICompatModel base_url headers stream_proxy
        create_proxy_stream ProxyStreamOptions signal parse_streaming_json StreamFn AssistantMessageEvent start
        text_delta thinking_delta tool_call_delta text_end thinking_end tool_call_end done error partial result
        reasoning stream_alchemy_openai_completions Agent
    """,
    "streaming-client-task": """
        chat openai stream streamChat AI_GATEWAY_URL AI_API_KEY AI_DEFAULT_MODEL
        AC1 AC2 AC3 AC4 AC5 AC6 AC7 AC8 AC9 AC10
    """,
    "llm-api-clients": """
        AsyncOpenAICompatClient OpenAICompatClient AsyncAnthropicClient AnthropicClient chat chat_stream close
        close_all_cloud_clients ChatResponse ToolCall.id .name .arguments ToolCall.from_openai ToolCall.from_anthropic
        is_available list_models has_model pull_model ensure_model get_provider content model input_tokens output_tokens
        total_tokens finish_reason tool_calls has_tool_calls raw LLMError LLMRateLimitError LLMAuthError
        LLMContextLengthError LLMTimeoutError LLMConnectionError timeout max_retries
    """,
}
EXECUTED = {"python", "sh", "env"}


def text_of(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def page(seed: str) -> str:
    return f"docs/seeds/{seed}.md"


def sections(document: str) -> dict[str, set[str]]:
    """Return the languages of each section's code blocks, by its heading."""
    found: dict[str, set[str]] = {}
    heading = ""
    tokens = MarkdownIt().parse(text_of(document))
    for before, token in pairwise(tokens):
        if before.type == "heading_open" and before.tag == "h2":
            heading = token.content
            found[heading] = set()
        elif token.type == "fence" and heading:
            found[heading].add(token.info)
    return found


@pytest.mark.requirement("E04-T005.AC13")
@pytest.mark.parametrize("seed", PROMISED)
def test_every_name_of_a_seed_is_on_its_page(seed: str) -> None:
    told = text_of(page(seed)) + text_of(INDEX)
    missing = [name for name in PROMISED[seed].split() if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", told)]
    assert missing == []


@pytest.mark.requirement("E04-T005.AC13")
@pytest.mark.requirement("E04-T026.AC1")
@pytest.mark.parametrize("seed", PROMISED)
def test_every_section_is_executed(seed: str) -> None:
    found = sections(page(seed))
    assert len(found) >= 5
    assert [heading for heading, languages in found.items() if not languages & EXECUTED] == []


@pytest.mark.requirement("E04-T026.AC1")
def test_the_clients_and_errors_of_a_seed_are_offered_under_its_names() -> None:
    """So that a program changes its import line alone; its page executes what it does with them."""
    names = [name for name in PROMISED["llm-api-clients"].split() if re.search(r"Client$|Error$|^get_|^close_", name)]
    assert len(names) >= 10
    assert [name for name in names if not hasattr(raptscallions_ai, name)] == []


def test_the_index_leads_to_every_page_and_no_other() -> None:
    assert set(re.findall(r"\(seeds/([\w-]+)\.md\)", text_of(INDEX))) == PROMISED.keys()
    assert {path.stem for path in (ROOT / "docs/seeds").glob("*.md")} == PROMISED.keys()
