"""Runs: one generation of an answer each, who works on it, what it used, and the requests that asked for it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from raptscallions_chat.store.schema.columns import Document, Id, Money, metadata, moment

__all__ = ["idempotency", "runs", "tool_approvals", "usage", "workers"]

workers = Table(
    "workers",
    metadata,
    # One a process and start, so that a worker that comes back is another one.
    Column("id", Id, primary_key=True),
    Column("host", String(200), nullable=False),
    Column("state", String(20), nullable=False),
    moment("started_at", required=True),
    moment("lease_until", required=True),
    Index("ix_workers_state_lease_until", "state", "lease_until"),
)

_RUNNING = text("status = 'running'")
_QUEUED = text("status = 'queued'")
_UNSETTLED = text("settle_after IS NOT NULL")

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("user_id", String(200), nullable=False),
    Column("conversation_id", Id, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    # The last message that is answered.
    Column("user_message_id", Id, nullable=False),
    Column("answer_message_id", Id, nullable=False),
    # What the run is for: "answer", "continue" or "regenerate"; for the latter two the run that it follows.
    Column("kind", String(20), nullable=False),
    Column("follows_run_id", Id, nullable=True),
    Column("status", String(20), nullable=False),
    # Every change is a compare-and-set on the attempt; a worker that lost its lease changes nothing any more.
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("owner", Id, ForeignKey("workers.id", ondelete="SET NULL"), nullable=True),
    Column("last_seq", BigInteger, nullable=False, server_default=text("0")),
    moment("stop_requested_at"),
    Column("stop_reason", String(20), nullable=True),
    Column("model", String(300), nullable=True),
    Column("options", Document, nullable=False, server_default=text("'{}'")),
    Column("error", Document, nullable=True),
    Column("finish_reason", String(60), nullable=True),
    moment("queued_at", required=True),
    moment("started_at"),
    moment("first_token_at"),
    moment("ended_at"),
    moment("settled_at"),
    # When the settler is to ask the gateway next; null if there is nothing to ask.
    moment("settle_after"),
    Column("settle_tries", Integer, nullable=False, server_default=text("0")),
    Index(
        "uq_runs_one_running",
        "conversation_id",
        unique=True,
        sqlite_where=_RUNNING,
        postgresql_where=_RUNNING,
    ),
    Index("ix_runs_conversation_id_status", "conversation_id", "status"),
    Index("ix_runs_owner", "owner", sqlite_where=_RUNNING, postgresql_where=_RUNNING),
    Index("ix_runs_queued", "queued_at", "id", sqlite_where=_QUEUED, postgresql_where=_QUEUED),
    Index("ix_runs_unsettled", "settle_after", sqlite_where=_UNSETTLED, postgresql_where=_UNSETTLED),
    Index("ix_runs_tenant_id_user_id_queued_at", "tenant_id", "user_id", "queued_at"),
)

usage = Table(
    "usage",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    # The generations of a run, counted from 1: each request upstream of which at least one word came.
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("tenant_id", Id, nullable=False),
    Column("user_id", String(200), nullable=False),
    Column("message_id", Id, nullable=True),
    Column("credential_id", Id, nullable=True),
    Column("generation_id", String(200), nullable=True),
    Column("model", String(300), nullable=True),
    Column("prompt_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("completion_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("reasoning_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("cached_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("cache_write_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("cost", Money, nullable=True),
    Column("cost_source", String(20), nullable=False),
    # Whether the gateway has told; until then the settler asks it.
    Column("final", Boolean, nullable=False),
    moment("created_at", required=True),
    Index("ix_usage_tenant_id_created_at", "tenant_id", "created_at"),
    Index("ix_usage_tenant_id_user_id_created_at", "tenant_id", "user_id", "created_at"),
    Index("ix_usage_message_id", "message_id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant_id", Id, primary_key=True),
    Column("user_id", String(200), primary_key=True),
    Column("path", String(300), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request_sha256", String(64), nullable=False),
    # Null while the first request is still being answered.
    Column("status_code", Integer, nullable=True),
    Column("body", LargeBinary, nullable=True),
    Column("headers", Document, nullable=True),
    Column("run_id", Id, nullable=True),
    moment("expires_at", required=True),
    Index("ix_idempotency_expires_at", "expires_at"),
)

tool_approvals = Table(
    "tool_approvals",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("call_id", String(200), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("name", String(200), nullable=False),
    Column("arguments", Text, nullable=False),
    Column("decision", String(20), nullable=True),
    Column("reason", Text, nullable=True),
    moment("created_at", required=True),
    moment("decided_at"),
)
