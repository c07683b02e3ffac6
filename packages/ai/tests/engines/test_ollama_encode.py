"""A canonical request as Ollama's: everything has a counterpart there, or is refused before it is sent."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from raptscallions_ai import ChatMessage, ChatResult, ToolCall, assistant, system, tool_result, user
from raptscallions_ai._dialects.dialect import NO_FACTS
from raptscallions_ai._dialects.ollama import encode
from raptscallions_ai._dialects.ollama.dialect import OllamaDialect
from raptscallions_ai._dialects.ollama.encode import OllamaDefaults
from raptscallions_ai._dialects.request import build_request
from raptscallions_ai.errors import NotSupportedError
from raptscallions_ai.options.call_options import CallOptions, ChatOptions

pytestmark = pytest.mark.requirement("E04-T023.AC2")

PNG = "iVBORw0KGgo="
NOW = {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object"}}}


def sent(messages: Any = "Hi", defaults: OllamaDefaults | None = None, **options: Any) -> dict[str, Any]:
    request = build_request(messages, model="qwen2.5:3b", options=cast("CallOptions", options))
    return json.loads(OllamaDialect(defaults or OllamaDefaults()).encode(request, NO_FACTS).body)


def test_the_least_request_does_not_let_the_server_cut_the_conversation() -> None:
    assert sent() == {
        "model": "qwen2.5:3b",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "truncate": False,
        "shift": False,
    }
    assert sent(stream=False)["stream"] is False


def test_where_and_how_it_is_sent() -> None:
    request = build_request("Hi", model="m", options={"extra_headers": {"X-A": "1"}, "extra_query": {"q": "1"}})
    encoded = OllamaDialect(OllamaDefaults()).encode(request, NO_FACTS)
    assert (encoded.path, encoded.query) == ("/api/chat", {"q": "1"})
    assert encoded.headers == {"Accept": "application/x-ndjson", "X-A": "1"}


def test_what_a_client_asks_for_and_what_a_call_says_instead() -> None:
    defaults = OllamaDefaults(num_ctx=8192, keep_alive="10m", truncate=True)
    body = sent(defaults=defaults, temperature=0.5)
    assert (body["options"], body["keep_alive"]) == ({"num_ctx": 8192, "temperature": 0.5}, "10m")
    assert (body["truncate"], body["shift"]) == (True, True)
    extra = {"options": {"num_ctx": 512, "num_gpu": 0}, "keep_alive": 0, "truncate": False, "think": "low"}
    body = sent(defaults=defaults, temperature=0.5, extra_body=extra)
    assert body["options"] == {"num_ctx": 512, "temperature": 0.5, "num_gpu": 0}
    assert (body["keep_alive"], body["truncate"], body["think"]) == (0, False, "low")


def test_options_under_their_names_there() -> None:
    body = sent(max_tokens=5, top_p=0.5, top_k=3, min_p=0.1, seed=7, stop="END", repetition_penalty=1.1)
    assert body["options"] == {
        "num_predict": 5,
        "top_p": 0.5,
        "top_k": 3,
        "min_p": 0.1,
        "seed": 7,
        "stop": ["END"],
        "repeat_penalty": 1.1,
    }
    assert sent(max_completion_tokens=9, stop=["a", "b"])["options"] == {"num_predict": 9, "stop": ["a", "b"]}
    assert sent(logprobs=True, top_logprobs=2) == {**sent(), "logprobs": True, "top_logprobs": 2}


def test_a_whole_conversation() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    call = ToolCall("call_1", "now", '{"zone": "UTC"}')
    messages = [
        system("Be brief."),
        {"role": "developer", "content": "Really."},
        user([{"type": "text", "text": "What is it?"}, image, {"type": "text", "text": "And when?"}]),
        ChatMessage("assistant", "Well", tool_calls=(call,), reasoning="Hm."),
        tool_result("call_1", "noon"),
    ]
    assert sent(messages)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "Really."},
        {"role": "user", "content": "What is it?\n\nAnd when?", "images": [PNG]},
        {
            "role": "assistant",
            "content": "Well",
            "thinking": "Hm.",
            "tool_calls": [{"id": "call_1", "function": {"index": 0, "name": "now", "arguments": {"zone": "UTC"}}}],
        },
        {"role": "tool", "content": "noon", "tool_call_id": "call_1", "tool_name": "now"},
    ]


def test_thinking_comes_from_the_blocks_where_there_are_only_those() -> None:
    details = [
        {"type": "reasoning.text", "text": "One. ", "signature": "s"},
        {"type": "reasoning.encrypted", "data": "x"},
        {"type": "reasoning.text", "text": "Two."},
    ]
    (message,) = sent([{"role": "assistant", "content": "Hi", "reasoning_details": details}])["messages"]
    assert message == {"role": "assistant", "content": "Hi", "thinking": "One. Two."}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("", {}), ('{"a": 1.5}', {"a": 1.5}), ("[1]", {"arguments": "[1]"}), ('{"a": ', {"arguments": '{"a": '})],
)
def test_arguments_are_an_object_whatever_the_model_wrote(arguments: str, expected: dict[str, Any]) -> None:
    (message,) = sent([assistant("", tool_calls=[ToolCall("c", "f", arguments)])])["messages"]
    assert message["tool_calls"][0]["function"]["arguments"] == expected


def test_tools() -> None:
    assert sent(tools=[NOW])["tools"] == [NOW]
    assert sent(tools=[NOW], tool_choice="auto", parallel_tool_calls=True)["tools"] == [NOW]
    assert "tools" not in sent(tools=[NOW], tool_choice="none")


@pytest.mark.parametrize(
    ("options", "think"),
    [
        ({"reasoning_effort": "high"}, "high"),
        ({"reasoning_effort": "minimal"}, "low"),
        ({"reasoning": {"effort": "xhigh"}}, "max"),
        ({"reasoning": {"effort": "none"}}, False),
        ({"reasoning": {"enabled": False}}, False),
        ({"reasoning": {"enabled": True}}, True),
    ],
)
def test_thinking_is_asked_for(options: dict[str, Any], think: object) -> None:
    assert sent(**options)["think"] == think


def test_formats() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    named = {"type": "json_schema", "json_schema": {"name": "A", "schema": schema, "strict": True}}
    assert sent(response_format=named)["format"] == schema
    assert sent(response_format={"type": "json_object"})["format"] == "json"
    assert "format" not in sent(response_format={"type": "text"})
    with pytest.raises(NotSupportedError, match="cloud"):
        sent(response_format=named, defaults=OllamaDefaults(cloud=True))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"provider": {"order": ["a"]}}, "does not support provider"),
        ({"logit_bias": {"1": 1}, "top_a": 0.5}, "does not support logit_bias, top_a"),
        ({"tools": [NOW], "tool_choice": "required"}, "force a tool call"),
        ({"tools": [NOW], "tool_choice": {"type": "function", "function": {"name": "now"}}}, "force a tool call"),
        ({"tools": [NOW], "parallel_tool_calls": False}, "one tool call at a time"),
        ({"response_format": {"type": "grammar", "grammar": "x"}}, "no response_format 'grammar'"),
        ({"reasoning": {"max_tokens": 100}}, "no budget for thinking"),
        ({"reasoning": {"exclude": True}}, "always returns the thinking"),
    ],
)
def test_what_has_no_counterpart_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(NotSupportedError, match=says):
        sent(**options)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}, "as data, not as URLs"),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,aa"}}, "not parts of type 'file'"),
        ({"type": "input_audio", "input_audio": {"data": "aa", "format": "wav"}}, "not parts of type 'input_audio'"),
    ],
)
def test_parts_that_have_no_counterpart_are_refused(part: dict[str, Any], says: str) -> None:
    with pytest.raises(NotSupportedError, match=says):
        sent([{"role": "user", "content": [part]}])


def test_every_option_is_translated_refused_or_without_effect_on_the_answer() -> None:
    tables = vars(encode)
    known = {*tables["_OPTIONS"], *tables["_WITHOUT_EFFECT"], *tables["_NO_COUNTERPART"]}
    known |= {"stream", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning"}
    known |= {"reasoning_effort", "logprobs", "top_logprobs"}
    assert ChatOptions.__annotations__.keys() - known == set()


def test_the_same_words_for_the_way_on() -> None:
    dialect = OllamaDialect(OllamaDefaults())
    request = build_request("Hi", model="m", options={})
    begun = ChatResult(content="Once upon ")
    assert dialect.continuing(request, begun, known=None) is None
    resumed = dialect.continuing(request, begun, known=True)
    assert resumed is not None
    body = json.loads(dialect.encode(resumed, NO_FACTS).body)
    assert body["messages"][-1] == {"role": "assistant", "content": "Once upon"}
