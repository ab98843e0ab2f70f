"""eval.json: `{task: {split: {stage: {metric: {value, low, high, n}}}}}`."""

import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vlrlcd.errors import UserError
from vlrlcd.evaluation.intervals import Metric
from vlrlcd.files import write_whole

STAGE = "student"
"""What belongs to no stage of a run: an evaluation by itself."""

OF_A_JUDGE = ("win_rate", "judge_")
"""How the metrics begin that `vlrlcd.judging` adds to a stage."""

Table = dict[str, dict[str, dict[str, dict[str, Metric]]]]


def read_table(path: Path) -> Table:
    """What the file holds; nothing where there is none. Raises UserError if it cannot be read."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}): move it away.") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} must hold an object of tasks: move it away.")
    return found


def put_evaluation(path: Path, task: str, split: str, stage: str, metrics: dict[str, Metric]) -> None:
    """Puts an evaluation of a stage into the file, in the place of an earlier one; what a judge found of it stays.

    Raises UserError if what is there cannot be read.
    """
    _change(path, task, split, stage, metrics, kept=lambda name: name.startswith(OF_A_JUDGE))


def add_metrics(
    path: Path, task: str, split: str, stage: str, metrics: dict[str, Metric], instead_of: tuple[str, ...]
) -> None:
    """Puts metrics of a stage into the file, beside whatever else stands there.

    Metrics of the stage whose names begin as one of `instead_of` are taken out first: they belong to an earlier
    measurement. Raises UserError if what is there cannot be read.
    """
    _change(path, task, split, stage, metrics, kept=lambda name: not name.startswith(instead_of))


def _change(
    path: Path, task: str, split: str, stage: str, metrics: dict[str, Metric], kept: Callable[[str], bool]
) -> None:
    """In one step, and one command after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        table = read_table(path)
        stages = table.setdefault(task, {}).setdefault(split, {})
        before = {name: metric for name, metric in stages.get(stage, {}).items() if kept(name)}
        stages[stage] = {**before, **metrics}
        write_whole(path, json.dumps(table, indent=1, ensure_ascii=False) + "\n")
