"""`AnswerContent`: what the deltas of an answer add up to, whatever kind of content they bring."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.audio import Audio
from raptscallions_ai._dialects.blocks import ReasoningBlocks, ToolCalls
from raptscallions_ai._dialects.chunk import WireDelta, WireToolCall
from raptscallions_ai._dialects.json import json_object
from raptscallions_ai._dialects.split_pairs import SplitPairs
from raptscallions_ai._dialects.thinking_parts import ThinkingParts, is_thinking
from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    ContentChunk,
    ImageChunk,
    ReasoningChunk,
    RefusalChunk,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.answer.chunks import StreamChunk

__all__ = ["OTHER_NAMES", "AnswerContent"]

OTHER_NAMES = ("reasoning_content", "reasoning_text", "thinking")
"""The names that reasoning comes under where it is not `reasoning`."""


class AnswerContent:
    """Collects what deltas bring, and says of each what a caller is to see.

    Attributes:
        texts: The pieces of the answer's text.
        tool_calls: The tool calls.
        pairs: Holds halves of characters back.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.tool_calls = ToolCalls()
        self.pairs = SplitPairs()
        self._reasoning: list[str] = []
        self._details = ReasoningBlocks()
        self._annotations: list[dict[str, Any]] = []
        self._images: list[dict[str, Any]] = []
        self._refusal: list[str] = []
        self._refusal_category: str | None = None
        self._rare: _Rare | None = None

    def feed(self, delta: WireDelta, out: list[StreamChunk], *, whole: bool) -> None:
        """Take in a delta and append what it adds to `out`; `whole` is a message that was not streamed."""
        content = delta.content
        # Most deltas have no more than text; they are compared as a whole.
        if self._rare is None and delta == WireDelta(content):
            if isinstance(content, list):
                self._feed_parts(content, out, whole=whole)
            elif content:
                self.texts.append(content)
                out.append(ContentChunk(content))
            return
        if delta.halved or self.pairs.waiting:
            content = self._join_halves(delta)
        self._feed_reasoning(delta, out, whole=whole)
        if content:
            if isinstance(content, str):
                if self._rare is not None or delta.extra_content:
                    content = self._split_thought(content, delta, out)
                self._add_text(content, out)
            else:
                self._feed_parts(content, out, whole=whole)
        if delta.tool_calls:
            out += self.tool_calls.feed(delta.tool_calls, whole=whole)
        self._feed_others(delta, out, whole=whole)

    def _feed_others(self, delta: WireDelta, out: list[StreamChunk], *, whole: bool) -> None:
        if delta.function_call is not None:
            out += self.tool_calls.feed([WireToolCall(0, function=delta.function_call)], whole=whole)
        for annotation in delta.annotations or ():
            self.annotate(annotation, out)
        for image in delta.images or ():
            self._images.append(image)
            out.append(ImageChunk(image))
        if delta.audio:
            out += self._ensure_rare().audio.feed(delta.audio)
        if delta.refusal:
            self._add_refusal(delta.refusal, out)
            self._refusal_category = delta.refusal_category or self._refusal_category
        if extra := json_object(delta.extra_content):
            self._ensure_rare().extra_content |= extra

    def _ensure_rare(self) -> _Rare:
        """Return what most answers have nothing of, made when it is needed."""
        if self._rare is None:
            self._rare = _Rare(ThinkingParts(self.texts))
        return self._rare

    @property
    def is_plain(self) -> bool:
        """Whether a plain text that comes next is to be shown as it is."""
        return not self.pairs.waiting and (self._rare is None or not self._rare.thought)

    def annotate(self, annotation: dict[str, Any], out: list[StreamChunk]) -> None:
        """Take in an annotation."""
        self._annotations.append(annotation)
        out.append(AnnotationChunk(annotation))

    def end(self, out: list[StreamChunk]) -> None:
        """Note that the answer ends: of a character of which half came, the other half never will."""
        if self.pairs.waiting:
            self._add_text(self.pairs.rest("content"), out)

    def fields(self) -> dict[str, Any]:
        """Return what has come so far, as the fields of a `ChatResult`."""
        fields: dict[str, Any] = {
            "content": "".join(self.texts),
            "tool_calls": self.tool_calls.result(),
            "reasoning": "".join(self._reasoning),
            "reasoning_details": self._details.result(),
            "annotations": tuple(self._annotations),
            "images": tuple(self._images),
            "refusal": "".join(self._refusal) or None,
            "refusal_category": self._refusal_category,
        }
        if self._rare is not None:
            fields["audio"], fields["extra"] = self._rare.audio.result(), self._rare.extra(self._reasoning)
        return fields

    def _feed_reasoning(self, delta: WireDelta, out: list[StreamChunk], *, whole: bool) -> None:
        visible = ""
        if delta.reasoning_details:
            visible = self._details.feed(delta.reasoning_details, whole=whole)
        if delta.thinking_blocks:
            visible = self._ensure_rare().thinking_blocks.feed(delta.thinking_blocks, whole=whole) or visible
        if delta.reasoning:
            self._add_reasoning(delta.reasoning, out)
            return
        for name in OTHER_NAMES:
            if text := getattr(delta, name):
                rare = self._ensure_rare()
                rare.reasoning_name = rare.reasoning_name or name
                visible = text
                break
        self._add_reasoning(visible, out)

    def _split_thought(self, text: str, delta: WireDelta, out: list[StreamChunk]) -> str:
        """Return the answer's part of a text: Gemini marks its thoughts, which come between tags among the content."""
        google = json_object(json_object(delta.extra_content).get("google")) if delta.extra_content else {}
        rare = self._ensure_rare()
        was_thought, rare.thought = rare.thought, google.get("thought") is True
        if rare.thought:
            self._add_reasoning(text if was_thought else text.removeprefix("<thought>"), out)
            return ""
        return text.removeprefix("</thought>") if was_thought else text

    def _feed_parts(self, parts: list[Any], out: list[StreamChunk], *, whole: bool) -> None:
        for part in parts:
            block: dict[str, Any] = {"text": part} if isinstance(part, str) else json_object(part)
            kind = block.get("type")
            if is_thinking(block):
                self._add_reasoning(self._ensure_rare().thinking_parts.feed(block, whole=whole), out)
            elif isinstance(text := block.get("text"), str):
                self._add_text(text, out)
            elif kind in ("image_url", "image"):
                self._images.append(block)
                out.append(ImageChunk(block))
            elif kind == "refusal" and isinstance(refusal := block.get("refusal"), str):
                self._add_refusal(refusal, out)
            elif kind in ("audio", "output_audio", "input_audio"):
                out += self._ensure_rare().audio.feed(json_object(block.get(str(kind))) or block)
            elif kind in ("reference", "citation", "url_citation"):
                self.annotate(block, out)

    def _add_text(self, text: str, out: list[StreamChunk]) -> None:
        if text:
            self.texts.append(text)
            out.append(ContentChunk(text))

    def _add_reasoning(self, text: str, out: list[StreamChunk]) -> None:
        if text:
            self._reasoning.append(text)
            out.append(ReasoningChunk(text))

    def _add_refusal(self, refusal: str, out: list[StreamChunk]) -> None:
        if refusal:
            self._refusal.append(refusal)
            out.append(RefusalChunk(refusal))

    def _join_halves(self, delta: WireDelta) -> str | list[Any] | None:
        for name in ("content", "reasoning", "reasoning_content", "refusal"):
            if isinstance(text := getattr(delta, name), str) and text:
                setattr(delta, name, self.pairs.joined(name, text))
        return delta.content


