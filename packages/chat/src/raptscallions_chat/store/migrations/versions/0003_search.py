"""Full-text search of messages: an index of PostgreSQL, or SQLite's FTS5 kept by triggers.

Neither is in the metadata, because each database has its own; `store/search.py` asks them.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# A document of a full-text index may not be longer than a megabyte; what is beyond this is not found, but stored.
_INDEXED = "to_tsvector('simple', left(text, 100000))"

# Messages have ids that are no whole numbers, which FTS5 needs; the rows of its own that SQLite numbers may change.
_SQLITE = (
    "CREATE TABLE message_search_ids (id INTEGER PRIMARY KEY, message_id CHAR(32) NOT NULL UNIQUE)",
    """CREATE VIEW message_search_texts AS
        SELECT message_search_ids.id AS id, messages.text AS text
        FROM message_search_ids JOIN messages ON messages.id = message_search_ids.message_id""",
    """CREATE VIRTUAL TABLE message_search USING fts5(
        text, content='message_search_texts', content_rowid='id', tokenize='unicode61 remove_diacritics 2')""",
    """CREATE TRIGGER message_search_insert AFTER INSERT ON messages WHEN new.text <> '' BEGIN
        INSERT INTO message_search_ids (message_id) VALUES (new.id);
        INSERT INTO message_search (rowid, text)
            SELECT id, new.text FROM message_search_ids WHERE message_id = new.id;
    END""",
    """CREATE TRIGGER message_search_update AFTER UPDATE OF text ON messages WHEN new.text <> old.text BEGIN
        INSERT INTO message_search (message_search, rowid, text)
            SELECT 'delete', id, old.text FROM message_search_ids WHERE message_id = old.id;
        INSERT OR IGNORE INTO message_search_ids (message_id) VALUES (new.id);
        INSERT INTO message_search (rowid, text)
            SELECT id, new.text FROM message_search_ids WHERE message_id = new.id;
    END""",
    """CREATE TRIGGER message_search_delete AFTER DELETE ON messages BEGIN
        INSERT INTO message_search (message_search, rowid, text)
            SELECT 'delete', id, old.text FROM message_search_ids WHERE message_id = old.id;
        DELETE FROM message_search_ids WHERE message_id = old.id;
    END""",
    "INSERT INTO message_search_ids (message_id) SELECT id FROM messages WHERE text <> ''",
    "INSERT INTO message_search (message_search) VALUES ('rebuild')",
)


def upgrade() -> None:
    """Make the change."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE INDEX message_search ON messages USING gin ({_INDEXED})")
        return
    for statement in _SQLITE:
        op.execute(statement)


def downgrade() -> None:
    """Take the change back."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX message_search")
        return
    for name in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER message_search_{name}")
    op.execute("DROP TABLE message_search")
    op.execute("DROP VIEW message_search_texts")
    op.execute("DROP TABLE message_search_ids")
