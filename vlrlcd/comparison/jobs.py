"""What is run as a process: what a cell needs, the cell, and its student asked other questions."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlrlcd.comparison.cells import Cell, as_flags, asked_folder, same_seconds_epochs
from vlrlcd.comparison.plan import Comparison, Settings
from vlrlcd.errors import UserError

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Job:
    """Attributes:
    name: unique; of a cell it is the cell's.
    log: takes what the process says.
    needs: names of jobs that must be finished before.
    finished: whether there is nothing to do any more.
    command: made when its turn comes, for it may depend on what others measured; raises UserError.
    ended: called after a process that ended well.
    phases: seconds by phase of what is finished.
    """

    name: str
    log: Path
    needs: tuple[str, ...]
    finished: Callable[[], bool]
    command: Callable[[], list[str]]
    ended: Callable[[], Any] = lambda: None
    phases: Callable[[], dict[str, float]] = dict


def jobs(plan: Comparison, cells: list[Cell]) -> list[Job]:
    """Everything that the cells' table needs, each before what needs it.

    Raises:
        UserError: a setting that cannot be, or a cell that was begun with other settings; a script that is not there.
    """
    by_name = {cell.name: cell for cell in cells}
    builds = {path: _build(Path(path), command) for path, command in plan.builds.items()}
    trained = [_training(cell, by_name, builds) for cell in cells]
    asked = [
        _asking(cell, row.chosen.settings, builds)
        for row in plan.rows.values()
        if row.chosen
        for cell in cells
        if cell.row.name in row.chosen.among
    ]
    found = {job.name: job for job in (*trained, *asked)}
    needed = {name for job in found.values() for name in job.needs}
    return [job for job in builds.values() if job.name in needed] + list(found.values())


def with_needs(wanted: list[Job], known: list[Job]) -> list[Job]:
    """The jobs and all that they need, in the order of `known`."""
    by_name, names = {job.name: job for job in known}, set()
    waiting = list(wanted)
    while waiting:
        job = waiting.pop()
        if job.name not in names:
            names.add(job.name)
            waiting += [by_name[name] for name in job.needs]
    return [job for job in known if job.name in names]


def _build(path: Path, command: list[str]) -> Job:
    script, *flags = command
    if not (ROOT / script).is_file():
        raise UserError(f"builds: {path} is to be made by {script}, and there is no such script.")
    # what is built to half its length is never taken for the whole
    partial = path.with_name(f".{path.name}.partial")

    def prepared() -> list[str]:
        shutil.rmtree(partial, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        return [sys.executable, str(ROOT / script), *(word.replace("{out}", str(partial)) for word in flags)]

    return Job(
        f"build {path}",
        path.with_name(f"{path.name}.log"),
        (),
        path.exists,
        prepared,
        lambda: partial.exists() and partial.rename(path),
    )


def _needed(builds: dict[str, Job], config: dict[str, dict]) -> list[str]:
    values = {str(value) for keys in config.values() for value in keys.values()}
    return [job.name for path, job in builds.items() if path in values]


def _training(cell: Cell, by_name: dict[str, Cell], builds: dict[str, Job]) -> Job:
    needs, measured = _needed(builds, cell.wanted()), {}
    if way := cell.row.same_seconds:
        measured = {name: by_name[f"{cell.regime}/{getattr(way, name)}/{cell.seed}"] for name in ("of", "pace")}
        needs += [other.name for other in measured.values()]
    cell.refuse_changes(_epochs(measured))

    def command() -> list[str]:
        cell.refuse_changes(epochs := _epochs(measured))
        return [sys.executable, str(ROOT / "scripts/train.py"), *cell.flags(epochs)]

    return Job(
        cell.name,
        cell.log,
        tuple(needs),
        lambda: cell.finished,
        command,
        phases=lambda: cell.facts()["phase_seconds"],
    )


def _epochs(measured: dict[str, Cell]) -> float | None:
    return same_seconds_epochs(**measured) if measured and all(c.finished for c in measured.values()) else None


def _asking(cell: Cell, settings: Settings, builds: dict[str, Job]) -> Job:
    folder = asked_folder(cell, settings)
    student = {"model.checkpoint": str(cell.folder / "student")}
    command = [sys.executable, str(ROOT / "scripts/evaluate.py"), f"--config={cell.folder / 'config.yaml'}"]
    command += [f"--output={folder}", *as_flags([{"evaluation.controls": []}, settings, student])]
    needs = (*_needed(builds, {"asked": settings}), cell.name)
    name, log = f"{cell.name}/{folder.name}", folder.with_name(f"{folder.name}.log")
    return Job(name, log, needs, (folder / "eval.json").exists, lambda: command)
