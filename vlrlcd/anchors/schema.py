"""The tables of an anchor store, version by version."""

import sqlite3

APPLICATION_ID = 0x524C4344

ANCHORS = """
CREATE TABLE anchors (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, request TEXT NOT NULL, text TEXT NOT NULL,
    finish_reason TEXT NOT NULL, usage TEXT NOT NULL, flags TEXT NOT NULL,
    created TEXT NOT NULL, latency_s REAL NOT NULL, cost_usd REAL
) WITHOUT ROWID
"""
ANSWERED_BY = "ALTER TABLE anchors ADD COLUMN answered_by TEXT NOT NULL DEFAULT ''"
DIGEST = "ALTER TABLE anchors ADD COLUMN digest TEXT NOT NULL DEFAULT ''"
COLLECTORS = """
CREATE TABLE collectors (
    id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, started REAL NOT NULL, seen REAL NOT NULL
) WITHOUT ROWID
"""
CLAIMS = "CREATE TABLE claims (key TEXT PRIMARY KEY, collector TEXT NOT NULL) WITHOUT ROWID"
LEDGER = """
CREATE TABLE ledger (
    collector TEXT NOT NULL, model TEXT NOT NULL, outcome TEXT NOT NULL, calls INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, image_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, cost_usd REAL NOT NULL, unpriced INTEGER NOT NULL,
    PRIMARY KEY (collector, model, outcome)
) WITHOUT ROWID
"""

STEPS: tuple[tuple[str, ...], ...] = ((ANCHORS,), (ANSWERED_BY, DIGEST, COLLECTORS, CLAIMS, LEDGER))
"""What leads from each version to the next; version 0 is an empty file."""
SCHEMA_VERSION = len(STEPS)


def version(connection: sqlite3.Connection) -> int:
    """The schema version that stands in the file."""
    return pragma(connection, "user_version")


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """The value of a PRAGMA that holds a number."""
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def migrate(connection: sqlite3.Connection) -> None:
    """Brings the tables to `SCHEMA_VERSION`; the caller's transaction makes it all or nothing."""
    for step in STEPS[version(connection) :]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
