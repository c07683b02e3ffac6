"""What `ChatStream.events` and a run with tools yield, for type annotations and `isinstance`."""

from __future__ import annotations

from raptscallions_ai.answer.events import (
    AnnotationEvent,
    AudioEvent,
    DoneEvent,
    ErrorEvent,
    ImageEvent,
    RefusalEvent,
    RestartedEvent,
    StartEvent,
    StreamEvent,
    TextDeltaEvent,
    TextEndEvent,
    TextStartEvent,
    ThinkingDeltaEvent,
    ThinkingEndEvent,
    ThinkingStartEvent,
    ToolCallDeltaEvent,
    ToolCallEndEvent,
    ToolCallStartEvent,
    WaitingEvent,
)
from raptscallions_ai.answer.run_events import StepFinished, ToolFinished, ToolRunDone, ToolRunEvent, ToolStarted
from raptscallions_ai.answer.stream import EventStream

__all__ = [
    "EventStream",
    "AnnotationEvent",
    "AudioEvent",
    "DoneEvent",
    "ErrorEvent",
    "ImageEvent",
    "RefusalEvent",
    "RestartedEvent",
    "StartEvent",
    "StreamEvent",
    "TextDeltaEvent",
    "TextEndEvent",
    "TextStartEvent",
    "ThinkingDeltaEvent",
    "ThinkingEndEvent",
    "ThinkingStartEvent",
    "ToolCallDeltaEvent",
    "ToolCallEndEvent",
    "ToolCallStartEvent",
    "WaitingEvent",
    "StepFinished",
    "ToolFinished",
    "ToolRunDone",
    "ToolRunEvent",
    "ToolStarted",
]
