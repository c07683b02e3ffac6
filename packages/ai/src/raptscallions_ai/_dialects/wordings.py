"""What hosts say when something fails, and what it means: a table, each row with the hosts that say it.

Codes are better evidence and are read first (`error_codes.py`); but many hosts have one code foreverything, and some
none. A row is a phrase that its hosts use for nothing else, as far as is known; what is common to many stands once.
Where a row comes from: their documentation, the recorded errors of `tests/fixtures/wire`, and what clients that are
used with them recognise (pi's `overflow.ts`, opencode's `error.ts`, LiteLLM's `exception_mapping_utils.py`, and the
public reports named in `docs/decisions/0018-codes-before-words.md`).
"""

from __future__ import annotations

import functools
import re
from typing import Literal, NamedTuple

__all__ = ["WORDINGS", "Kind", "Wording", "kind_of_words"]

Kind = Literal[
    "address",
    "authentication",
    "bad_request",
    "body_size",
    "context",
    "credits",
    "forbidden",
    "model",
    "not_found",
    "output",
    "permission",
    "policy",
    "provider",
    "quota",
    "rate_limit",
    "redirect",
    "timeout",
]


class Wording(NamedTuple):
    """One way to say something.

    Attributes:
        kind: What is meant.
        hosts: Who says it.
        pattern: What it is recognised by, without regard to case.
    """

    kind: Kind
    hosts: str
    pattern: str


_N = r"\d[\d,]*"

