"""Who is asking for what, so that two collectors on one store do not both pay for an answer."""

import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

import psutil

LEASE_S = 60.0
"""A collector that has not been seen for so long is taken for dead, and its claims are free."""


def new_collector() -> str:
    """A name for this process's collection."""
    return uuid4().hex


class Claims:
    """The claims of an anchor store, inside a transaction of its own."""

    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection

    def seen(self, collector: str) -> None:
        """Says that this process's collector is alive; at least every `LEASE_S`."""
        started = psutil.Process().create_time()
        row = (collector, _here(), os.getpid(), started, time.time())
        self._connection.execute("INSERT OR REPLACE INTO collectors VALUES (?, ?, ?, ?, ?)", row)

    def claim(self, collector: str, keys: Iterable[str]) -> set[str]:
        """Claims what nobody alive holds and nobody has answered. Returns what this collector now holds of the keys."""
        wanted = json.dumps(list(keys))
        self._free_the_dead(collector)
        self._connection.execute(
            "INSERT OR IGNORE INTO claims SELECT value, ? FROM json_each(?) "
            "WHERE value NOT IN (SELECT key FROM anchors)",
            (collector, wanted),
        )
        held = "SELECT key FROM claims WHERE collector = ? AND key IN (SELECT value FROM json_each(?))"
        return {key for (key,) in self._connection.execute(held, (collector, wanted))}

    def free(self, keys: Iterable[str]) -> None:
        """Frees the keys, whoever holds them."""
        self._connection.executemany("DELETE FROM claims WHERE key = ?", [(key,) for key in keys])

    def leave(self, collector: str) -> None:
        """Frees whatever the collector still holds."""
        self._connection.execute("DELETE FROM claims WHERE collector = ?", (collector,))
        self._connection.execute("DELETE FROM collectors WHERE id = ?", (collector,))

    def _free_the_dead(self, own: str) -> None:
        found = self._connection.execute("SELECT id, host, pid, started, seen FROM collectors WHERE id != ?", (own,))
        for collector, *whereabouts in found.fetchall():
            if not _alive(*whereabouts):
                self.leave(collector)


@cache
def _here() -> str:
    """Where a process id means the same: containers may share a host's name and not its processes."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    return socket.gethostname()


def _alive(host: str, pid: int, started: float, seen: float) -> bool:
    if abs(time.time() - seen) > LEASE_S:
        return False
    if host != _here():
        return True
    try:
        # a process id may have been given to another process since
        return abs(psutil.Process(pid).create_time() - started) < 1
    except psutil.NoSuchProcess:
        return False
