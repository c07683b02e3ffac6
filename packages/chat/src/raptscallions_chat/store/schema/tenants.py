"""Tenants as a tree, who belongs to them, with what they authenticate, pay and are limited."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from raptscallions_chat.store.schema.columns import Document, Id, Money, metadata, moment

__all__ = ["api_tokens", "audit", "budgets", "credentials", "members", "tenants"]

tenants = Table(
    "tenants",
    metadata,
    Column("id", Id, primary_key=True),
    Column("parent_id", Id, ForeignKey("tenants.id", ondelete="RESTRICT"), nullable=True),
    # The ids from the root down to this one, joined by "/": ancestors are read off it without a recursive query.
    Column("path", Text, nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("settings", Document, nullable=False, server_default=text("'{}'")),
    Column("retention_days", Integer, nullable=True),
    moment("created_at", required=True),
    moment("archived_at"),
    CheckConstraint("parent_id IS NULL OR parent_id <> id", name="not_its_own_parent"),
    Index("ix_tenants_parent_id", "parent_id"),
)

members = Table(
    "members",
    metadata,
    Column("tenant_id", Id, ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", String(200), primary_key=True),
    Column("role", String(30), nullable=False),
    moment("created_at", required=True),
    Index("ix_members_user_id", "user_id"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    # Only the digest is kept, so that a copy of the database is no key to the service.
    Column("sha256", String(64), nullable=False, unique=True),
    Column("scopes", Document, nullable=False, server_default=text("'[]'")),
    moment("created_at", required=True),
    moment("expires_at"),
    moment("revoked_at"),
    moment("last_used_at"),
    Index("ix_api_tokens_tenant_id_user_id", "tenant_id", "user_id"),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("provider", String(60), nullable=False),
    Column("name", String(200), nullable=False),
    Column("hint", String(20), nullable=False),
    Column("base_url", Text, nullable=True),
    Column("default_model", String(300), nullable=True),
    Column("sealed", LargeBinary, nullable=False),
    # The data key of `sealed`, wrapped by the key-encryption key of this name.
    Column("key_name", String(60), nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("active", Boolean, nullable=False),
    moment("created_at", required=True),
    moment("updated_at", required=True),
    moment("deactivated_at"),
    Index(
        "uq_credentials_active",
        "tenant_id",
        "provider",
        unique=True,
        sqlite_where=text("active"),
        postgresql_where=text("active"),
    ),
    Index("ix_credentials_key_name", "key_name"),
)

budgets = Table(
    "budgets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    # Null: of the whole tenant.
    Column("user_id", String(200), nullable=True),
    Column("window", String(20), nullable=False),
    Column("limit_usd", Money, nullable=False),
    Column("alert_usd", Money, nullable=True),
    moment("created_at", required=True),
    UniqueConstraint("tenant_id", "user_id", "window"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(60), nullable=False),
    Column("target", Text, nullable=True),
    Column("details", Document, nullable=False, server_default=text("'{}'")),
    moment("created_at", required=True),
    Index("ix_audit_tenant_id_created_at", "tenant_id", "created_at"),
)
