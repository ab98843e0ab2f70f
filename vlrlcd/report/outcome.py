"""The headline figures of several runs, each of the last stage that was evaluated, and how far they lie apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlrlcd.report.paired import Paired, Scores, answered, paired
from vlrlcd.report.read import Run, mapping, number
from vlrlcd.report.scores import Cell, Line, Metrics, cell, measured, titled
from vlrlcd.report.stages import own, stage_title
from vlrlcd.report.wording import ABSENT, DIFFERENCE, HEADLINES, SHARE, signed

IN_POINTS = {SHARE, DIFFERENCE}
Note = tuple[str, str]
"""Of which run, and what."""


@dataclass(frozen=True)
class Outcome:
    """One split of one task, each list with one entry per run; `unpaired` says why a run has no difference."""

    title: str
    questions: list[str]
    stages: list[str]
    lines: list[Line]
    unpaired: list[str]


def outcomes(runs: Mapping[str, Run], notes: list[Note]) -> list[Outcome]:
    """One for each task and split that a run was evaluated on; `notes` grows by what cannot be read."""
    by_run = {name: {(task, split): by_stage for task, split, by_stage in measured(run)} for name, run in runs.items()}
    places = dict.fromkeys(place for found in by_run.values() for place in found)
    return [
        _outcome(place, runs, {name: found.get(place, {}) for name, found in by_run.items()}, notes) for place in places
    ]


def _outcome(
    place: tuple[str, str], runs: Mapping[str, Run], by_run: Mapping[str, Metrics], notes: list[Note]
) -> Outcome:
    task, split = place
    last = {name: _last(by_stage) for name, by_stage in by_run.items()}
    figures = [by_run[name].get(stage, {}) for name, stage in last.items()]
    asked = {name: _answered(name, runs[name], split, stage, notes) for name, stage in last.items()}
    first, *others = runs
    apart = [paired(asked[name], asked[first]) for name in others]
    return Outcome(
        title=f"{task}, {split}",
        questions=[_questions(found) for found in figures],
        stages=[stage_title(stage) if stage else "Not evaluated" for stage in last.values()],
        lines=[line for metric in HEADLINES for line in _lines(metric, first, figures, apart)],
        unpaired=[
            f"No paired difference of {name} to {first}: {_why(first, name, last, asked)}."
            for name, found in zip(others, apart, strict=True)
            if not found
        ],
    )


def _questions(found: Mapping[str, Any]) -> str:
    counts = [count for value in found.values() if (count := number(mapping(value).get("n")))]
    return f"{max(counts):,.0f}" if counts else ABSENT


def _last(by_stage: Metrics) -> str:
    """The last own stage, empty where there is none."""
    return next(reversed(own(by_stage)), "")


def _answered(name: str, run: Run, split: str, stage: str, notes: list[Note]) -> Scores:
    said: list[str] = []
    found = answered(run.folder, split, stage, said)
    notes.extend((name, note) for note in said)
    return found


def _why(first: str, name: str, last: Mapping[str, str], asked: Mapping[str, Scores]) -> str:
    for one in (first, name):
        if not last[one]:
            return f"{one} was not evaluated here"
        if not asked[one]:
            return f"{one} has left no answers of this stage"
    return "they have no scored question in common"


def _lines(metric: str, first: str, figures: list[dict[str, Any]], apart: list[dict[str, Paired]]) -> list[Line]:
    """A metric, and under it how far each run but the first is from the first."""
    _, title, unit = titled(metric, *figures)
    cells = [cell(unit, found.get(metric)) for found in figures]
    less = [None, *(_difference(unit, found.get(metric)) for found in apart)]
    points = ", in points" if unit in IN_POINTS else ""
    lines = [Line(title, cells), Line(f"Difference to {first}{points}", less, of=True)]
    return [line for line in lines if any(line.cells)]


def _difference(unit: str, found: Paired | None) -> Cell | None:
    if not found:
        return None
    scale, digits = (100, 1) if unit in IN_POINTS else (1, 3)
    value, low, high = (signed(scale * one, digits) for one in (found.value, found.low, found.high))
    over = f", over the {found.pairs:,} questions that both have" if found.alone else ""
    return Cell(value, f"{low} to {high}{over}")
