"""Test kit: a fake gateway with real sockets, recordings of a real one, and a client without any network.

Names are imported when they are first used, because the pytest plugin loads this package in every test run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai._guards.imports import lazy_names

if TYPE_CHECKING:
    from raptscallions_ai.testing.cassette import Cassette, CassetteError, CassetteMode, CassetteOptions
    from raptscallions_ai.testing.engines.anthropic import FakeAnthropic
    from raptscallions_ai.testing.engines.ollama import FakeOllama
    from raptscallions_ai.testing.gateway import FakeGateway
    from raptscallions_ai.testing.recording import Headers, RecordedRequest
    from raptscallions_ai.testing.replay import recorded_reply
    from raptscallions_ai.testing.replies import Cut, Framing, Gate, Hang, Pause, Reply, Reset, Step, json_reply
    from raptscallions_ai.testing.script import Responder, Script
    from raptscallions_ai.testing.scripted import ChatScript, ScriptedCall, ScriptedClient
    from raptscallions_ai.testing.wire import Answer, chunk, completion, error_body, sse, usage

__all__ = [
    "Answer",
    "Cassette",
    "CassetteError",
    "CassetteMode",
    "CassetteOptions",
    "ChatScript",
    "Cut",
    "FakeAnthropic",
    "FakeGateway",
    "FakeOllama",
    "Framing",
    "Gate",
    "Hang",
    "Headers",
    "Pause",
    "RecordedRequest",
    "Reply",
    "Reset",
    "Responder",
    "Script",
    "ScriptedCall",
    "ScriptedClient",
    "Step",
    "chunk",
    "completion",
    "error_body",
    "json_reply",
    "recorded_reply",
    "sse",
    "usage",
]


__getattr__ = lazy_names(
    __name__,
    {
        "cassette": ("Cassette", "CassetteError", "CassetteMode", "CassetteOptions"),
        "engines.ollama": ("FakeOllama",),
        "engines.anthropic": ("FakeAnthropic",),
        "gateway": ("FakeGateway",),
        "recording": ("Headers", "RecordedRequest"),
        "replay": ("recorded_reply",),
        "replies": ("Cut", "Framing", "Gate", "Hang", "Pause", "Reply", "Reset", "Step", "json_reply"),
        "script": ("Responder", "Script"),
        "scripted": ("ChatScript", "ScriptedCall", "ScriptedClient"),
        "wire": ("Answer", "chunk", "completion", "error_body", "sse", "usage"),
    },
)


def __dir__() -> list[str]:
    return __all__
