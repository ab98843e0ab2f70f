"""results.md and results.csv: the rows with intervals, paired differences, costs, and what explains them."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlrlcd.comparison.cells import Cell
from vlrlcd.comparison.plan import Comparison, swept
from vlrlcd.comparison.results import Results
from vlrlcd.evaluation.intervals import Metric
from vlrlcd.report.scores import titled
from vlrlcd.report.wording import ABSENT, DIFFERENCE, SHARE

MEASURED = {SHARE: (100, 1), DIFFERENCE: (100, 1)}
"""Factor and decimals of a metric by its unit; others are shown as they are."""
COSTS = {
    "teacher_calls": ("teacher calls", 1, 0),
    "seconds": ("seconds of training", 1, 0),
    "peak_ram": ("peak memory, MiB", 2**-20, 0),
    "peak_gpu": ("peak GPU memory, MiB", 2**-20, 0),
}
REASONS = {
    "auc": ("within-group AUC of r", 1, 3),
    "effective_k_d": ("effective K of D", 1, 2),
    "effective_k_q": ("effective K of q", 1, 2),
    "tied_share": ("tied groups, %", 100, 1),
    "kl": ("KL to p_sft", 1, 3),
    "tau": ("tau", 1, 3),
    "learning_rate": ("learning rate of stage II", 1, 6),
    "stage2_steps": ("steps of stage II", 1, 0),
    "stage2_seconds": ("seconds of stage II", 1, 0),
}
"""Title, factor and decimals of each figure of a run."""
HOW = """\
Brackets are 95 % intervals over seeds and questions, both resampled (docs/comparing.md); of one seed, over its
questions alone. Differences are paired: the same seeds, the same questions. Costs and what explains a row are means
over seeds, memory the largest. Where a cell is missing, its row counts the seeds that are there, and its differences
the seeds that both rows have."""


def write_tables(
    folder: Path, plan: Comparison, cells: list[Cell], results: Results, failed: dict[str, dict], command: str
) -> list[Path]:
    """Writes results.md and results.csv and returns their paths."""
    page, sheet = folder / "results.md", folder / "results.csv"
    page.write_text("\n".join(_page(plan, cells, results, failed, command)) + "\n", encoding="utf-8")
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("regime", "row", "less", "figure", "value", "low", "high", "seeds", "questions"))
        writer.writerows(_lines(plan, results))
    return [page, sheet]


def scaled(metric: str) -> tuple[str, int]:
    """Title with its unit, and the factor by which a metric is shown."""
    _, title, unit = titled(metric)
    factor, _ = MEASURED.get(unit, (1, 3))
    return title + (", %" if factor == 100 else ""), factor


def _page(plan: Comparison, cells: list[Cell], results: Results, failed: dict, command: str) -> Iterator[str]:
    yield from (f"# {plan.name}", "", *_provenance(cells, command), "", HOW)
    for regime in plan.regimes:
        yield from ("", f"## {regime}", "", *_rows_of(plan, results, regime))
        yield from ("", *_reasons_of(plan, results, regime), *_choices_of(plan, results, regime))
    if plan.contrasts:
        yield from ("", "## Contrasts", "", *_contrasts(plan, results))
    if plan.sweep:
        yield from ("", "## Sweep", "", *_sweep(plan, results))
    if failed:
        rows = [[name, line["reason"].replace("|", "/"), line["log"]] for name, line in failed.items()]
        yield from ("", "## Failed", "", *_table(["cell", "reason", "log"], rows))


def _provenance(cells: list[Cell], command: str) -> Iterator[str]:
    done = [cell for cell in cells if cell.finished]
    known = [cell.kept()["provenance"] for cell in done]
    dates = sorted(str(each["started"]) for each in known)
    facts = {
        "command": f"`{command}`",
        "commit": _all_of(known, "commit"),
        "hardware": _all_of(known, "machine"),
        "torch": _all_of(known, "torch"),
        "run": f"{dates[0]} to {dates[-1]}" if dates else ABSENT,
        "seeds": ", ".join(dict.fromkeys(cell.seed for cell in cells)),
        "cells": f"{len(done)} of {len(cells)} are finished",
    }
    yield from (f"- {name}: {fact}" for name, fact in facts.items())


def _all_of(known: list[dict[str, Any]], name: str) -> str:
    return "; ".join(dict.fromkeys(str(each[name]) for each in known)) or ABSENT


def _rows_of(plan: Comparison, results: Results, regime: str) -> Iterator[str]:
    first = plan.metrics[0]
    costs = _present(results, plan, regime, COSTS)
    head = ["row", *(scaled(metric)[0] for metric in plan.metrics), *(f"− {other}" for other in plan.references)]
    rows = []
    for row in plan.rows:
        means = [results.mean(regime, row, metric)[0] for metric in plan.metrics]
        pairs = [
            results.difference(regime, row, other, first)[0] if other != row else None for other in plan.references
        ]
        rows.append(
            [
                f"`{row}`",
                *(_shown(metric, mean) for metric, mean in zip(plan.metrics, means, strict=True)),
                *(_shown(first, pair, sign="+") for pair in pairs),
                *(_fact(results.fact(regime, row, name), COSTS[name]) for name in costs),
                str(len(results.seeds(regime, row))),
            ]
        )
    yield from _table([*head, *(COSTS[name][0] for name in costs), "seeds"], rows)


def _reasons_of(plan: Comparison, results: Results, regime: str) -> Iterator[str]:
    names = _present(results, plan, regime, REASONS)
    there = [row for row in plan.rows if results.seeds(regime, row)]
    rows = [[f"`{row}`", *(_fact(results.fact(regime, row, n), REASONS[n]) for n in names)] for row in there]
    if rows:
        yield from _table(["row", *(REASONS[name][0] for name in names)], rows)


def _present(results: Results, plan: Comparison, regime: str, names: dict) -> list[str]:
    return [name for name in names if any(results.fact(regime, row, name) is not None for row in plan.rows)]


def _choices_of(plan: Comparison, results: Results, regime: str) -> Iterator[str]:
    factor = scaled(plan.metrics[0])[1]
    for row in plan.rows:
        for seed, choice in results.choices.get((regime, row), {}).items():
            by = ", ".join(f"{name} {factor * value:.1f}" for name, value in choice.by.items())
            yield from ("", f"`{row}`, seed {seed}: `{choice.row}`, by {choice.questions:,} other questions: {by}.")


def _contrasts(plan: Comparison, results: Results) -> Iterator[str]:
    rows = [
        [
            regime,
            f"`{row}` − `{other}`",
            *(_shown(m, results.difference(regime, row, other, m)[0], sign="+") for m in plan.metrics),
            str(len(results.difference(regime, row, other, plan.metrics[0])[1])),
        ]
        for regime in plan.regimes
        for row, other in plan.contrasts
    ]
    yield from _table(["regime", "contrast", *(scaled(metric)[0] for metric in plan.metrics), "seeds"], rows)


def _sweep(plan: Comparison, results: Results) -> Iterator[str]:
    sweep, metric = plan.sweep, plan.metrics[0]
    rows = []
    for regime in sweep.regimes:
        for row in [sweep.row, *(swept(key, value) for key, panel in sweep.keys.items() for value in panel.values)]:
            mean, seeds = results.mean(regime, row, metric)
            less, _ = results.difference(regime, row, sweep.row, metric) if row != sweep.row else (None, [])
            facts = [_fact(results.fact(regime, row, name), REASONS[name]) for name in ("effective_k_d", "auc")]
            rows.append(
                [regime, f"`{row}`", _shown(metric, mean), _shown(metric, less, sign="+"), *facts, str(len(seeds))]
            )
    if not any(results.seeds(regime, row.name) for regime in sweep.regimes for row in plan.swept_rows):
        yield from ("Not run: add --sweep.", "")
        return
    head = ["regime", "row", scaled(metric)[0], f"− {sweep.row}", "effective K of D", "within-group AUC of r", "seeds"]
    yield from _table(head, rows)


def _lines(plan: Comparison, results: Results) -> Iterator[tuple]:
    """Every figure as it was measured, shares from 0 to 1."""
    rows = [(regime, row) for regime in plan.regimes for row in plan.rows]
    if plan.sweep:
        rows += [(regime, row.name) for regime in plan.sweep.regimes for row in plan.swept_rows]
    for regime, row in rows:
        for metric in plan.metrics:
            yield regime, row, "", metric, *_bounds(*results.mean(regime, row, metric))
        for name in (*COSTS, *REASONS):
            if (value := results.fact(regime, row, name)) is not None:
                yield regime, row, "", name, value, "", "", len(results.seeds(regime, row)), ""
    pairs = [(row, other) for row in plan.rows for other in plan.references if row != other]
    pairs += [(row, other) for row, other in plan.contrasts if (row, other) not in pairs]
    compared = [(regime, *pair) for regime in plan.regimes for pair in pairs]
    if plan.sweep:
        compared += [(regime, row.name, plan.sweep.row) for regime in plan.sweep.regimes for row in plan.swept_rows]
    for regime, row, other in compared:
        for metric in plan.metrics:
            yield regime, row, other, metric, *_bounds(*results.difference(regime, row, other, metric))


def _bounds(found: Metric, seeds: list[str]) -> tuple:
    return *("" if found[key] is None else found[key] for key in ("value", "low", "high")), len(seeds), found["n"]


def _shown(metric: str, found: Metric | None, sign: str = "") -> str:
    if not found or found["value"] is None:
        return ABSENT
    factor, decimals = MEASURED.get(titled(metric)[2], (1, 3))
    value, low, high = (f"{factor * found[key]:{sign}.{decimals}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _fact(value: float | None, kind: tuple[str, float, int]) -> str:
    _, factor, decimals = kind
    return ABSENT if value is None else f"{factor * value:,.{decimals}f}"


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
