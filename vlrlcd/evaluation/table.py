"""eval.json: `{task: {split: {stage: {metric: {value, low, high, n}}}}}`."""

import json
import os
from pathlib import Path
from typing import Any

from vlrlcd.errors import UserError
from vlrlcd.evaluation.intervals import Metric

STAGE = "student"
"""What belongs to no stage of a run: an evaluation by itself."""

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


def add_metrics(
    path: Path, task: str, split: str, stage: str, metrics: dict[str, Metric], instead_of: tuple[str, ...] = ()
) -> None:
    """Puts metrics of a stage into the file, beside whatever else stands there; in one step.

    Metrics of the stage whose names begin as one of `instead_of` are taken out first: they belong to an earlier
    measurement. Raises UserError if what is there cannot be read.
    """
    table = read_table(path)
    stages = table.setdefault(task, {}).setdefault(split, {})
    kept = {name: metric for name, metric in stages.get(stage, {}).items() if not name.startswith(instead_of)}
    stages[stage] = {**kept, **metrics}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)
