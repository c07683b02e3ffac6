"""Conversations, their messages as a tree, and what belongs to them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from raptscallions_chat.store.schema.columns import Document, Id, metadata, moment

__all__ = ["answer_pieces", "attachments", "conversations", "message_audit", "messages", "summaries", "tools"]

_LIVING = text("deleted_at IS NULL")

tools = Table(
    "tools",
    metadata,
    Column("id", Id, primary_key=True),
    # Null: for every tenant.
    Column("tenant_id", Id, ForeignKey("tenants.id", ondelete="CASCADE"), nullable=True),
    Column("name", String(100), nullable=False),
    Column("version", Integer, nullable=False),
    Column("yaml", Text, nullable=False),
    Column("parsed", Document, nullable=False),
    moment("created_at", required=True),
    moment("archived_at"),
    UniqueConstraint("tenant_id", "name", "version"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", String(200), nullable=False),
    # A conversation keeps the version of the tool that it began with.
    Column("tool_id", Id, ForeignKey("tools.id", ondelete="RESTRICT"), nullable=True),
    Column("title", String(200), nullable=True),
    # Who the title is from: "first_words", "model", "user"; a user's title is never replaced.
    Column("title_source", String(20), nullable=True),
    Column("model", String(300), nullable=True),
    Column("state", String(20), nullable=False),
    Column("parent_id", Id, ForeignKey("conversations.id", ondelete="SET NULL"), nullable=True),
    Column("forked_at", Id, nullable=True),
    # The last message of the path that is shown; messages are a tree, so that it says which branch is the current one.
    Column("head_id", Id, nullable=True),
    Column("last_seq", Integer, nullable=False, server_default=text("0")),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("metadata", Document, nullable=False, server_default=text("'{}'")),
    moment("created_at", required=True),
    moment("last_activity_at", required=True),
    moment("completed_at"),
    moment("expires_at"),
    Column("legal_hold", Boolean, nullable=False, server_default=text("false")),
    moment("deleted_at"),
    CheckConstraint("parent_id IS NULL OR parent_id <> id", name="not_its_own_parent"),
    Index(
        "ix_conversations_of_a_user",
        "tenant_id",
        "user_id",
        "last_activity_at",
        "id",
        sqlite_where=_LIVING,
        postgresql_where=_LIVING,
    ),
    Index("ix_conversations_expires_at", "expires_at"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("conversation_id", Id, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", Id, nullable=True),
    Column("seq", Integer, nullable=False),
    Column("role", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("text", Text, nullable=False, server_default=text("''")),
    # What is not plain text: attachments, reasoning, tool calls and their results, annotations; null if there is none.
    Column("parts", Document, nullable=True),
    Column("model", String(300), nullable=True),
    # The run that wrote it last; for a user's message the run that answers it.
    Column("run_id", Id, nullable=True),
    Column("finish_reason", String(60), nullable=True),
    moment("created_at", required=True),
    moment("completed_at"),
    UniqueConstraint("conversation_id", "seq"),
    Index("ix_messages_conversation_id_parent_id", "conversation_id", "parent_id"),
    Index("ix_messages_parent_id", "parent_id"),
    Index("ix_messages_run_id", "run_id"),
)

answer_pieces = Table(
    "answer_pieces",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    # The number of the last event in this piece; the first one follows the piece before.
    Column("seq_to", BigInteger, primary_key=True, autoincrement=False),
    # The events, as compact JSON: what a reader is sent is in the store before it is sent.
    Column("events", Text, nullable=False),
)

attachments = Table(
    "attachments",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", String(200), nullable=False),
    Column("conversation_id", Id, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=True),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("media_type", String(200), nullable=False),
    Column("name", String(300), nullable=False),
    Column("storage_key", Text, nullable=False),
    Column("status", String(20), nullable=False),
    moment("created_at", required=True),
    moment("deleted_at"),
    Index("ix_attachments_tenant_id_user_id", "tenant_id", "user_id"),
    Index("ix_attachments_storage_key", "storage_key"),
)

summaries = Table(
    "summaries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("conversation_id", Id, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    # It stands for the path from the first message up to this one, included.
    Column("upto_message_id", Id, nullable=False),
    Column("text", Text, nullable=False),
    Column("model", String(300), nullable=True),
    moment("created_at", required=True),
    UniqueConstraint("conversation_id", "upto_message_id"),
)

message_audit = Table(
    "message_audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("message_id", Id, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("reason", String(60), nullable=False),
    Column("original", Text, nullable=True),
    Column("details", Document, nullable=False, server_default=text("'{}'")),
    moment("created_at", required=True),
    Index("ix_message_audit_message_id", "message_id"),
)
