"""math-verify in a process of its own, because an answer such as `5!!!` would keep it busy for ever.

Its own time limits are set with SIGALRM, which a thread cannot do and which would meet the signals of a run.
"""

import json
import selectors
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from vlrlcd.errors import UserError

PROGRAM = Path(__file__).with_name("math_verify_program.py")
LIMIT_S = 5.0
START_S = 60.0
"""How long a new process may take until it is ready; sympy alone is seconds on a busy disk."""


class Verifier:
    """Asks one process at a time; a new one takes the place of one that hangs or has died.

    The process ends by itself when this one does: its input closes. Safe to share between threads.
    """

    def __init__(self, limit_s: float = LIMIT_S):
        """Starts nothing yet.

        Args:
            limit_s: seconds after which a comparison is given up.
        """
        self._limit_s, self._lock = limit_s, threading.Lock()
        self._process: subprocess.Popen | None = None
        self.given_up = 0

    def same(self, gold: str, answer: str) -> bool:
        """Whether math-verify takes the answer for the same value; False, and told, where it came to no end.

        Raises:
            UserError: math-verify cannot be started at all.
        """
        with self._lock:
            process = self._running()
            try:
                process.stdin.write(json.dumps([gold, answer]) + "\n")
                process.stdin.flush()
                return json.loads(self._line(process, self._limit_s))
            except (TimeoutError, OSError, ValueError) as error:
                self._end(process)
                self.given_up += 1
                print(f"{answer!r} was not compared with {gold!r} and counts as wrong: {error}", file=sys.stderr)
                return False

    def _running(self) -> subprocess.Popen:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                # Ctrl-C is for the run, which still wants answers on its way out
                start_new_session=True,
            )
            try:
                self._line(self._process, START_S)
            except (TimeoutError, OSError) as error:
                self._end(self._process)
                raise UserError(
                    f"math-verify is installed but does not start ({error}): see why with `python {PROGRAM}`, or "
                    "uninstall it, and answers are compared as strings."
                ) from None
        return self._process

    def _line(self, process: subprocess.Popen, limit_s: float) -> str:
        """The next line of the process. Raises TimeoutError where none comes, OSError where it has died."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            if not waiting.select(limit_s):
                raise TimeoutError(f"math-verify came to no end in {limit_s:g} s")
        line = process.stdout.readline()
        if not line:
            raise OSError("math-verify's process died")
        return line

    def _end(self, process: subprocess.Popen) -> None:
        process.kill()
        process.wait()
        with suppress(OSError):
            process.stdin.close()
        process.stdout.close()
        self._process = None
