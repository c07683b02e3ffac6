"""What requests and replies of the API look like."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from raptscallions_chat.domain.statuses import MessageStatus, OnBusy, RunKind, RunStatus, StopReason

__all__ = [
    "AnswerOptions",
    "ChangeConversation",
    "ContinueRequest",
    "ConversationOut",
    "ConversationPage",
    "CreateConversation",
    "ErrorBody",
    "ErrorOut",
    "ForkConversation",
    "MessageOut",
    "MessagePage",
    "RegenerateRequest",
    "RunBrief",
    "RunOut",
    "RunReply",
    "SendRequest",
    "SentOut",
    "UsageOut",
]

ModelName = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Title = Annotated[str, StringConstraints(max_length=200)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class AnswerOptions(_Request):
    """How the model is asked; what is left out is the model's default."""

    max_tokens: int | None = Field(None, ge=1, le=10_000_000)
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(None, gt=0, le=1, allow_inf_nan=False)
    top_k: int | None = Field(None, ge=0, le=1_000_000)
    frequency_penalty: float | None = Field(None, ge=-2, le=2, allow_inf_nan=False)
    presence_penalty: float | None = Field(None, ge=-2, le=2, allow_inf_nan=False)
    seed: int | None = Field(None, ge=-(2**53), le=2**53)
    stop: list[Annotated[str, StringConstraints(min_length=1, max_length=1000)]] | None = Field(None, max_length=4)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None


class CreateConversation(_Request):
    """A conversation to be begun."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, json_schema_extra={"examples": [{"title": "The sky"}, {}]}
    )

    title: Title | None = Field(None, description="A title; without one the first words become it.")
    tool: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = Field(
        None, description="The tool whose newest version the conversation keeps."
    )
    model: ModelName | None = Field(None, description="The model to ask; else the tool's, else the service's.")


class ChangeConversation(_Request):
    """What to change of a conversation; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, json_schema_extra={"examples": [{"title": "Why skies are blue"}]}
    )

    title: Title | None = Field(None, description="A title; an empty one takes it away.")
    model: ModelName | None = Field(None, description="The model to ask from now on.")
    head_id: Annotated[str, StringConstraints(max_length=100)] | None = Field(
        None, description="The message whose path is the current one from now on."
    )
    state: Literal["active"] | None = Field(None, description="`active` opens a completed conversation again.")


class ForkConversation(_Request):
    """Where to fork a conversation."""

    message_id: Annotated[str, StringConstraints(max_length=100)] | None = Field(
        None, description="The last message to copy; the head if it is left out."
    )
    title: Title | None = None


class SendRequest(_Request):
    """A message to be answered."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "oneOf": [
                {"required": ["message"], "properties": {"message": {"type": "string"}, "parts": {"type": "null"}}},
                {"required": ["parts"], "properties": {"parts": {"type": "array"}, "message": {"type": "null"}}},
            ],
            "examples": [
                {"message": "Why is the sky blue?"},
                {"message": "And at dusk?", "on_busy": "enqueue", "options": {"temperature": 0.2}},
            ],
        },
    )

    message: str | None = Field(
        None,
        description="The text, which is not only white space; either this or `parts`.",
        json_schema_extra={"minLength": 1},
    )
    parts: list[dict[str, Any]] | None = Field(
        None, max_length=100, description="The parts of a message, in OpenAI's format; instead of `message`."
    )
    parent_id: Annotated[str, StringConstraints(max_length=100)] | None = Field(
        None, description="The message that this one follows; the last one if it is left out."
    )
    branch: bool = Field(False, description="Whether it may stand beside messages that follow the same one: an edit.")
    model: ModelName | None = Field(None, description="The model to ask for this answer.")
    options: AnswerOptions | None = None
    on_busy: OnBusy | None = Field(None, description="What to do while an answer of the conversation is being written.")


class ContinueRequest(_Request):
    """How to go on with an answer that broke off."""

    model: ModelName | None = None
    options: AnswerOptions | None = None


class RegenerateRequest(_Request):
    """How to write another answer."""

    model: ModelName | None = None
    options: AnswerOptions | None = None


class UsageOut(BaseModel):
    """Tokens and money; `final` says whether the gateway may still tell more."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    reasoning_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    cost: str | None = Field(description="In USD, as an exact decimal; null if it is not known.")
    cost_source: Literal["reported", "priced", "unknown"]
    final: bool


class ConversationOut(BaseModel):
    """A conversation."""

    id: str
    title: str | None
    title_source: str | None
    state: Literal["active", "completed"]
    model: str | None
    tool_id: str | None
    head_id: str | None = Field(description="The last message of the current path.")
    parent_id: str | None = Field(description="The conversation that it was forked from.")
    version: int
    created_at: datetime
    last_activity_at: datetime
    completed_at: datetime | None


class ConversationPage(BaseModel):
    """A page of conversations, ascending by their last activity; the first page has the latest."""

    items: list[ConversationOut]
    next: str | None = Field(description="The `cursor` of the page before this one; null if there is none.")


class MessageOut(BaseModel):
    """A message; an answer that is being written has what is stored of it so far."""

    id: str
    conversation_id: str
    parent_id: str | None
    seq: int
    role: str
    status: MessageStatus
    text: str
    parts: list[dict[str, Any]]
    run_id: str | None
    model: str | None
    usage: UsageOut | None
    finish_reason: str | None
    siblings: list[str] = Field(description="The messages that follow the same one, itself among them, oldest first.")
    created_at: datetime
    completed_at: datetime | None


class MessagePage(BaseModel):
    """A page of a path of messages, ascending; the first page has the last ones."""

    items: list[MessageOut]
    next: str | None = Field(description="The `before` of the page before this one; null if there is none.")


class RunBrief(BaseModel):
    """A run, in short."""

    id: str
    status: RunStatus


class RunOut(BaseModel):
    """A run: one generation of an answer, from being asked for to its end."""

    id: str
    conversation_id: str
    message_id: str
    answer_id: str
    kind: RunKind
    status: RunStatus
    attempt: int
    continues: str | None = Field(description="The run that this one continues.")
    regenerates: str | None = Field(description="The run whose answer this one writes anew.")
    stop_reason: StopReason | None
    finish_reason: str | None
    model: str | None
    usage: UsageOut
    error: dict[str, Any] | None
    stream: str
    queued_at: datetime
    started_at: datetime | None
    first_token_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None


class RunReply(BaseModel):
    """What became of a stop."""

    run: RunOut


class SentOut(BaseModel):
    """What was stored, and where the answer comes from."""

    message: MessageOut
    answer: MessageOut
    run: RunOut
    stream: str


class ErrorBody(BaseModel):
    """What is wrong."""

    type: str
    code: str
    message: str
    retryable: bool
    retry_after: float | None
    details: dict[str, Any]


class ErrorOut(BaseModel):
    """The envelope of every error."""

    error: ErrorBody
