"""`scripts/report.py --watch` as a process of its own."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[2] / "scripts" / "report.py"
ENDS_WITHIN_S = 20


class Watched:
    """The process and its address."""

    def __init__(self, process: subprocess.Popen, address: str):
        self.process, self.address = process, address

    def ended_by(self, signal: int) -> tuple[int, str]:
        """Exit code and stderr."""
        self.process.send_signal(signal)
        _, complaints = self.process.communicate(timeout=ENDS_WITHIN_S)
        return self.process.returncode, complaints


@contextmanager
def watched(folder: Path, **options: Any) -> Iterator[Watched]:
    """Watches a folder on a free port until the block ends; options are those of `subprocess.Popen`."""
    command = [sys.executable, SCRIPT, "--watch", folder, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options) as process:
        try:
            said = process.stdout.readline()
            found = re.fullmatch(r"live at (http://127\.0\.0\.1:\d+) until Ctrl-C\n", said)
            assert found, said or process.communicate(timeout=ENDS_WITHIN_S)[1]
            yield Watched(process, found[1])
        finally:
            process.kill()