WORDINGS: tuple[Wording, ...] = (
    # An account that is empty, a key or a team that has reached what it may spend
    Wording("credits", "Anthropic", r"credit balance is too low|reached your (?:specified )?api usage limits?"),
    Wording("credits", "OpenRouter",
            r"key limit exceeded|can only afford|requires (?:more|at least .{0,20}) credits?"),
    Wording("credits", "SiliconFlow, DeepSeek, MiniMax, Moonshot, Z.AI, resellers",
            r"(?:insufficient|not enough|no|low|negative|zero) (?:\w+ ){0,3}(?:balance|funds?)\b"
            r"|balance (?:\w+ ){0,2}(?:insufficient|not (?:enough|sufficient)|too low|exhausted|depleted|negative)"),
    Wording("credits", "OpenRouter, HuggingFace, Vercel, xAI, Gemini, NVIDIA, Together",
            r"(?:insufficient|not enough|no (?:more|remaining)|out of|run out of|used (?:up )?all(?: \w+){0,2}"
            r"|exhausted(?: \w+){0,3}) (?:\w+ ){0,2}credits?\b"
            r"|credits? (?:\w+ ){0,3}(?:depleted|exhausted|used up|expired|run out)|credit limit (?:\w+ )?(?:exceeded"
            r"|reached)"
            r"|exceeded (?:\w+ ){0,3}(?:included |available )?credits|add (?:more )?credits to continue"),
    Wording("credits", "xAI, Fireworks, Groq, Anthropic, Google, OpenAI",
            r"(?:spend(?:ing)?|billing|payment) (?:hard )?(?:limit|cap|alert limit)\b.{0,40}(?:reached|exceeded|hit)"
            r"|(?:reach\w*|exceed\w*|hit|over|beyond) (?:\w+[ '\u2019]){0,5}(?:spend(?:ing)?"
            r"|billing)(?: hard)? (?:limit|cap|quota)"
            r"|billing hard limit|monthly (?:spend|usage|budget) limit"),
    Wording("credits", "LiteLLM, OpenRouter's guardrails",
            r"budget (?:\w+ ){0,3}(?:exceeded|exhausted|used up|reached)|(?:exceeds?|over"
            r"|exceeded) (?:\w+ ){0,4}budget\b"),
    Wording("credits", "Volcengine, Alibaba, Fireworks, Google, OpenAI",
            r"account (?:\S+ )?(?:is |has been )?(?:overdue|in arrears|not active|suspended)|overdue (?:balance"
            r"|payment|account|bill)"
            r"|in good standing|arrearage|failure to pay|dunning|unpaid invoice|account_?overdue"),
    Wording("credits", "Bedrock, Vercel, HuggingFace",
            r"invalid_payment_instrument|payment (?:required|method|instrument)\b.{0,60}(?:must|required|valid|add"
            r"|missing)"
            r"|payment required|valid credit card|pre-?paid credits|purchase (?:more |additional )?(?:credits"
            r"|resource)"),
    Wording("credits", "Cloudflare", r"used up your daily free allocation|free allocation of .{0,20}neurons"),
    Wording("credits", "Z.AI, Volcengine, Alibaba",
            r"no (?:available )?resource package|please (?:re-?charge|top[ -]?up)"),
    Wording("credits", "Z.AI, MiniMax, Volcengine, SiliconFlow in Chinese", r"余额不足|欠费|请充值|额度不足|余额已用"),
    # OpenAI says so of an empty account; Gemini also of a minute's limit, and then tells how long to wait
    Wording("quota", "OpenAI, Gemini, Alibaba",
            r"exceeded your current quota|insufficient[ _]quota|check your plan and billing"),
    # More than the model can take
    Wording("context", "Anthropic, Fireworks, LiteLLM, Ollama",
            r"prompt (?:is )?too long|prompt tokens? (?:are )?too long"),
    Wording("context", "OpenAI, OpenRouter, DeepSeek, vLLM, Azure, Groq",
            r"context[ _]?(?:length|window|size)(?!\s*(?:must|should) be (?:a |an )?(?:positive|integer|number))"
            r"|contextwindow"
            r"|maximum context|reduce the length|configured limit of " + _N + r" tokens"),
    Wording("context", "Gemini", r"input token count\b.{0,20}exceeds"),
    Wording("context", "xAI", rf"maximum prompt length is {_N}|prompt length (?:\w+ )?exceeds"),
    Wording("context", "Bedrock", rf"input (?:is|was) too long|too many (?:input )?tokens|max input tokens: {_N}"),
    Wording("context", "Anthropic, Bedrock", r"exceed(?:s|ed)? (?:the )?context limit"),
    Wording("context", "Moonshot", r"exceed(?:s|ed)? (?:the )?model(?:'s)? (?:max(?:imum)? )?tokens? limit"),
    Wording("context", "Mistral", rf"too large for model with {_N}|prompt contains {_N} tokens"),
    Wording("context", "TGI, HuggingFace, Together, DeepInfra",
            r"`?inputs?`? tokens? \+ `?max_(?:new_)?tokens`?|`?inputs`? must have less than|input token count \+"),
    Wording("context", "Together, SGLang, vLLM, Poolside",
            rf"input \({_N} tokens\) is (?:longer|larger|greater)|maximum (?:model|allowed input|input) length"
            rf"|input length\b.{{0,20}}exceeds|is too long and exceeds"),
    Wording("context", "vLLM",
            rf"requested {_N} output tokens|prompt contains at least {_N}|your request has {_N} input tokens"
            rf"|decoder prompt\b.{{0,40}}longer than"),
    Wording("context", "SiliconFlow, Alibaba", r"must be less than max_seq_len|range of input length should be"),
    Wording("context", "Z.AI, Baidu, Novita",
            r"prompt exceeds (?:the )?max|(?<!_)token limit exceeded|exceed(?:s"
            r"|ed)? (?:the )?(?:max(?:imum)? )?(?:message )?token limit"),
    Wording("context", "Volcengine", r"exceed(?:s|ed)? max(?:imum)? message tokens"),
    Wording("context", "Copilot, GitHub", rf"prompt token count of {_N}"),
    Wording("context", "Cohere, OpenCode",
            r"tokens in (?:the )?(?:request|prompt) (?:more than|cannot exceed|exceeds?)"),
    Wording("context", "LM Studio, llama.cpp", rf"n_keep: {_N}|tokens to keep from the initial prompt|n_ctx\b"),
    Wording("context", "many",
            r"(?:prompt|input|messages?|conversation|chat history|request)\b.{0,40}\btokens?\b.{0,40}"
            r"(?:exceed|longer than|greater than|larger than|more than the|over the|too (?:long|large|many))"
            r"|(?:prompt|input|messages|conversation|chat history) (?:is|are|was|were) (?:\w+ )?too (?:long|large)"
            r"|tokens?\b.{0,30}exceed\w*.{0,30}\b(?:context|maximum (?:length|input)|model(?:'s)? (?:limit|maximum"
            r"|max))"),
    Wording("context", "Z.AI, Huawei, Moonshot in Chinese",
            r"prompt ?超长|超[出过].{0,10}(?:最大|上下文).{0,10}(?:token|长度|限制)|输入(?:过|太)长|上下文(?:长度)?超"),
    # Content that some rules do not allow
    Wording("policy", "OpenAI, Azure, OpenRouter",
            r"content[ _]?(?:management )?(?:polic|filter|moderation)|safety (?:system|filter|reason|setting"
            r"|guideline|check)"
            r"|(?:was|were|been|is|input|content|prompt|output|message) flagged|flagged (?:by|as|for|content)"
            r"|^flagged\b"
            r"|(?:blocked|rejected|refused|flagged|stopped|failed) (?:by|in|at|due to|because of) .{0,20}moderation"
            r"|moderation (?:filter|system|policy|check|blocked|rejected|failed|error|flag)|requires moderation"),
    Wording("policy", "OpenAI, xAI, Anthropic, Groq",
            r"violat\w* (?:\w+[ '\u2019]s? ?|our |the |of ){0,6}(?:polic|guideline|terms|rules of use)|usage (?:polic"
            r"|guideline)"),
    Wording("policy", "DeepSeek, Moonshot, Z.AI, Alibaba, MiniMax",
            r"content exists risk|considered high risk|unsafe or sensitive|inappropriate content|data_?inspection"
            r"|(?:input|output|new)_sensitive|sensitive (?:content|words?)|敏感内容|不安全或敏感"),
    Wording("policy", "Gemini, Bedrock",
            r"prohibited[_ ](?:content|use)|blocked (?:due to|for|by) safety|safety_check"),
    # Somebody who may not, wherever the content or the model is good
    Wording("permission", "Gemini, OpenAI, Anthropic, OpenRouter",
            r"location is not supported|(?:region|country|territory)\b.{0,40}not (?:supported|available|allowed)"
            r"|not (?:supported|available|allowed) in (?:your|this) (?:region|country|location)"
            r"|organization has been (?:restricted|disabled)|requires? terms acceptance"),
    # A wrong key, reported as a bad request
    Wording("authentication", "xAI, Gemini, Mistral, resellers",
            r"(?:incorrect|invalid|wrong|bad|unknown|expired|revoked|missing) (?:\w+ )?api[ _-]?key\b"
            r"|api[ _-]?key (?:\w+ )?(?:not valid|invalid|expired|not found|is missing|incorrect|has been revoked)"
            r"|api_key_invalid"
            r"|security token included in the request is (?:invalid|expired)|无效的?令牌|令牌无效"),
    # A model that is unknown or not served
    Wording("model", "OpenRouter, OpenAI, LiteLLM, Ollama, vLLM",
            r"(?:invalid|unknown|unsupported|no such|nonexistent|unrecognized) model\b(?! (?:output|response"
            r"|parameter))"
            r"|not a valid model|no endpoints found|no allowed providers|unknown provider prefix"
            r"|model(?: id| name)?:? ?[\"'`]?[\w./:@~-]*[\"'`]? (?:is |was |does |has )?(?:not (?:found|exist"
            r"|available"
            r"|supported(?! (?:for|with|by|in) (?:this|the) (?:param|option|feature))|a valid|loaded)|unavailable"
            r"|invalid"
            r"|unknown|deprecated|no longer|been (?:removed|deprecated|decommissioned))"),
    Wording("model", "Bedrock, Azure, Together, HuggingFace, LM Studio, Ollama",
            r"model identifier is invalid|could not resolve the foundation model|on-demand throughput"
            r"|api deployment for this resource does not exist|deployment\b.{0,60}(?:not found|does not exist)"
            r"|unable to access (?:the )?(?:non-serverless )?model|no models? (?:is |are )?loaded|failed to load model"
            r"|not supported by any provider|requires more system memory|too large to be loaded"),
    # An address with nothing behind it, reported as a bad request or as something missing
    Wording("address", "OpenAI, Groq, LM Studio",
            r"invalid url \(|unknown request url|unexpected endpoint or method|unrecognized request url"),
    Wording("address", "Kong, Mistral, Cloudflare, Traefik, Envoy, nginx, Apigee",
            r"no route matched|no route for that uri|could not route to|no matching (?:route|proxy|handler|path)"
            r"|route \S* ?(?:was |is )?not found|unable to (?:identify proxy|find (?:a )?route)|no healthy route"),
    Wording("address", "Express, Fastify, Spring, Flask, Go, FastAPI",
            r"cannot (?:get|post) /|no static resource|no handler found|requested url (?:\S+ )?was not found"
            r"|route (?:get|post):\S+ not found|404 page not found"),
    Wording("address", "Azure, Bedrock, Fireworks, smg, Ollama",
            r"^resource not found$|unknown ?operation|(?:no such|unknown|unsupported|invalid"
            r"|undefined) (?:api )?(?:endpoint|path|route|url)\b"
            r"|(?:api |requested )?(?:path|endpoint|url|uri|route) (?:[\"'`]?/\S* )?(?:was |is |does "
            r"|could )?not (?:be )?(?:found|exist|implemented|supported)"),
)  # fmt: skip

