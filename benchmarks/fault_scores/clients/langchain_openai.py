"""langchain-openai's chat model."""

from __future__ import annotations

from typing import Any

from langchain_core.exceptions import LangChainException
from langchain_openai import ChatOpenAI, StreamChunkTimeoutError
from openai import OpenAIError

ERRORS = (LangChainException, OpenAIError, StreamChunkTimeoutError)


def connect(trial: Any) -> ChatOpenAI:
    """Return a chat model at the gateway."""
    return ChatOpenAI(
        model=trial.model,
        api_key=trial.api_key,
        base_url=trial.base_url,
        timeout=trial.timeout,
        stream_chunk_timeout=trial.timeout,
        max_retries=trial.max_retries,
        stream_usage=True,
    )


async def ask(model: ChatOpenAI, trial: Any, reader: Any) -> None:
    """Ask for a stream or for one body."""
    if not trial.stream:
        message = await model.ainvoke(trial.prompt)
        reader.finish_reason = message.response_metadata.get("finish_reason")
        for call in (*message.tool_calls, *message.invalid_tool_calls):
            reader.take_call(call["id"], call["name"], call["args"])
        await reader.take(message.text)
        return
    whole = None
    async for chunk in model.astream(trial.prompt):
        whole = chunk if whole is None else whole + chunk
        if chunk.text and not await reader.take(chunk.text):
            break
    else:
        if whole is not None:
            reader.finish_reason = whole.response_metadata.get("finish_reason")
            for call in whole.tool_call_chunks:
                reader.take_call(call["id"], call["name"], call["args"])
