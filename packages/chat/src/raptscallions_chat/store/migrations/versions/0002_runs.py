"""Runs."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    text,
)

from raptscallions_chat.store.schema.columns import Document, Id, Moment, Money

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = ["workers", "runs", "answer_pieces", "usage", "idempotency", "tool_approvals"]


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "workers",
        Column("id", Id, nullable=False),
        Column("host", String(length=200), nullable=False),
        Column("state", String(length=20), nullable=False),
        Column("started_at", Moment(), nullable=False),
        Column("lease_until", Moment(), nullable=False),
        PrimaryKeyConstraint("id", name="pk_workers"),
    )
    op.create_index("ix_workers_state_lease_until", "workers", ["state", "lease_until"])

    op.create_table(
        "runs",
        Column("id", Id, nullable=False),
        Column("tenant_id", Id, nullable=False),
        Column("user_id", String(length=200), nullable=False),
        Column("conversation_id", Id, nullable=False),
        Column("user_message_id", Id, nullable=False),
        Column("answer_message_id", Id, nullable=False),
        Column("kind", String(length=20), nullable=False),
        Column("follows_run_id", Id),
        Column("status", String(length=20), nullable=False),
        Column("attempt", Integer(), server_default=text("0"), nullable=False),
        Column("owner", Id),
        Column("last_seq", BigInteger(), server_default=text("0"), nullable=False),
        Column("stop_requested_at", Moment()),
        Column("stop_reason", String(length=20)),
        Column("model", String(length=300)),
        Column("options", Document, server_default=text("'{}'"), nullable=False),
        Column("error", Document),
        Column("finish_reason", String(length=60)),
        Column("queued_at", Moment(), nullable=False),
        Column("started_at", Moment()),
        Column("first_token_at", Moment()),
        Column("ended_at", Moment()),
        Column("settled_at", Moment()),
        Column("settle_after", Moment()),
        Column("settle_tries", Integer(), server_default=text("0"), nullable=False),
        ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_runs_conversation_id", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["owner"], ["workers.id"], name="fk_runs_owner", ondelete="SET NULL"),
        PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_conversation_id_status", "runs", ["conversation_id", "status"])
    op.create_index(
        "ix_runs_owner",
        "runs",
        ["owner"],
        unique=False,
        sqlite_where=text("status = 'running'"),
        postgresql_where=text("status = 'running'"),
    )
    op.create_index(
        "ix_runs_queued",
        "runs",
        ["queued_at", "id"],
        unique=False,
        sqlite_where=text("status = 'queued'"),
        postgresql_where=text("status = 'queued'"),
    )
    op.create_index("ix_runs_tenant_id_user_id_queued_at", "runs", ["tenant_id", "user_id", "queued_at"])
    op.create_index(
        "ix_runs_unsettled",
        "runs",
        ["settle_after"],
        unique=False,
        sqlite_where=text("settle_after IS NOT NULL"),
        postgresql_where=text("settle_after IS NOT NULL"),
    )
    op.create_index(
        "uq_runs_one_running",
        "runs",
        ["conversation_id"],
        unique=True,
        sqlite_where=text("status = 'running'"),
        postgresql_where=text("status = 'running'"),
    )

    op.create_table(
        "answer_pieces",
        Column("run_id", Id, nullable=False),
        Column("seq_to", BigInteger(), autoincrement=False, nullable=False),
        Column("events", Text(), nullable=False),
        ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_answer_pieces_run_id", ondelete="CASCADE"),
        PrimaryKeyConstraint("run_id", "seq_to", name="pk_answer_pieces"),
    )

    op.create_table(
        "idempotency",
        Column("tenant_id", Id, nullable=False),
        Column("user_id", String(length=200), nullable=False),
        Column("path", String(length=300), nullable=False),
        Column("key", String(length=255), nullable=False),
        Column("request_sha256", String(length=64), nullable=False),
        Column("status_code", Integer()),
        Column("body", LargeBinary()),
        Column("headers", Document),
        Column("run_id", Id),
        Column("expires_at", Moment(), nullable=False),
        PrimaryKeyConstraint("tenant_id", "user_id", "path", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_expires_at", "idempotency", ["expires_at"])

    op.create_table(
        "tool_approvals",
        Column("run_id", Id, nullable=False),
        Column("call_id", String(length=200), nullable=False),
        Column("tenant_id", Id, nullable=False),
        Column("name", String(length=200), nullable=False),
        Column("arguments", Text(), nullable=False),
        Column("decision", String(length=20)),
        Column("reason", Text()),
        Column("created_at", Moment(), nullable=False),
        Column("decided_at", Moment()),
        ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_tool_approvals_run_id", ondelete="CASCADE"),
        PrimaryKeyConstraint("run_id", "call_id", name="pk_tool_approvals"),
    )
    op.create_table(
        "usage",
        Column("run_id", Id, nullable=False),
        Column("attempt", Integer(), autoincrement=False, nullable=False),
        Column("tenant_id", Id, nullable=False),
        Column("user_id", String(length=200), nullable=False),
        Column("message_id", Id),
        Column("credential_id", Id),
        Column("generation_id", String(length=200)),
        Column("model", String(length=300)),
        Column("prompt_tokens", BigInteger(), server_default=text("0"), nullable=False),
        Column("completion_tokens", BigInteger(), server_default=text("0"), nullable=False),
        Column("reasoning_tokens", BigInteger(), server_default=text("0"), nullable=False),
        Column("cached_tokens", BigInteger(), server_default=text("0"), nullable=False),
        Column("cache_write_tokens", BigInteger(), server_default=text("0"), nullable=False),
        Column("cost", Money()),
        Column("cost_source", String(length=20), nullable=False),
        Column("final", Boolean(), nullable=False),
        Column("created_at", Moment(), nullable=False),
        ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_usage_run_id", ondelete="CASCADE"),
        PrimaryKeyConstraint("run_id", "attempt", name="pk_usage"),
    )
    op.create_index("ix_usage_message_id", "usage", ["message_id"])
    op.create_index("ix_usage_tenant_id_created_at", "usage", ["tenant_id", "created_at"])
    op.create_index("ix_usage_tenant_id_user_id_created_at", "usage", ["tenant_id", "user_id", "created_at"])


def downgrade() -> None:
    """Take it back."""
    for table in reversed(_TABLES):
        op.drop_table(table)
