"""The other processes of the run on this machine: a death among them must not leave the rest waiting."""

import fcntl
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from vlrlcd.processes import ranks

POLL_S = 1.0
GRACE_S = 10.0
"""How long a process has to notice a death by itself, from a closed connection, before it is ended."""
NOTICE_S = 2.0
"""How long it may take until the death of a process shows on its machine."""


class Siblings:
    """Knows the processes of this machine from the start, and watches them inside a `with`.

    A collective call whose partner died may wait for ever: on a GPU nothing tells it, and DeepSpeed's launcher waits
    half a minute for each process that does not end by itself.

    Attributes:
        elsewhere: whether there are processes on other machines.
    """

    def __init__(self):
        """Collective."""
        machine, rank = _machine(), ranks.rank()
        here = {r: pid for m, r, pid in ranks.collected([(machine, rank, os.getpid())]) if m == machine}
        self.elsewhere = len(here) < ranks.count()
        self._others = {r: psutil.Process(pid) for r, pid in here.items() if r != rank}
        self._finished = threading.Event()
        self._words = _nameless_file(machine, rank, leader=min(here))

    def __enter__(self) -> "Siblings":
        self._finished.clear()
        if self._others:
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._finished.set()

    @contextmanager
    def first_word(self) -> Iterator[bool]:
        """Whether no process of this machine has said what went wrong; whoever asks first is the one to say it."""
        fcntl.flock(self._words, fcntl.LOCK_EX)
        try:
            yield os.fstat(self._words).st_size == 0
        finally:
            os.write(self._words, b"!")
            fcntl.flock(self._words, fcntl.LOCK_UN)

    def lost(self) -> str | None:
        """One sentence about a process that ended before this one, None if there is none."""
        gone = next((f"rank {r} (process {p.pid})" for r, p in self._others.items() if _ended(p)), None)
        return gone and (
            f"error: {gone} ended before its time and without a word: it was killed from outside, often for want of "
            "memory; what was saved is kept (--run.resume=true)."
        )

    def lost_by_now(self) -> str | None:
        """As `lost`, after the time that a death may need to show."""
        deadline = time.monotonic() + NOTICE_S
        while not (told := self.lost()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return told

    def _watch(self) -> None:
        while not self._finished.wait(POLL_S):
            if (told := self.lost()) and not self._finished.wait(GRACE_S):
                with self.first_word() as mine:
                    if mine:
                        print(f"\n{told}", file=sys.stderr, flush=True)
                os._exit(1)


def _ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _machine() -> str:
    """What processes that can see each other share: host name, boot, and process numbers (not so in containers)."""
    namespace = Path("/proc/self/ns/pid")
    boot = Path("/proc/sys/kernel/random/boot_id")
    return socket.gethostname() + (f" {boot.read_text()} {os.readlink(namespace)}" if namespace.exists() else "")


def _nameless_file(machine: str, rank: int, leader: int) -> int:
    """A file that the processes of one machine hold open and that is gone with the last of them. Collective."""
    descriptor, made = tempfile.mkstemp(prefix="vlrlcd-") if rank == leader else (None, None)
    paths = {m: path for m, path in ranks.collected([(machine, made)]) if path}
    if descriptor is None:
        # opened anew, because a lock belongs to an opened file
        descriptor = os.open(paths[machine], os.O_RDWR)
    ranks.largest(0)
    if made:
        os.unlink(made)
    return descriptor
