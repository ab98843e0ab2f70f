"""How a process of a run ends after a failure, so that the first error is the only one and nobody is left waiting."""

import errno
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from tqdm import tqdm

from vlrlcd.errors import UserError

if TYPE_CHECKING:
    from vlrlcd.processes.siblings import Siblings

HOLD_BACK_S = 5.0
"""What every process trips over before they met, the first one says for all: meanwhile the launcher ends the others."""

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
AFTER_FULL = (
    "free some space and give the same command again, for a run with --run.name=NAME --run.resume=true. What was saved "
    "before is whole."
)

siblings: "Siblings | None" = None
"""The processes of this machine, once they have met."""


def run(main: Callable[[], Any], mistakes: Callable[[], tuple[type[Exception], ...]] = lambda: (UserError,)) -> None:
    """Runs a script's main; a user's mistake ends in its sentence on stderr and exit code 2, without a stack trace.

    What counts as one is asked once something has gone wrong.

    Of several processes that stumble over the same, the first one speaks.
    """
    try:
        main()
    except mistakes() as error:
        leave(2, f"error: {error}", own_fault=True)
    except KeyboardInterrupt:
        leave(1, "stopped before anything was begun", own_fault=True)
    except Exception as error:
        if is_full(error):
            leave(2, f"error: the disk is full ({error}): {AFTER_FULL}", own_fault=True)
        leave(1, cut_off(error) or traceback.format_exc(), own_fault=False)


def is_full(error: Exception) -> bool:
    """Whether nothing more can be written, as Python or a library in Rust says it."""
    return getattr(error, "errno", None) in DISK_FULL or any(f"os error {n})" in str(error) for n in DISK_FULL)


def cut_off(error: Exception) -> str | None:
    """One sentence, if it is gloo's word that a process on another machine is gone."""
    told = re.search(r"gloo/transport/\S+\] (.+?)(\. |$)", str(error))
    if not (told and siblings and siblings.elsewhere):
        return None
    return (
        f"error: the connection to another machine broke ({told[1]}): a process ended there, or cannot be reached any "
        "more; see what that machine said. What was saved is kept (--run.resume=true)."
    )


def leave(code: int, words: str, own_fault: bool) -> NoReturn:
    """Says what went wrong, unless another process has, and ends the process.

    Args:
        code: exit code.
        words: the sentence or the stack trace.
        own_fault: False if the failure may only follow from another process's death, which is then said instead.
    """
    for bar in list(getattr(tqdm, "_instances", ())):
        bar.close()
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        print(words, file=sys.stderr)
        raise SystemExit(code)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_DFL)
    if rank := int(os.environ.get("RANK", "0")):
        # the first process may have left a line unfinished
        words = f"\nrank {rank}: {words}"
    if siblings:
        with siblings.first_word() as mine:
            if mine:
                print((not own_fault and siblings.lost_by_now()) or words, file=sys.stderr, flush=True)
    else:
        time.sleep(HOLD_BACK_S if rank else 0)
        print(words, file=sys.stderr, flush=True)
    # an ordinary exit waits for communicators whose partners are gone
    os._exit(code)
