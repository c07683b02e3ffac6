"""The figures of a conversation that does not fit: what the model takes, and what was asked of it."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from raptscallions_ai._dialects.failure import count_of

if TYPE_CHECKING:
    from raptscallions_ai._dialects.failure import Failure

__all__ = ["asks_more_than_a_limit", "context_figures"]

_N = r"\d[\d,]{0,11}"
_M, _R, _A = rf"(?P<maximum>{_N})", rf"(?P<requested>{_N})", rf"(?P<more>{_N})"

# Who says it like this is in `wordings.py`; the longest phrases come first, because they tell more. `more` is added.
_FIGURES = (
    rf"maximum context length is {_M}.{{0,200}}?total of (?:at least )?{_R}",  # vLLM
    rf"too large: {_A}\b.{{0,60}}?maximum context length is {_M}.{{0,80}}?your request has {_R}",  # vLLM
    rf"maximum context length of {_M}.{{0,80}}?total of {_R}",  # SGLang
    rf"maximum context length (?:is|of) {_M}.{{0,120}}?"
    rf"(?:requested|resulted in|contains?|has|of) (?:about |at least )?{_R}",
    rf"configured limit of {_M}.{{0,80}}?resulted in {_R}",  # OpenAI
    rf"maximum prompt length is {_M}.{{0,60}}?contains? {_R}",  # xAI
    rf"current length is {_R} while limit is {_M}",  # Cerebras
    rf"request \({_R} tokens\).{{0,60}}?\({_M} tokens\)",  # llama.cpp
    rf"{_R} \+ {_A} > {_M}",  # Anthropic, Bedrock
    rf"{_R}(?: tokens)? > {_M}",  # Anthropic
    rf"input token count \({_R}\) exceeds.{{0,60}}?\({_M}\)",  # Gemini
    rf"model(?:'s)? (?:max(?:imum)? )?tokens? limit:? {_M}(?:.{{0,20}}requested:? {_R})?",  # Moonshot
    rf"(?:must be|<)=? <?=? ?{_M}\. given: {_R}(?:\D{{0,30}}tokens?`? and {_A})?",  # TGI, Together, DeepInfra
    rf"less than {_M}\b.{{0,20}}given: {_R}",  # TGI
    rf"input \({_R} tokens\).{{0,60}}?\({_M} tokens\)",  # Together, SGLang
    rf"contains {_R} tokens.{{0,80}}?(?:with|of) {_M}",  # Mistral
    rf"input length \(?{_R}\)?.{{0,60}}?(?:of|length) \(?{_M}\)?",  # Poolside and proxies
    rf"token count of {_R}.{{0,40}}?limit of {_M}",  # Copilot
    rf"prompt_tokens \({_R}\).{{0,60}}?\({_M}\)",  # SiliconFlow
    rf"input tokens: {_M}.{{0,60}}?count: {_R}",  # Bedrock
    rf"requested tokens \({_R}\).{{0,60}}?(?:of|is) {_M}",  # llama-cpp-python
    rf"\({_R}\) exceeded .{{0,60}}?\({_M}\)",  # Cloudflare
    rf"(?:too long: |prompt has |length |prompt \(){_R}\b.{{0,100}}?(?:length|size|limit)(?: is| of|:)? {_M}",
    rf"n_keep: {_R}\D{{0,10}}n_ctx: {_M}",  # LM Studio
    rf"cannot exceed {_M}.{{0,30}}?received {_R}",  # Cohere
    rf"(?:range of input length should be \[\d+, ?|max(?:imum)?[\w ]{{0,30}} (?:is|of) |allowed \(|limit of ){_M}",
)
# Groq and OpenAI say of one request that is larger than what may be asked in a minute that it is a throttle.
_OF_A_MINUTE = re.compile(rf"limit:? {_M},? requested:? {_R}", re.IGNORECASE)


@functools.cache
def _figures() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in _FIGURES)  # at the first failure


def context_figures(failure: Failure) -> tuple[int | None, int | None]:
    """Return the model's context length and the tokens asked for, where the body or a sentence tells them."""
    maximum, requested = count_of(failure.body.get("n_ctx")), count_of(failure.body.get("n_prompt_tokens"))
    if maximum is not None or requested is not None:
        return maximum, requested
    for each in failure.chain:
        for pattern in _figures():
            if found := pattern.search(each.message):
                groups = found.groupdict()
                requested = _number(groups.get("requested"))
                more = _number(groups.get("more")) or 0
                return _number(groups.get("maximum")), None if requested is None else requested + more
    return None, None


def asks_more_than_a_limit(failure: Failure) -> bool:
    """Whether a throttled request is by itself more than may ever be asked at once, so that no wait can help."""
    found = _OF_A_MINUTE.search(failure.message)
    return found is not None and (_number(found["requested"]) or 0) > (_number(found["maximum"]) or 0)


def _number(digits: str | None) -> int | None:
    return None if digits is None else count_of(int(digits.replace(",", "")))
