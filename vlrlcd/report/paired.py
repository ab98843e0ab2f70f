"""By how much a run differs from another, question by question."""

import json
from dataclasses import dataclass
from pathlib import Path

from vlrlcd.evaluation.intervals import differences, interval
from vlrlcd.evaluation.stages import predictions_name
from vlrlcd.report.lines import Row, rows
from vlrlcd.report.read import mapping, number
from vlrlcd.report.wording import HEADLINES

RESAMPLES, SEED = 2000, 0
Scores = dict[str, dict[str, float]]
"""By question, by headline metric."""


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


def answered(folder: Path, split: str, stage: str, notes: list[str]) -> Scores:
    """The scores of each answer of a stage; empty where the run has left no such file."""
    found = rows(folder / predictions_name(split, stage), notes)
    return {_question(row): _scored(row) for _, row in found if "id" in row}


def paired(ours: Scores, theirs: Scores) -> dict[str, Paired]:
    """Ours less theirs, by headline metric; without those that no question has in both."""
    found = {metric: _paired(_of(ours, metric), _of(theirs, metric)) for metric in HEADLINES}
    return {metric: difference for metric, difference in found.items() if difference}


def _question(row: Row) -> str:
    """What was asked: two data sets may give two questions the same id."""
    doc = mapping(row.get("doc"))
    return json.dumps([row["id"], doc.get("question"), doc.get("choices"), row.get("target")])


def _scored(row: Row) -> dict[str, float]:
    values = {metric: number(row.get(metric)) for metric in HEADLINES}
    return {metric: value for metric, value in values.items() if value is not None}


def _of(scores: Scores, metric: str) -> dict[str, float]:
    return {question: found[metric] for question, found in scores.items() if metric in found}


def _paired(ours: dict[str, float], theirs: dict[str, float]) -> Paired | None:
    both = [question for question in ours if question in theirs]
    if not both:
        return None
    changes = differences([ours[question] for question in both], [theirs[question] for question in both])
    found = interval(changes, RESAMPLES, SEED)
    alone = len(ours) + len(theirs) - 2 * len(both)
    return Paired(found["value"], found["low"], found["high"], len(both), alone)
