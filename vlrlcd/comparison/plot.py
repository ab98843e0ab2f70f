"""results.svg and .png: each row with its interval, a panel per regime; sweep.svg and .png: a panel per key."""

from pathlib import Path

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vlrlcd.comparison.plan import Comparison, swept
from vlrlcd.comparison.results import Results
from vlrlcd.comparison.table import scaled
from vlrlcd.evaluation.intervals import Metric
from vlrlcd.report.plots import COLOURS, LOOK, save

PANEL_INCHES = 3.6
ROW_INCHES = 0.28
MARGIN_INCHES = 1.1
SWEEP_INCHES = 3.2


def write_plots(folder: Path, plan: Comparison, results: Results) -> list[Path]:
    """Writes what can be drawn and returns the paths without their endings."""
    with style.context([COLOURS, LOOK]):
        figures = {"results": _rows(plan, results), "sweep": _sweep(plan, results)}
        drawn = [folder / name for name, figure in figures.items() if figure]
        for path in drawn:
            save(figures[path.name], path)
    return drawn


def _rows(plan: Comparison, results: Results) -> Figure | None:
    found = {
        regime: [(row, mean) for row in plan.rows if (mean := _measured(plan, results, regime, row))]
        for regime in plan.regimes
    }
    if not any(found.values()):
        return None
    title, factor = scaled(plan.metrics[0])
    height = MARGIN_INCHES + ROW_INCHES * len(plan.rows)
    figure = Figure((1.6 + PANEL_INCHES * len(found), height), layout="constrained")
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (regime, rows) in zip(panels, found.items(), strict=True):
        places = [list(plan.rows).index(row) for row, _ in rows]
        values, bounds = _scaled([mean for _, mean in rows], factor)
        axes.errorbar(values, places, xerr=bounds, fmt="o", capsize=3)
        axes.set_title(regime, loc="left")
        axes.set_xlabel(title)
    panels[0].set_yticks(range(len(plan.rows)), list(plan.rows))
    panels[0].set_ylim(len(plan.rows) - 0.5, -0.5)
    return figure


def _sweep(plan: Comparison, results: Results) -> Figure | None:
    sweep = plan.sweep
    if not sweep or not any(results.seeds(regime, row.name) for regime in sweep.regimes for row in plan.swept_rows):
        return None
    title, _ = scaled(plan.metrics[0])
    figure = Figure((SWEEP_INCHES * len(sweep.keys), SWEEP_INCHES), layout="constrained")
    panels = figure.subplots(1, len(sweep.keys), sharey=True, squeeze=False)[0]
    for axes, key in zip(panels, sweep.keys, strict=True):
        for regime in sweep.regimes:
            _line(axes, plan, results, key, regime)
        axes.set_xlabel(key)
    panels[0].set_ylabel(title)
    panels[0].legend()
    return figure


def _line(axes: Axes, plan: Comparison, results: Results, key: str, regime: str) -> None:
    """The values stand at equal distances: they may be words, and 0 has no logarithm."""
    values, factor = plan.sweep.keys[key].values, scaled(plan.metrics[0])[1]
    found = [(place, _measured(plan, results, regime, swept(key, value))) for place, value in enumerate(values)]
    found = [(place, mean) for place, mean in found if mean]
    if found:
        shown, bounds = _scaled([mean for _, mean in found], factor)
        axes.errorbar([place for place, _ in found], shown, yerr=bounds, fmt="o-", capsize=3, label=regime)
    axes.set_xticks(range(len(values)), [str(value) for value in values])


def _measured(plan: Comparison, results: Results, regime: str, row: str) -> Metric | None:
    mean, _ = results.mean(regime, row, plan.metrics[0])
    return mean if mean["value"] is not None else None


def _scaled(means: list[Metric], factor: float) -> tuple[list[float], tuple[list[float], list[float]]]:
    """The values, and how far their intervals reach below and above."""
    values = [factor * mean["value"] for mean in means]
    below = [factor * max(mean["value"] - mean["low"], 0.0) for mean in means]
    above = [factor * max(mean["high"] - mean["value"], 0.0) for mean in means]
    return values, (below, above)
