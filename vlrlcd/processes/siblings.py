"""The other processes of the run on this machine: a death among them must not leave the rest waiting."""

import os
import socket
import sys
import threading

import psutil

from vlrlcd.processes import ranks

POLL_S = 1.0
GRACE_S = 10.0
"""How long a process has to notice a death by itself, from a closed connection, before it is ended."""


class Siblings:
    """Knows the processes of this machine from the start, and watches them inside a `with`.

    A collective call whose partner died may wait for ever: on a GPU nothing tells it, and DeepSpeed's launcher waits
    half a minute for each process that does not end by itself.
    """

    def __init__(self):
        """Collective."""
        mine = (socket.gethostname(), ranks.rank(), os.getpid())
        everyone = ranks.collected([mine])
        self._others = {r: psutil.Process(pid) for host, r, pid in everyone if host == mine[0] and r != mine[1]}
        self._finished = threading.Event()

    def __enter__(self) -> "Siblings":
        self._finished.clear()
        if self._others:
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._finished.set()

    def lost(self) -> str | None:
        """One sentence about a process that ended before this one, None if there is none."""
        gone = next((f"rank {r} (process {p.pid})" for r, p in self._others.items() if _ended(p)), None)
        return gone and (
            f"{gone} ended before its time: its own words stand above, or it was killed from outside, often for want "
            "of memory; what was saved is kept (--run.resume=true)."
        )

    def _watch(self) -> None:
        while not self._finished.wait(POLL_S):
            if told := self.lost():
                if not self._finished.wait(GRACE_S):
                    print(f"\nrank {ranks.rank()}: error: {told}", file=sys.stderr, flush=True)
                    os._exit(1)
                return


def _ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
