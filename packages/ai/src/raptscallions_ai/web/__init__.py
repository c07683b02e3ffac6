"""Streams as bodies of HTTP responses, for any ASGI framework; a response class for Starlette and FastAPI.

::

    app.add_exception_handler(AiError, ai_error_handler)

    @app.post("/chat")
    async def chat(question: Question, client: Client) -> ChatStreamResponse:
        return ChatStreamResponse(sse_response_body(client.stream_chat(question.text)))

A body is made by one of three functions, one for each protocol, and needs no framework. `ChatStreamResponse` and
`ai_error_handler` need Starlette (`pip install 'raptscallions-ai[web]'`), which is loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai._guards.imports import lazy_names
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

__getattr__ = lazy_names(__name__, {"responses": ("ChatStreamResponse", "ai_error_handler")}, extra="web")


def __dir__() -> list[str]:
    return __all__
