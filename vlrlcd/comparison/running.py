"""Jobs as processes, some at once: one that fails is told and the others go on."""

import fcntl
import json
import os
import re
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from vlrlcd.comparison.jobs import Job
from vlrlcd.errors import UserError

LOOK_EVERY_S = 0.2
DONE, FAILED, STOPPED = "done", "failed", "stopped"
LONGEST_REASON = 300


@contextmanager
def alone(folder: Path) -> Iterator[IO[str]]:
    """Holds the comparison's folder, and its processes hold it too: after a kill -9 they may outlive this one.

    Raises:
        UserError: another comparison, or a cell that one left behind, still works in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{folder} is being worked in by another process: wait for it or stop it.") from None
        yield lock


class History:
    """jobs.jsonl: every process that ended, with its outcome and seconds."""

    def __init__(self, folder: Path):
        self.path = folder / "jobs.jsonl"
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        # a line that a kill cut short has no end
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def add(self, job: Job, outcome: str, seconds: float, reason: str) -> None:
        line = {"job": job.name, "outcome": outcome, "seconds": round(seconds, 1), "reason": reason}
        self.lines.append({**line, "log": str(job.log), "ended": time.strftime("%Y-%m-%d %H:%M:%S")})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.lines[-1], ensure_ascii=False) + "\n")

    def failed(self, jobs: list[Job]) -> dict[str, dict[str, Any]]:
        """The last line of each job that has not come to its end since."""
        last = {line["job"]: line for line in self.lines}
        return {
            job.name: last[job.name]
            for job in jobs
            if last.get(job.name, {}).get("outcome") == FAILED and not job.finished()
        }

    def estimate(self, job: Job) -> float | None:
        """Seconds by the median of finished jobs of the same row, else of the same row in other regimes."""
        took: dict[str, float] = {}
        for line in self.lines:
            took[line["job"]] = took.get(line["job"], 0.0) + line["seconds"]
        ended = {line["job"] for line in self.lines if line["outcome"] == DONE}
        for kind in (_row, _row_anywhere):
            if known := [took[name] for name in ended if kind(name) == kind(job.name)]:
                return statistics.median(known)
        return None


def _row(name: str) -> str:
    """All but the seed: the third part of a cell's name; of a build, the number in its path."""
    parts = name.split("/")
    return "/".join([*parts[:2], *parts[3:]]) if not name.startswith("build ") else re.sub(r"\d+", "", name)


def _row_anywhere(name: str) -> str:
    return _row(name).split("/", 1)[-1]


class Running:
    """Jobs under way. A signal stops them all, each at a place from which it goes on."""

    def __init__(self, jobs: list[Job], parallel: int, history: History, lock: IO[str]):
        self.waiting, self.parallel, self.history, self.lock = list(jobs), parallel, history, lock
        self.failed: dict[str, str] = {}
        self.stopped = False
        self._under_way: dict[str, tuple[Job, subprocess.Popen, float]] = {}
        self._open = {job.name for job in jobs}

    def run(self) -> None:
        """Returns when nothing is left that could be run, or after a signal."""
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: setattr(self, "stopped", True))
        told = False
        with tqdm(total=len(self.waiting), desc="cells", unit="job", mininterval=2) as bar:
            while self._under_way or (self.waiting and not self.stopped):
                if not self.stopped:
                    self._start_what_can(bar)
                elif not told:
                    self._tell_to_stop()
                    told = True
                for name in [name for name, (_, process, _) in self._under_way.items() if process.poll() is not None]:
                    self._end(name, bar)
                time.sleep(LOOK_EVERY_S)

    def _start_what_can(self, bar: tqdm) -> None:
        for job in list(self.waiting):
            if lost := [need for need in job.needs if need in self.failed]:
                self._fail(job, f"needs {lost[0]}, which failed", 0.0, bar)
            elif len(self._under_way) < self.parallel and not self._open.intersection(job.needs):
                self._start(job, bar)

    def _start(self, job: Job, bar: tqdm) -> None:
        self.waiting.remove(job)
        try:
            command = job.command()
        except UserError as error:
            self._fail(job, str(error), 0.0, bar)
            return
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"OMP_NUM_THREADS": "1", **os.environ},
                # Ctrl-C reaches it once, from here
                start_new_session=True,
                pass_fds=(self.lock.fileno(),),
            )
        self._under_way[job.name] = (job, process, time.monotonic())

    def _end(self, name: str, bar: tqdm) -> None:
        job, process, began = self._under_way.pop(name)
        seconds = time.monotonic() - began
        if process.returncode == 0:
            if not job.finished():
                job.ended()
            if job.finished():
                self.history.add(job, DONE, seconds, "")
                phases = (f"{phase}={spent:.0f}s" for phase, spent in job.phases().items())
                self._close(job, bar, ", ".join([f"{name} {seconds:.0f}s", *phases]))
                return
        if self.stopped:
            self.history.add(job, STOPPED, seconds, "")
        else:
            self._fail(job, _last_words(job.log) or f"exit code {process.returncode}", seconds, bar)

    def _fail(self, job: Job, reason: str, seconds: float, bar: tqdm) -> None:
        if job in self.waiting:
            self.waiting.remove(job)
        self.failed[job.name] = reason
        self.history.add(job, FAILED, seconds, reason)
        bar.write(f"failed  {job.name}: {reason}\n        log: {job.log}")
        self._close(job, bar, f"{job.name} failed")

    def _close(self, job: Job, bar: tqdm, words: str) -> None:
        self._open.discard(job.name)
        bar.set_postfix_str(words, refresh=False)
        bar.update()

    def _tell_to_stop(self) -> None:
        for _, process, _ in self._under_way.values():
            process.terminate()


def _last_words(log: Path) -> str:
    # a progress bar writes over its line
    lines = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines() if log.exists() else []
    return next((line.strip()[:LONGEST_REASON] for line in reversed(lines) if line.strip()), "")
