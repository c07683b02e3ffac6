"""Tenants and conversations."""

from __future__ import annotations

from datetime import UTC, datetime

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    column,
    table,
    text,
)

from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.store.schema.columns import Document, Id, Moment, Money

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = ["tenants", "api_tokens", "audit", "budgets", "members", "tools", "attachments", "messages", "summaries"]


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "tenants",
        Column("id", Id, nullable=False),
        Column("parent_id", Id),
        Column("path", Text(), nullable=False),
        Column("name", String(length=200), nullable=False),
        Column("settings", Document, server_default=text("'{}'"), nullable=False),
        Column("retention_days", Integer()),
        Column("created_at", Moment(), nullable=False),
        Column("archived_at", Moment()),
        CheckConstraint("parent_id IS NULL OR parent_id <> id", name="ck_tenants_not_its_own_parent"),
        ForeignKeyConstraint(["parent_id"], ["tenants.id"], name="fk_tenants_parent_id", ondelete="RESTRICT"),
        PrimaryKeyConstraint("id", name="pk_tenants"),
        UniqueConstraint("path", name="uq_tenants_path"),
    )
    op.create_index("ix_tenants_parent_id", "tenants", ["parent_id"])

    op.create_table(
        "api_tokens",
        Column("id", Id, nullable=False),
        Column("tenant_id", Id, nullable=False),
        Column("user_id", String(length=200), nullable=False),
        Column("name", String(length=200), nullable=False),
        Column("sha256", String(length=64), nullable=False),
        Column("scopes", Document, server_default=text("'[]'"), nullable=False),
        Column("created_at", Moment(), nullable=False),
        Column("expires_at", Moment()),
        Column("revoked_at", Moment()),
        Column("last_used_at", Moment()),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_api_tokens_tenant_id", ondelete="CASCADE"),
        PrimaryKeyConstraint("id", name="pk_api_tokens"),
        UniqueConstraint("sha256", name="uq_api_tokens_sha256"),
    )
    op.create_index("ix_api_tokens_tenant_id_user_id", "api_tokens", ["tenant_id", "user_id"])

    op.create_table(
        "audit",
        Column("id", Id, nullable=False),
        Column("tenant_id", Id, nullable=False),
        Column("actor", String(length=200), nullable=False),
        Column("action", String(length=60), nullable=False),
        Column("target", Text()),
        Column("details", Document, server_default=text("'{}'"), nullable=False),
        Column("created_at", Moment(), nullable=False),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_audit_tenant_id", ondelete="CASCADE"),
        PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_tenant_id_created_at", "audit", ["tenant_id", "created_at"])

    op.create_table(
        "budgets",
        Column("id", Id, nullable=False),
        Column("tenant_id", Id, nullable=False),
        Column("user_id", String(length=200)),
        Column("window", String(length=20), nullable=False),
        Column("limit_usd", Money(), nullable=False),
        Column("alert_usd", Money()),
        Column("created_at", Moment(), nullable=False),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_budgets_tenant_id", ondelete="CASCADE"),
        PrimaryKeyConstraint("id", name="pk_budgets"),
        UniqueConstraint("tenant_id", "user_id", "window", name="uq_budgets_tenant_id_user_id_window"),
    )
    op.create_table(
        "credentials",
        Column("id", Id, nullable=False),
        Column("tenant_id", Id, nullable=False),
        Column("provider", String(length=60), nullable=False),
        Column("name", String(length=200), nullable=False),
        Column("hint", String(length=20), nullable=False),
        Column("base_url", Text()),
        Column("default_model", String(length=300)),
        Column("sealed", LargeBinary(), nullable=False),
        Column("key_name", String(length=60), nullable=False),
        Column("wrapped_key", LargeBinary(), nullable=False),
        Column("version", Integer(), server_default=text("1"), nullable=False),
        Column("active", Boolean(), nullable=False),
        Column("created_at", Moment(), nullable=False),
        Column("updated_at", Moment(), nullable=False),
        Column("deactivated_at", Moment()),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_credentials_tenant_id", ondelete="CASCADE"),
        PrimaryKeyConstraint("id", name="pk_credentials"),
    )
    op.create_index("ix_credentials_key_name", "credentials", ["key_name"])
    op.create_index(
        "uq_credentials_active",
        "credentials",
        ["tenant_id", "provider"],
        unique=True,
        sqlite_where=text("active"),
        postgresql_where=text("active"),
    )

    op.create_table(
        "members",
        Column("tenant_id", Id, nullable=False),
        Column("user_id", String(length=200), nullable=False),
        Column("role", String(length=30), nullable=False),
        Column("created_at", Moment(), nullable=False),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_members_tenant_id", ondelete="CASCADE"),
        PrimaryKeyConstraint("tenant_id", "user_id", name="pk_members"),
    )
    op.create_index("ix_members_user_id", "members", ["user_id"])

    op.create_table(
        "tools",
        Column("id", Id, nullable=False),
        Column("tenant_id", Id),
        Column("name", String(length=100), nullable=False),
        Column("version", Integer(), nullable=False),
        Column("yaml", Text(), nullable=False),
        Column("parsed", Document, nullable=False),
        Column("created_at", Moment(), nullable=False),
        Column("archived_at", Moment()),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_tools_tenant_id", ondelete="CASCADE"),
        PrimaryKeyConstraint("id", name="pk_tools"),
        UniqueConstraint("tenant_id", "name", "version", name="uq_tools_tenant_id_name_version"),
    )
    op.create_table(
        "conversations",
        Column("id", Id, nullable=False),
        Column("tenant_id", Id, nullable=False),
        Column("user_id", String(length=200), nullable=False),
        Column("tool_id", Id),
        Column("title", String(length=200)),
        Column("title_source", String(length=20)),
        Column("model", String(length=300)),
        Column("state", String(length=20), nullable=False),
        Column("parent_id", Id),
        Column("forked_at", Id),
        Column("head_id", Id),
        Column("last_seq", Integer(), server_default=text("0"), nullable=False),
        Column("version", Integer(), server_default=text("1"), nullable=False),
        Column("metadata", Document, server_default=text("'{}'"), nullable=False),
        Column("created_at", Moment(), nullable=False),
        Column("last_activity_at", Moment(), nullable=False),
        Column("completed_at", Moment()),
        Column("expires_at", Moment()),
        Column("legal_hold", Boolean(), server_default=text("false"), nullable=False),
        Column("deleted_at", Moment()),
        CheckConstraint("parent_id IS NULL OR parent_id <> id", name="ck_conversations_not_its_own_parent"),
        ForeignKeyConstraint(
            ["parent_id"], ["conversations.id"], name="fk_conversations_parent_id", ondelete="SET NULL"
        ),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_conversations_tenant_id", ondelete="CASCADE"),
        ForeignKeyConstraint(["tool_id"], ["tools.id"], name="fk_conversations_tool_id", ondelete="RESTRICT"),
        PrimaryKeyConstraint("id", name="pk_conversations"),
    )
    op.create_index("ix_conversations_expires_at", "conversations", ["expires_at"])
    op.create_index(
        "ix_conversations_of_a_user",
        "conversations",
        ["tenant_id", "user_id", "last_activity_at", "id"],
        unique=False,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    )

    op.create_table(
        "attachments",
        Column("id", Id, nullable=False),
        Column("tenant_id", Id, nullable=False),
        Column("user_id", String(length=200), nullable=False),
        Column("conversation_id", Id),
        Column("sha256", String(length=64), nullable=False),
        Column("size", BigInteger(), nullable=False),
        Column("media_type", String(length=200), nullable=False),
        Column("name", String(length=300), nullable=False),
        Column("storage_key", Text(), nullable=False),
        Column("status", String(length=20), nullable=False),
        Column("created_at", Moment(), nullable=False),
        Column("deleted_at", Moment()),
        ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_attachments_conversation_id", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_attachments_tenant_id", ondelete="CASCADE"),
        PrimaryKeyConstraint("id", name="pk_attachments"),
    )
    op.create_index("ix_attachments_storage_key", "attachments", ["storage_key"])
    op.create_index("ix_attachments_tenant_id_user_id", "attachments", ["tenant_id", "user_id"])

    op.create_table(
        "messages",
        Column("id", Id, nullable=False),
        Column("tenant_id", Id, nullable=False),
        Column("conversation_id", Id, nullable=False),
        Column("parent_id", Id),
        Column("seq", Integer(), nullable=False),
        Column("role", String(length=20), nullable=False),
        Column("status", String(length=20), nullable=False),
        Column("text", Text(), server_default=text("''"), nullable=False),
        Column("parts", Document),
        Column("model", String(length=300)),
        Column("run_id", Id),
        Column("finish_reason", String(length=60)),
        Column("created_at", Moment(), nullable=False),
        Column("completed_at", Moment()),
        ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_messages_conversation_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name="pk_messages"),
        UniqueConstraint("conversation_id", "seq", name="uq_messages_conversation_id_seq"),
    )
    op.create_index("ix_messages_conversation_id_parent_id", "messages", ["conversation_id", "parent_id"])
    op.create_index("ix_messages_parent_id", "messages", ["parent_id"])
    op.create_index("ix_messages_run_id", "messages", ["run_id"])

    op.create_table(
        "summaries",
        Column("id", Id, nullable=False),
        Column("tenant_id", Id, nullable=False),
        Column("conversation_id", Id, nullable=False),
        Column("upto_message_id", Id, nullable=False),
        Column("text", Text(), nullable=False),
        Column("model", String(length=300)),
        Column("created_at", Moment(), nullable=False),
        ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_summaries_conversation_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name="pk_summaries"),
        UniqueConstraint("conversation_id", "upto_message_id", name="uq_summaries_conversation_id_upto_message_id"),
    )
    op.create_table(
        "message_audit",
        Column("id", Id, nullable=False),
        Column("tenant_id", Id, nullable=False),
        Column("message_id", Id, nullable=False),
        Column("reason", String(length=60), nullable=False),
        Column("original", Text()),
        Column("details", Document, server_default=text("'{}'"), nullable=False),
        Column("created_at", Moment(), nullable=False),
        ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_message_audit_message_id", ondelete="CASCADE"),
        PrimaryKeyConstraint("id", name="pk_message_audit"),
    )
    op.create_index("ix_message_audit_message_id", "message_audit", ["message_id"])
    now = datetime.now(UTC)
    root = {"id": ROOT_TENANT, "path": ROOT_TENANT, "name": "root", "created_at": now}
    columns = [column("id", Id), column("path", Text()), column("name", Text()), column("created_at", Moment())]
    op.bulk_insert(table("tenants", *columns), [root])


def downgrade() -> None:
    """Take it back."""
    for name in reversed(_TABLES):
        op.drop_table(name)
