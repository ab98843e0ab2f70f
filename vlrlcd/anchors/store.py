"""Anchors in one SQLite file: what was paid for survives every crash."""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from vlrlcd.anchors import schema
from vlrlcd.anchors.anchor import COLUMNS, Anchor
from vlrlcd.anchors.claims import Claims
from vlrlcd.anchors.ledger import Ledger
from vlrlcd.errors import UserError

NAMES = ", ".join(COLUMNS)
INSERT = f"INSERT OR IGNORE INTO anchors ({NAMES}, digest) VALUES ({', '.join('?' * len(COLUMNS))}, ?)"
SELECT = f"SELECT {NAMES} FROM anchors"
WAIT_S = 30.0
CURES = {
    "full": "free some disk space and run again; nothing stored is lost",
    "disk I/O error": "see that the disk works, has room and lets files grow, and run again; nothing stored is lost",
    "locked": "another process keeps it locked; stop that process or wait for it",
    "readonly": "make the file and its folder writable",
    "unable to open": "give a path to a file in a writable folder",
}
LOCKED = retry_if_exception(lambda fault: isinstance(fault, sqlite3.OperationalError) and "locked" in str(fault))
DEFAULT_CURE = "give another path, or move the file away and collect the anchors again"


class AnchorStore:
    """An open anchor file; a context manager. Made if absent. One writer and many readers at a time.

    Args:
        path: the SQLite file.
        make: False refuses a path where no file is.

    Raises:
        UserError: from any method, when the file is not an anchor store, is damaged, was written by a newer
            version, or cannot be written; names the file and the cure.
    """

    def __init__(self, path: Path | str, make: bool = True) -> None:
        self.path = Path(path)
        if not make and not self.path.is_file():
            raise UserError(f"{self.path} does not exist: give the path of an anchor store.")
        with self._faults_named():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._connected()
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

    def __iter__(self) -> Iterator[Anchor]:
        """Every anchor, in the order of the keys."""
        with self._faults_named():
            for row in self._connection.execute(f"{SELECT} ORDER BY key"):
                yield self._anchor(row)

    def get(self, key: str) -> Anchor | None:
        """The anchor with this key, or None."""
        with self._faults_named():
            row = self._connection.execute(f"{SELECT} WHERE key = ?", (key,)).fetchone()
        return self._anchor(row) if row else None

    def _anchor(self, row: tuple[Any, ...]) -> Anchor:
        try:
            return Anchor.from_row(row)
        except (ValueError, TypeError) as fault:
            raise UserError(
                f"{self.path}: the anchor {row[0]} is damaged ({fault}): restore the file from a copy, or "
                f"{DEFAULT_CURE}."
            ) from None

    def put(self, *anchors: Anchor, ledgers: Mapping[str, Ledger] = MappingProxyType({})) -> int:
        """Stores all of them or none, on disk when it returns; a key already there keeps its first anchor.

        Args:
            anchors: in any number.
            ledgers: what asking took, by collector, added to the file's own accounts in the same transaction.

        Returns:
            How many were new.
        """
        with self._faults_named(), self._transaction():
            rows = [(*anchor.to_row(), anchor.digest) for anchor in anchors]
            new = self._connection.executemany(INSERT, rows).rowcount
            Claims(self._connection).free(anchor.key for anchor in anchors)
            for collector, ledger in ledgers.items():
                ledger.add_to(self._connection, collector)
        return max(new, 0)

    def missing(self, keys: Iterable[str]) -> set[str]:
        """The keys that have no anchor yet."""
        wanted = set(keys)
        with self._faults_named():
            query = "SELECT key FROM anchors WHERE key IN (SELECT value FROM json_each(?))"
            return wanted - {key for (key,) in self._connection.execute(query, (json.dumps(list(wanted)),))}

    def accounted(self, collectors: Iterable[str]) -> set[str]:
        """Those of the collectors that have an account."""
        with self._faults_named():
            query = "SELECT DISTINCT collector FROM ledger WHERE collector IN (SELECT value FROM json_each(?))"
            return {name for (name,) in self._connection.execute(query, (json.dumps(list(collectors)),))}

    def ledger(self, model: str | None = None) -> Ledger:
        """What all collections into this file took together, of one teacher or of all."""
        with self._faults_named():
            return Ledger.read(self._connection, model)

    @contextmanager
    def claims(self) -> Iterator[Claims]:
        """Who is asking for what; a transaction of its own."""
        with self._faults_named(), self._transaction():
            yield Claims(self._connection)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """SQLite's own connection, for whole-file work such as `vlrlcd.anchors.exchange`."""
        with self._faults_named():
            yield self._connection

    def _connected(self) -> sqlite3.Connection:
        # a collection writes from one thread of its own and never from two at once
        how = {"timeout": WAIT_S, "isolation_level": None, "check_same_thread": False}
        if os.access(self.path.parent, os.W_OK) or not self.path.is_file():
            return sqlite3.connect(self.path, **how)
        # the data may lie on a file system that is only read; a log beside the file would be passed over
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.is_file() and log.stat().st_size:
            raise UserError(f"{self.path} was not closed in order: open it once where its folder can be written to.")
        return sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, **how)

    def _open(self) -> None:
        # An answer was paid for: FULL syncs each commit, so it also survives a power cut.
        self._connection.execute("PRAGMA synchronous = FULL")
        if self._is_empty():
            # alone among statements this one does not wait for a lock
            for attempt in Retrying(stop=stop_after_delay(WAIT_S), wait=wait_fixed(0.05), retry=LOCKED, reraise=True):
                with attempt:
                    self._connection.execute("PRAGMA journal_mode = WAL")
        else:
            self._check()
        if schema.version(self._connection) < schema.SCHEMA_VERSION:
            with self._transaction():
                schema.migrate(self._connection)

    def _is_empty(self) -> bool:
        return not self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]

    def _check(self) -> None:
        if schema.pragma(self._connection, "application_id") != schema.APPLICATION_ID:
            raise UserError(f"{self.path} is an SQLite file but no anchor store: {DEFAULT_CURE}.")
        if (found := schema.version(self._connection)) > schema.SCHEMA_VERSION:
            raise UserError(
                f"{self.path} has anchor schema {found}, this version of vlrlcd reads up to "
                f"{schema.SCHEMA_VERSION}: update vlrlcd, or give another path."
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.commit()
        except BaseException:
            # a full disk may have rolled it back already
            if self._connection.in_transaction:
                self._connection.rollback()
            raise

    @contextmanager
    def _faults_named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as fault:
            cure = next((cure for word, cure in CURES.items() if word in str(fault)), DEFAULT_CURE)
            raise UserError(f"{self.path} cannot be used as an anchor store ({fault}): {cure}.") from fault
