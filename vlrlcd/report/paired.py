"""By how much a run differs from another, question by question."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vlrlcd.evaluation.intervals import differences, interval
from vlrlcd.report.answers import PREFIX, SUFFIX
from vlrlcd.report.lines import Row, rows
from vlrlcd.report.read import number
from vlrlcd.report.wording import HEADLINES

RESAMPLES, SEED = 2000, 0
Rows = dict[str, Row]
"""By the id of the question."""


@dataclass(frozen=True)
class Paired:
    """Mean difference with its 95 % paired bootstrap interval over the `pairs` that both runs have a value for.

    `alone` counts the questions that only one of the two was asked or scored in.
    """

    value: float
    low: float
    high: float
    pairs: int
    alone: int


def predictions(folder: Path, split: str, stage: str, notes: list[str]) -> Rows:
    """What a stage answered to the questions of a split; empty where the run has left no such file."""
    found = rows(folder / f"{PREFIX}{split}_{stage}{SUFFIX}", notes)
    return {str(row["id"]): row for _, row in found if "id" in row}


def paired(ours: Rows, theirs: Rows) -> dict[str, Paired]:
    """Ours less theirs, by headline metric; without those that no question has in both."""
    found = {metric: _paired(_values(ours, metric), _values(theirs, metric)) for metric in HEADLINES}
    return {metric: difference for metric, difference in found.items() if difference}


def _values(of: Rows, metric: str) -> dict[str, float]:
    values = {name: number(row.get(metric)) for name, row in of.items()}
    return {name: value for name, value in values.items() if value is not None}


def _paired(ours: Mapping[str, float], theirs: Mapping[str, float]) -> Paired | None:
    names = [name for name in ours if name in theirs]
    if not names:
        return None
    changes = differences([ours[name] for name in names], [theirs[name] for name in names])
    found = interval(changes, RESAMPLES, SEED)
    alone = len(ours) + len(theirs) - 2 * len(names)
    return Paired(found["value"], found["low"], found["high"], len(names), alone)
