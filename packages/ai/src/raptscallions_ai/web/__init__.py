"""Streams as bodies of HTTP responses, for any ASGI framework; a response class for Starlette and FastAPI.

::

    app.add_exception_handler(AiError, ai_error_handler)

    @app.post("/chat")
    async def chat(question: Question, client: Client) -> ChatStreamResponse:
        return ChatStreamResponse(sse_response_body(client.stream_chat(question.text)))

A body is made by one of three functions, one for each protocol, and needs no framework. `ChatStreamResponse` and
`ai_error_handler` need Starlette (`pip install "raptscallions-ai[web]"`), which is loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai.web.body import SSEBody
from raptscallions_ai.web.chunk_events import sse_response_body
from raptscallions_ai.web.openai_chunks import openai_sse_body
from raptscallions_ai.web.ui_conversation import from_ui_messages
from raptscallions_ai.web.ui_messages import ui_message_stream

if TYPE_CHECKING:
    from raptscallions_ai.web.responses import ChatStreamResponse, ai_error_handler

__all__ = [
    "ChatStreamResponse",
    "SSEBody",
    "ai_error_handler",
    "from_ui_messages",
    "openai_sse_body",
    "sse_response_body",
    "ui_message_stream",
]

_NEED_STARLETTE = frozenset({"ChatStreamResponse", "ai_error_handler"})


def __getattr__(name: str) -> object:
    if name not in _NEED_STARLETTE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from raptscallions_ai.web import responses
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "starlette":
            raise
        raise ImportError(f'{name} needs Starlette: pip install "raptscallions-ai[web]"') from error
    value: object = getattr(responses, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
