"""Every table, for SQLite and PostgreSQL alike: SQLAlchemy Core, no classes.

Ids are UUIDv7, times are UTC, money is decimal. `tenant_id` comes first in every index by which a tenant finds its own.
"""

from raptscallions_chat.store.schema.columns import metadata
from raptscallions_chat.store.schema.conversations import (
    answer_pieces,
    attachments,
    conversations,
    message_audit,
    messages,
    summaries,
    tools,
)
from raptscallions_chat.store.schema.runs import idempotency, runs, tool_approvals, usage, workers
from raptscallions_chat.store.schema.tenants import api_tokens, audit, budgets, credentials, members, tenants

__all__ = [
    "answer_pieces",
    "api_tokens",
    "attachments",
    "audit",
    "budgets",
    "conversations",
    "credentials",
    "idempotency",
    "members",
    "message_audit",
    "messages",
    "metadata",
    "runs",
    "summaries",
    "tenants",
    "tool_approvals",
    "tools",
    "usage",
    "workers",
]
