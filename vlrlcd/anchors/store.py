"""Anchors in one SQLite file: what was paid for survives every crash."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from vlrlcd.errors import UserError

SCHEMA_VERSION = 1
APPLICATION_ID = 0x524C4344
COLUMNS = ("key", "model", "request", "text", "finish_reason", "usage", "flags", "created", "latency_s", "cost_usd")
SCHEMA = """
CREATE TABLE anchors (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, request TEXT NOT NULL, text TEXT NOT NULL,
    finish_reason TEXT NOT NULL, usage TEXT NOT NULL, flags TEXT NOT NULL,
    created TEXT NOT NULL, latency_s REAL NOT NULL, cost_usd REAL
) WITHOUT ROWID
"""
INSERT = f"INSERT OR IGNORE INTO anchors ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
SELECT = f"SELECT {', '.join(COLUMNS)} FROM anchors WHERE key = ?"
WAIT_S = 30.0
CURES = {
    "full": "free some disk space and run again; nothing stored is lost",
    "locked": "another process keeps it locked; stop that process or wait for it",
    "readonly": "make the file and its folder writable",
    "unable to open": "give a path to a file in a writable folder",
}
DEFAULT_CURE = "give another path, or move the file away and collect the anchors again"


@dataclass(frozen=True)
class Anchor:
    """A stored answer. `request` is the canonical JSON that `key` is the hash of; `created` is ISO 8601 in UTC."""

    key: str
    model: str
    request: str
    text: str
    finish_reason: str = "stop"
    usage: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    latency_s: float = 0.0
    cost_usd: float | None = None


class AnchorStore:
    """An open anchor file; a context manager. Made if absent. One writer and many readers at a time.

    Args:
        path: the SQLite file.

    Raises:
        UserError: from any method, when the file is not an anchor store, is damaged, was written by a newer
            version, or cannot be written; names the file and the cure.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        with self._faults_named():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=WAIT_S, isolation_level=None)
        try:
            with self._faults_named():
                self._open()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; the last one to close folds the write-ahead log into it."""
        self._connection.close()

    def __len__(self) -> int:
        with self._faults_named():
            return self._connection.execute("SELECT count(*) FROM anchors").fetchone()[0]

    def get(self, key: str) -> Anchor | None:
        """The anchor with this key, or None."""
        with self._faults_named():
            row = self._connection.execute(SELECT, (key,)).fetchone()
        return _from_row(row) if row else None

    def put(self, *anchors: Anchor) -> int:
        """Stores all of them or none, on disk when it returns; a key already there keeps its first anchor.

        Returns:
            How many were new.
        """
        with self._faults_named(), self._transaction():
            return self._connection.executemany(INSERT, [_to_row(anchor) for anchor in anchors]).rowcount

    def missing(self, keys: Iterable[str]) -> set[str]:
        """The keys that have no anchor yet."""
        wanted = set(keys)
        with self._faults_named():
            query = "SELECT key FROM anchors WHERE key IN (SELECT value FROM json_each(?))"
            return wanted - {key for (key,) in self._connection.execute(query, (json.dumps(list(wanted)),))}

    def _open(self) -> None:
        # An answer was paid for: FULL syncs each commit, so it also survives a power cut.
        self._connection.execute("PRAGMA synchronous = FULL")
        if self._is_empty():
            self._connection.execute("PRAGMA journal_mode = WAL")
            with self._transaction():
                if self._is_empty():
                    self._create()
        self._check()

    def _is_empty(self) -> bool:
        return not self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]

    def _create(self) -> None:
        self._connection.execute(SCHEMA)
        self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _check(self) -> None:
        if self._pragma("application_id") != APPLICATION_ID:
            raise UserError(f"{self.path} is an SQLite file but no anchor store: {DEFAULT_CURE}.")
        if self._pragma("user_version") > SCHEMA_VERSION:
            raise UserError(
                f"{self.path} has anchor schema {self._pragma('user_version')}, this version of vlrlcd reads "
                f"up to {SCHEMA_VERSION}: update vlrlcd, or give another path."
            )

    def _pragma(self, name: str) -> int:
        return self._connection.execute(f"PRAGMA {name}").fetchone()[0]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    @contextmanager
    def _faults_named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as fault:
            cure = next((cure for word, cure in CURES.items() if word in str(fault)), DEFAULT_CURE)
            raise UserError(f"{self.path} cannot be used as an anchor store ({fault}): {cure}.") from fault


def _to_row(anchor: Anchor) -> tuple[Any, ...]:
    columns = {**vars(anchor), "usage": json.dumps(anchor.usage), "flags": json.dumps(anchor.flags)}
    return tuple(columns[name] for name in COLUMNS)


def _from_row(row: tuple[Any, ...]) -> Anchor:
    columns = dict(zip(COLUMNS, row, strict=True))
    return Anchor(**{**columns, "usage": json.loads(columns["usage"]), "flags": tuple(json.loads(columns["flags"]))})