# A limit on how much is asked in a time, and a parameter that is out of its own range, use the same words.
_OF_A_RATE = re.compile(
    r"rate.?limit|per (?:minute|day|hour|second|month)|\b[tr]p[md]\b|throttl|too many requests", re.I
)
_OF_A_PARAMETER = re.compile(
    r"^\W*(?:(?:the |invalid |parameter |value (?:for|of) |error:? )\W*)*(?:max_\w*tokens|\w*budget_tokens"
    r"|\w*logprobs|stop|n)\b"
    r"(?!.{0,200}(?:prompt|input|context|messages))",
    re.I | re.S,
)


@functools.cache
def _patterns() -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    # Compiled at the first failure: that takes a tenth of an import.
    return tuple((wording.kind, re.compile(wording.pattern, re.IGNORECASE)) for wording in WORDINGS)


def kind_of_words(text: str, *, among: frozenset[str]) -> Kind | None:
    """Return what a host's sentence is about, or None if it uses none of the phrases.

    Args:
        text: The sentence.
        among: The kinds that it can be about, given its status.
    """
    if not text:
        return None
    for kind, pattern in _patterns():
        if kind in among and pattern.search(text) and not _means_something_else(kind, text):
            return kind
    return None


def _means_something_else(kind: Kind, text: str) -> bool:
    if kind == "context":
        return _OF_A_RATE.search(text) is not None or _OF_A_PARAMETER.search(text) is not None
    return False
