"""A job forked from a process that has imported everything already, and which phase it is in.

Importing takes most of a start, and a forked process dies of kill -9 as any other does.
"""

import json
import mmap
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.run.jobs import flags
from vlrlcd.checkpoints import PARTIAL
from vlrlcd.cli import parse_config
from vlrlcd.clock import Clock
from vlrlcd.trainer import train

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["vlrlcd.trainer"])
START_UP, BETWEEN = "start-up", "between phases"
IN_STEPS = ("load", "warm up", "look", "sample", "rank", "probe", "train", "optimise", "save")
PHASES = (START_UP, BETWEEN, "start", "evaluate", "calibrate", *IN_STEPS)
BEGINNING = {"stage": "stage1", "step": 0, "tag": None}
POLL_S, LONGEST_S = 0.0002, 600


def job(argv: list[str], board: Path) -> None:
    """What scripts/train.py does; the board shows its phase, as an index of PHASES in one byte."""
    with board.open("r+b") as file, mmap.mmap(file.fileno(), 1) as shown:
        timed = Clock.__call__

        @contextmanager
        def showing(self, phase):
            shown[0] = PHASES.index(phase)
            with timed(self, phase):
                yield
            shown[0] = PHASES.index(BETWEEN)

        Clock.__call__ = showing
        train(parse_config("", argv=argv), "it")


class Forked:
    """A job in a process of its own, in the run `it`."""

    def __init__(self, folder: Path, *settings: dict):
        self.run, self._board = folder / "it", folder / "board"
        self._board.write_bytes(bytes([PHASES.index(START_UP)]))
        argv = flags(*settings, {"run.root": folder, "run.name": "it"})
        self.process = SERVER.Process(target=job, args=(argv, self._board), daemon=True)
        self.process.start()

    def phase(self) -> str:
        """Stage and phase, also of a process that is dead: where it died."""
        phase = PHASES[self._board.read_bytes()[0]]
        if phase == "save" and half_written(self.run / "checkpoints"):
            phase = "checkpoint half written"
        elif phase == "save" and any((self.run / f".{name}{PARTIAL}").exists() for name in ("stage1", "student")):
            phase = "export half written"
        place = place_of(self.run)
        if phase == "evaluate" and place["step"]:
            phase = "last evaluate"
        return f"{place['stage']}, {phase}"

    def phases(self) -> Iterator[str]:
        """Each as it begins, until the process ends."""
        before, deadline = None, time.monotonic() + LONGEST_S
        while self.process.is_alive():
            assert time.monotonic() < deadline
            if (now := self.phase()) != before:
                yield now
            before = now
            time.sleep(POLL_S)

    def kill(self) -> bool:
        """kill -9; whether that is what ended the process."""
        self.process.kill()
        self.process.join()
        return self.process.exitcode == -9


def place_of(run: Path) -> dict:
    """Where a run stands."""
    path = run / "place.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else BEGINNING


def half_written(checkpoints: Path) -> bool:
    """Whether a checkpoint lies there that is not whole."""
    # the folder may go while it is read
    with suppress(FileNotFoundError):
        return any(name.endswith(PARTIAL) for name in os.listdir(checkpoints))
    return False