@dataclass(slots=True)
class _Rare:
    """What most answers have nothing of.

    Attributes:
        thinking_parts: Thinking among the parts of the content.
        thinking_blocks: Blocks of thinking beside it, as LiteLLM passes them on from Anthropic's models.
        audio: What the model says aloud.
        extra_content: Gemini's signatures.
        reasoning_name: The name that reasoning came under, if that is not `reasoning`.
        thought: Whether the last text was one of Gemini's thoughts.
    """

    thinking_parts: ThinkingParts
    thinking_blocks: ReasoningBlocks = field(default_factory=ReasoningBlocks)
    audio: Audio = field(default_factory=Audio)
    extra_content: dict[str, Any] = field(default_factory=dict[str, Any])
    reasoning_name: str = ""
    thought: bool = False

    def extra(self, reasoning: Sequence[str]) -> dict[str, Any]:
        """Return what goes back as it came, beside what has a name of its own."""
        extra: dict[str, Any] = {}
        if self.reasoning_name:
            extra[self.reasoning_name] = "".join(reasoning)
        if blocks := self.thinking_blocks.result():
            extra["thinking_blocks"] = list(blocks)
        if parts := self.thinking_parts.result():
            extra["content"] = parts
        if signed := _without_the_mark(self.extra_content):
            extra["extra_content"] = signed
        if self.audio.id:
            extra["audio"] = {"id": self.audio.id}
        return extra


def _without_the_mark(extra_content: dict[str, Any]) -> dict[str, Any]:
    """Return what has to go back of Gemini's `extra_content`, which is not the mark that a text was a thought."""
    google = {name: value for name, value in json_object(extra_content.get("google")).items() if name != "thought"}
    rest = {name: value for name, value in extra_content.items() if name != "google"}
    return {**rest, "google": google} if google else rest
