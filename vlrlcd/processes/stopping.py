"""SIGTERM and Ctrl-C: noted when they come, obeyed by all processes at the same place.

Signals belong to the whole process, so the note does too.
"""

import signal
import threading

from vlrlcd.processes import ranks

_asked = threading.Event()


class Stopped(BaseException):
    """A signal came and everything worth keeping is saved; `run` is the run's folder.

    No Exception, or what guards against bad images catches it.
    """

    run = None


def listen() -> None:
    """From here on a signal is only noted. A step or a batch at hand is finished, so nothing is half done."""
    _asked.clear()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: _asked.set())


def stop_asked() -> bool:
    """Whether a signal has reached any of the processes. Collective."""
    return ranks.any_of(_asked.is_set())


def stop_if_asked() -> None:
    """Raises Stopped in all processes if a signal has reached any. Collective."""
    if stop_asked():
        raise Stopped
