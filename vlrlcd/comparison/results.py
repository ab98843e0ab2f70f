"""What the finished cells of a comparison measured, as rows over seeds and questions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from vlrlcd.comparison.cells import Cell, asked_folder, stage2_seconds
from vlrlcd.comparison.plan import Comparison
from vlrlcd.config import RATES
from vlrlcd.errors import UserError
from vlrlcd.evaluation.intervals import Metric, crossed_interval
from vlrlcd.report.lines import rows
from vlrlcd.report.read import number

RESAMPLES, SEED = 2000, 0
STAGES = ("stage2", "stage1")
"""The finished student's answers are those of the last stage that was evaluated."""
SIGNALS = ("auc", "effective_k_d", "effective_k_q", "tied_share", "kl")
"""Of the steps of stage II, averaged."""
Scores = dict[str, dict[str, float]]
"""By metric, by question."""


@dataclass(frozen=True)
class Outcome:
    """Of one finished cell: the scores of its answers, and figures of its run that may be None."""

    scores: Scores
    facts: dict[str, float | None]


@dataclass(frozen=True)
class Choice:
    """What a chosen row is, for one seed: `by` is the metric on the `questions` that chose, by row."""

    row: str
    by: dict[str, float]
    questions: int


@dataclass(frozen=True)
class Results:
    """By regime, row and seed, of what is finished; the sweep's rows too."""

    outcomes: dict[tuple[str, str], dict[str, Outcome]]
    choices: dict[tuple[str, str], dict[str, Choice]]

    def seeds(self, regime: str, row: str) -> list[str]:
        return list(self.outcomes.get((regime, row), {}))

    def mean(self, regime: str, row: str, metric: str) -> tuple[Metric, list[str]]:
        """A row's metric and its seeds."""
        found = self.outcomes.get((regime, row), {})
        scores = {seed: outcome.scores.get(metric, {}) for seed, outcome in found.items()}
        return _crossed(scores), list(scores)

    def difference(self, regime: str, row: str, other: str, metric: str) -> tuple[Metric, list[str]]:
        """Row less the other, over the seeds and questions of both."""
        ours, theirs = (self.outcomes.get((regime, name), {}) for name in (row, other))
        both = [seed for seed in ours if seed in theirs]
        return _crossed({seed: _less(ours[seed].scores, theirs[seed].scores, metric) for seed in both}), both

    def fact(self, regime: str, row: str, name: str) -> float | None:
        """The mean over seeds, of memory the largest; None where no seed has it."""
        found = self.outcomes.get((regime, row), {}).values()
        known = [value for outcome in found if (value := outcome.facts[name]) is not None]
        return (max if name.startswith("peak") else fmean)(known) if known else None


def read_results(plan: Comparison, cells: list[Cell]) -> Results:
    """Reads every finished cell.

    Raises:
        UserError: answers lack a metric; a row is chosen on no question but those of the table.
    """
    done = {(cell.regime, cell.row.name, cell.seed): cell for cell in cells if cell.finished}
    outcomes: dict[tuple[str, str], dict[str, Outcome]] = {}
    for (regime, row, seed), cell in done.items():
        outcomes.setdefault((regime, row), {})[seed] = _outcome(plan, cell)
    choices: dict[tuple[str, str], dict[str, Choice]] = {}
    for regime in plan.regimes:
        for row in (row for row in plan.rows.values() if row.chosen):
            for seed in dict.fromkeys(cell.seed for cell in cells):
                among = [done.get((regime, name, seed)) for name in row.chosen.among]
                if all(among) and (choice := _chosen(plan, among, row.chosen.settings, outcomes)):
                    choices.setdefault((regime, row.name), {})[seed] = choice
                    outcomes.setdefault((regime, row.name), {})[seed] = outcomes[regime, choice.row][seed]
    return Results(outcomes, choices)


def _chosen(plan: Comparison, among: list[Cell], settings: Mapping[str, Any], outcomes: Mapping) -> Choice | None:
    """None where a student has not been asked yet."""
    metric, by, counted = plan.metrics[0], {}, 0
    for cell in among:
        folder = asked_folder(cell, dict(settings))
        if not (folder / "eval.json").exists():
            return None
        split = settings.get("evaluation.split", cell.kept()["evaluation"]["split"])
        measured = outcomes[cell.regime, cell.row.name][cell.seed].scores[metric]
        asked = _scores(folder / f"predictions_{split}.jsonl", [metric])[metric]
        others = [value for question, value in asked.items() if question not in measured]
        if not others:
            raise UserError(
                f"{folder}: every question is one that the table is measured on, so nothing can be chosen by it: give "
                "the chosen row another evaluation.split or data.root."
            )
        by[cell.row.name], counted = fmean(others), len(others)
    return Choice(max(by, key=by.__getitem__), by, counted)


def _outcome(plan: Comparison, cell: Cell) -> Outcome:
    config, facts = cell.kept(), cell.facts()
    split = config["evaluation"]["split"]
    paths = [cell.folder / f"predictions_{split}_{stage}.jsonl" for stage in STAGES]
    path = next((path for path in paths if path.exists()), None)
    if not path:
        raise UserError(f"{cell.folder} holds no answers to the split {split!r}: leave evaluation.split as it is.")
    steps = [row for _, row in rows(cell.folder / "metrics.jsonl", []) if row["stage"] == "stage2"]
    settings, spent = config["stage2"], facts["spent"]
    peaks, stage2 = facts.get("peak_bytes", {}), spent.get("stage2", {})
    return Outcome(
        _scores(path, plan.metrics),
        {
            "teacher_calls": facts["teacher"]["anchors"] + sum(stage["judged"] for stage in spent.values()),
            "seconds": sum(stage["seconds"] for stage in spent.values()),
            "stage2_seconds": stage2_seconds(cell),
            "stage2_steps": stage2.get("optimiser_steps", 0),
            "peak_ram": peaks.get("ram"),
            "peak_gpu": peaks.get("gpu"),
            "learning_rate": (settings["learning_rate"] or RATES["stage2"][config["model"]["tuning"]])
            if stage2
            else None,
            "tau": facts.get("tau"),
            **{name: _mean([row.get(name) for row in steps]) for name in SIGNALS},
        },
    )


def _scores(path: Path, metrics: list[str]) -> Scores:
    found: Scores = {metric: {} for metric in metrics}
    for _, row in rows(path, notes := []):
        for metric in metrics:
            if metric not in row:
                raise UserError(f"{path} has no metric {metric!r}: name one of its keys in the comparison's metrics.")
            if (value := number(row[metric])) is not None:
                found[metric][row["id"]] = value
    if notes:
        raise UserError(f"{path} cannot be read whole ({notes[0]}): run that cell again in an empty folder.")
    return found


def _less(ours: Scores, theirs: Scores, metric: str) -> dict[str, float]:
    one, other = ours[metric], theirs[metric]
    return {question: one[question] - other[question] for question in one if question in other}


def _crossed(scores: dict[str, dict[str, float]]) -> Metric:
    """Over the questions that every seed has a value for, in one order."""
    asked = sorted(set.intersection(*map(set, scores.values()))) if scores else []
    values_SQ = np.array([[scores[seed][question] for question in asked] for seed in scores])
    return crossed_interval(values_SQ.reshape(max(1, len(scores)), -1), RESAMPLES, SEED)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
