"""An answer while it grows: what the events of its runs add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from raptscallions_chat.domain.events import Event

__all__ = ["Answer"]


class Answer:
    """The text, reasoning and tool calls that a run's events add up to, in order.

    Its parts say what is in which order; of a text only the length, because the text itself is kept once.

    Args:
        text: What there was before the run, if it continues an answer.
        parts: The parts of that.
    """

    def __init__(self, text: str = "", parts: Sequence[Mapping[str, Any]] | None = None) -> None:
        self._texts = [text] if text else []
        self._parts: list[dict[str, Any]] = [dict(part) for part in parts or ()]
        if text and not self._parts:
            self._parts = [{"type": "text", "size": len(text)}]
        self._open: list[str] = []  # of the reasoning that is growing
        self._calls: dict[int, dict[str, Any]] = {}

    @property
    def text(self) -> str:
        """The text so far."""
        if len(self._texts) > 1:
            self._texts = ["".join(self._texts)]
        return self._texts[0] if self._texts else ""

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        self._close_reasoning()
        return "".join(part["text"] for part in self._parts if part["type"] == "reasoning")

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The tool calls so far, arguments as far as they have come."""
        keys = ("index", "id", "name", "arguments", "result", "error")
        calls = [part for part in self._parts if part["type"] == "tool_call"]
        return [{key: call[key] for key in keys if key in call} for call in calls]

    @property
    def parts(self) -> list[dict[str, Any]] | None:
        """The parts so far; None if there is nothing but text."""
        self._close_reasoning()
        if all(part["type"] == "text" for part in self._parts):
            return None
        return [dict(part) for part in self._parts]

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come."""
        return not self._parts

    def snapshot(self) -> Event:
        """Return the event that stands for all events so far."""
        return {
            "type": "snapshot",
            "text": self.text,
            "reasoning": self.reasoning,
            "tool_calls": self.tool_calls,
        }

    def add_all(self, events: Iterable[Event]) -> None:
        """Take events in."""
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Take an event in; what does not belong to the answer is passed over."""
        match event["type"]:
            case "content":
                self._add_text(event["content"])
            case "reasoning":
                self._add_reasoning(event["content"])
            case "tool_call":
                self._add_tool_call(event)
            case "tool_result":
                self._add_result(event)
            case "annotation" | "image":
                self._close_reasoning()
                self._parts.append(dict(event))
            case "restarted":
                self._texts, self._parts, self._open, self._calls = [], [], [], {}
            case "snapshot":
                self._replace(event)
            case _:
                pass

    def _add_text(self, text: str) -> None:
        self._close_reasoning()
        self._texts.append(text)
        if self._parts and self._parts[-1]["type"] == "text":
            self._parts[-1]["size"] += len(text)
        elif text:
            self._parts.append({"type": "text", "size": len(text)})

    def _add_reasoning(self, text: str) -> None:
        if not self._open and not (self._parts and self._parts[-1]["type"] == "reasoning"):
            self._parts.append({"type": "reasoning", "text": ""})
        self._open.append(text)

    def _close_reasoning(self) -> None:
        if self._open:
            self._parts[-1]["text"] += "".join(self._open)
            self._open = []

    def _add_tool_call(self, event: Event) -> None:
        self._close_reasoning()
        index = event["index"]
        call = self._calls.get(index)
        # A step later the numbers begin anew, with another id.
        if call is None or (event.get("id") and call["id"] and event["id"] != call["id"]):
            call = {"type": "tool_call", "index": index, "id": "", "name": "", "arguments": ""}
            self._calls[index] = call
            self._parts.append(call)
        call["id"] = event.get("id") or call["id"]
        call["name"] = event.get("name") or call["name"]
        call["arguments"] += event.get("arguments") or ""

    def _add_result(self, event: Event) -> None:
        self._close_reasoning()
        for part in self._parts:
            if part["type"] == "tool_call" and part["id"] == event["id"]:
                part["error" if event.get("is_error") else "result"] = event["content"]

    def _replace(self, event: Event) -> None:
        told = cast("Sequence[dict[str, Any]]", event.get("tool_calls") or ())
        calls: list[dict[str, Any]] = [{"type": "tool_call", **call} for call in told]
        reasoning = [{"type": "reasoning", "text": event["reasoning"]}] if event.get("reasoning") else []
        text = [{"type": "text", "size": len(event["text"])}] if event["text"] else []
        self._texts, self._open = [event["text"]] if event["text"] else [], []
        self._parts = [*reasoning, *text, *calls]
        # The latest of each number is the one that goes on.
        self._calls = {call["index"]: call for call in calls}
