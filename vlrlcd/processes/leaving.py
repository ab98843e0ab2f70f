"""How a process of a run ends after a failure, so that the first error stands on top and nobody is left waiting."""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from tqdm import tqdm

HOLD_BACK_S = 5.0
"""What every process trips over, the first one says for all: the launcher ends the others within this time."""
NOTICE_S = 2.0
"""How long it may take until the death of a process shows on its machine."""

who_is_lost: list[Callable[[], str | None]] = []
"""Filled when the processes have met: one sentence about a process that died before this one."""


def leave(code: int, words: str, own_fault: bool) -> NoReturn:
    """Says what went wrong and ends the process.

    Args:
        code: exit code.
        words: the sentence or the stack trace.
        own_fault: False if the failure may only follow from another process's death, which is then said instead.
    """
    rank, alone = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")) == 1
    for bar in list(getattr(tqdm, "_instances", ())):
        bar.close()
    if alone:
        print(words, file=sys.stderr)
        raise SystemExit(code)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_DFL)
    lost = None if own_fault else _lost()
    if not lost and rank:
        time.sleep(HOLD_BACK_S)
    said = f"error: {lost}" if lost else words
    # the first process may have left a line unfinished
    print(f"\nrank {rank}: {said}" if rank else said, file=sys.stderr, flush=True)
    # an ordinary exit waits for communicators whose partners are gone
    os._exit(code)


def _lost() -> str | None:
    deadline = time.monotonic() + NOTICE_S
    while who_is_lost:
        told = who_is_lost[0]()
        if told or time.monotonic() > deadline:
            return told
        time.sleep(0.1)
    return None
