"""eval.json: `{task: {split: {stage: {metric: {value, low, high, n}}}}}`."""

import json
import os
from pathlib import Path
from typing import Any

from vlrlcd.errors import UserError
from vlrlcd.evaluation.intervals import Metric

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


def add_metrics(path: Path, task: str, split: str, stage: str, metrics: dict[str, Metric]) -> None:
    """Puts metrics of a stage into the file, beside whatever else stands there; in one step.

    Raises UserError if what is there cannot be read.
    """
    table = read_table(path)
    of_stage = table.setdefault(task, {}).setdefault(split, {}).setdefault(stage, {})
    of_stage.update(metrics)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)
