"""Where in a text that a model wrote its answer stands: behind thinking, in a fence, with notes around it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["answers", "begun_object", "objects"]

# What opens a model's thinking at the start of its text, and what ends it.
_NAMES = "think|thinking|thoughts?|reasoning|reflection|analysis|scratchpad|seed:think"  # DeepSeek, Qwen, Gemma, Seed
_TAG = re.compile(rf"<({_NAMES})>", re.IGNORECASE)
_OTHER_MARKS = (
    ("[THINK]", "[/THINK]"),  # Magistral
    ("◁think▷", "◁/think▷"),  # Kimi
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A
    ("<|begin_of_thought|>", "<|end_of_thought|>"),  # OpenThinker
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss
)
_END = re.compile("|".join([rf"</(?:{_NAMES})>", *(re.escape(end) for _, end in _OTHER_MARKS)]), re.IGNORECASE)
_FENCE = re.compile(r"(?:```|~~~)[\w-]*\s*")
_OBJECT = re.compile(r"\{\s*(?:[\"}]|\Z)")
_SPACE = re.compile(r"[\s\ufeff]*")
_MOST_BEGINNINGS = 1000  # of objects; each one that fails costs a look at the whole text
_decode = json.JSONDecoder().raw_decode


def answers(text: str) -> Iterator[str]:
    """Yield the parts of a text that may be the model's answer, the likeliest first.

    That is what follows the thinking, whose beginning some gateways keep to themselves. Its end may also be spoken of,
    in the thinking or in the answer itself, so there can be several.
    """
    begin, start = _skip_space(text, 0), _behind_thinking(text)
    ends = [found.end() for found in _END.finditer(text)]
    starts = [] if start in (None, begin) else [start]
    starts += ends[:1] + ends[-1:]
    if start == begin:
        starts.append(begin)
    for at in dict.fromkeys(starts):
        yield text[at:]


def objects(text: str) -> list[str]:
    """Return the JSON objects of a text that stand in no other, in their order; none if the last one does not end.

    Braces that begin no JSON are passed over. What comes before an object that was cut off may have been a draft of it.
    """
    found: list[str] = []
    at = 0
    for _ in range(_MOST_BEGINNINGS):
        if (begin := _OBJECT.search(text, at)) is None:
            return found
        try:
            _, at = _decode(text, begin.start())
        except json.JSONDecodeError as error:
            at = error.pos
            if at >= len(text) or error.msg.startswith("Unterminated string"):
                return []
        except (ValueError, RecursionError):  # a number of too many digits, or too many levels
            return []
        else:
            found.append(text[begin.start() : at])
    return []


def begun_object(text: str) -> int | None:
    """Return where in the beginning of a text the answer begins, if what there is of it is an object.

    Only thinking that is over and the mark of a fence may stand before it: after a sentence it may be a draft.
    """
    at = _behind_thinking(text)
    if at is None:
        return None
    if fence := _FENCE.match(text, at):
        at = fence.end()
    return at if text.startswith("{", at) else None


def _behind_thinking(text: str) -> int | None:
    """Return where the text goes on behind the thinking that it begins with; None while that is not over."""
    at = _skip_space(text, 0)
    while opened := _opened(text, at):
        inside, end = opened
        if (ended := end.search(text, inside)) is None:
            return None
        at = _skip_space(text, ended.end())
    return at


def _opened(text: str, at: int) -> tuple[int, re.Pattern[str]] | None:
    """Return where the thinking begins whose mark stands at a position, and what ends it."""
    if tag := _TAG.match(text, at):
        return tag.end(), re.compile(f"</{tag[1]}>", re.IGNORECASE)
    for mark, end in _OTHER_MARKS:
        if text.startswith(mark, at):
            return at + len(mark), re.compile(re.escape(end))
    return None


def _skip_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()
