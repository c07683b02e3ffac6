"""A chat service: FastAPI in front of a gateway, for a page of your own and for the AI SDK's `useChat`.

    python3 dev.py run uvicorn --app-dir examples/fastapi_chat app:app
    curl -N -H 'Content-Type: application/json' -d '{"messages": [{"role": "user", "content": "Hi"}]}' \
        http://127.0.0.1:8000/chat

The gateway is the one that the environment names: `AI_API_KEY`, `AI_GATEWAY_URL`, `AI_DEFAULT_MODEL`.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

from raptscallions_ai import AiError, ChatClient, OpenRouterClient, system
from raptscallions_ai.web import (
    ChatStreamResponse,
    ai_error_handler,
    from_ui_messages,
    sse_response_body,
    ui_message_stream,
)

INSTRUCTIONS = system("Answer in a few sentences.")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, ChatClient]]:
    """Keep one client, with its connections, for as long as the service runs."""
    async with OpenRouterClient() as client:
        yield {"client": client}


def get_client(request: Request) -> ChatClient:
    """Return the client; a test puts a `ScriptedClient` in its place by `app.dependency_overrides`."""
    return request.state.client


Client = Annotated[ChatClient, Depends(get_client)]


class Turn(BaseModel):
    """One message of the conversation."""

    role: Literal["user", "assistant"]
    content: str


class Conversation(BaseModel):
    """What a page of your own sends."""

    messages: list[Turn] = Field(min_length=1)


class UIConversation(BaseModel):
    """What `useChat` sends, as far as it matters here."""

    messages: list[dict[str, Any]] = Field(min_length=1)


app = FastAPI(title="Chat", lifespan=lifespan)
app.add_exception_handler(AiError, ai_error_handler)


@app.post("/chat")
async def chat(conversation: Conversation, client: Client) -> ChatStreamResponse:
    """Answer with the library's own events."""
    messages = [INSTRUCTIONS, *(turn.model_dump() for turn in conversation.messages)]
    return ChatStreamResponse(sse_response_body(client.stream_chat(messages)))


@app.post("/ui")
async def ui(conversation: UIConversation, client: Client) -> ChatStreamResponse:
    """Answer with the AI SDK's UI message stream."""
    try:
        messages = [INSTRUCTIONS, *from_ui_messages(conversation.messages)]
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    return ChatStreamResponse(ui_message_stream(client.stream_chat(messages)))
