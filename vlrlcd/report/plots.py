"""The curves and the headline figures of the page as files for a paper or a talk."""

import re
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure

from vlrlcd.errors import UserError
from vlrlcd.report.figures import Points, heading, isolated, quantities, stages, titled
from vlrlcd.report.read import Run, mapping, number, read_run
from vlrlcd.report.scores import Metrics, measured
from vlrlcd.report.scores import titled as titled_metric
from vlrlcd.report.stages import own, stage_title
from vlrlcd.report.wording import DIFFERENCE, HEADLINES, SHARE, plain

FOLDER = "plots"
KINDS = ("svg", "png")
INCHES, DOTS_PER_INCH = (5.6, 3.6), 200
LOOK = {
    # text stays text: it can be searched, and set in the font of the paper
    "svg.fonttype": "none",
    "svg.hashsalt": "vlrlcd",
    # a run's own names are no formulas
    "text.parse_math": False,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
}
COLOURS = "tableau-colorblind10"
STROKES = ("-", "--", ":", "-.")
LONGEST_NAME = 100
SCALES = {SHARE: (100, ", %"), DIFFERENCE: (100, ", points")}


def write_plots(run_folder: Path) -> Path:
    """Writes `plots/*.svg` and `*.png` into a run's folder: every curve of the page, and each headline figure by stage.

    Returns:
        The folder of the plots; a file that is there already is replaced.

    Raises:
        UserError: the folder holds no run or nothing that could be drawn, or cannot be written to.
    """
    run = read_run(run_folder)
    folder = run.folder / FOLDER
    taken: set[str] = set()
    with style.context([COLOURS, LOOK]):
        for name, figure in _figures(run):
            path = folder / _file_name(name, taken)
            try:
                save(figure, path)
            except OSError as fault:
                raise UserError(f"{path}: the plot cannot be written ({fault.strerror}).") from None
    if not taken:
        raise UserError(f"{run.folder} has logged no step and holds no evaluation yet: there is nothing to plot.")
    return folder


def _figures(run: Run) -> Iterator[tuple[str, Figure]]:
    for stage in stages(run.metrics):
        for quantity, by_name in quantities(run.metrics, stage).items():
            yield f"{stage}_{quantity}", _curve(stage, quantity, by_name)
    for task, split, by_stage in measured(run):
        for metric in HEADLINES:
            if found := _by_stage(metric, by_stage):
                yield (
                    f"{task}_{split}_{metric}",
                    _headline(f"{task}, {split}", titled_metric(metric, *by_stage.values()), found),
                )


def _curve(stage: str, quantity: str, by_name: dict[str, Points]) -> Figure:
    title, explained = titled(quantity)
    figure, axes = _blank(title, ". ".join(filter(None, (heading(stage), explained))))
    for (name, points), stroke in zip(by_name.items(), cycle(STROKES)):
        steps, values = zip(*points, strict=True)
        # a value between two gaps has no line to either side
        axes.plot(steps, values, stroke, label=plain(name), marker=".", markevery=isolated(points))
    axes.set_xlabel("step")
    axes.set_ylabel(title)
    if len(by_name) > 1:
        axes.legend()
    return figure


def _by_stage(metric: str, by_stage: Metrics) -> list[tuple[str, float, float, float, float | None]]:
    """Stage, value, low, high and number of questions, of the own stages that measured it."""
    found = []
    for stage, metrics in own(by_stage).items():
        value, low, high, n = (number(mapping(metrics.get(metric)).get(key)) for key in ("value", "low", "high", "n"))
        if value is not None:
            found.append((stage, value, value if low is None else low, value if high is None else high, n))
    return found


def _headline(
    where: str, titled: tuple[str, str, str], found: list[tuple[str, float, float, float, float | None]]
) -> Figure:
    _, title, unit = titled
    names, values, lows, highs, counts = zip(*found, strict=True)
    scale, ending = SCALES.get(unit, (1, ""))
    asked = [f"{max(known):,.0f} questions, 95 % intervals"] if (known := [n for n in counts if n]) else []
    figure, axes = _blank(title, ", ".join([where, *asked]))
    below = [scale * max(value - low, 0.0) for value, low in zip(values, lows, strict=True)]
    above = [scale * max(high - value, 0.0) for value, high in zip(values, highs, strict=True)]
    axes.errorbar(range(len(values)), [scale * value for value in values], (below, above), fmt="o-", capsize=4)
    axes.set_xticks(range(len(names)), [stage_title(stage) for stage in names])
    axes.set_xmargin(0.15)
    axes.set_ylabel(f"{title}{ending}")
    return figure


def _blank(title: str, below: str):
    figure = Figure(INCHES, layout="constrained")
    axes = figure.add_subplot()
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    axes.set_title(below, loc="left", fontsize="small", wrap=True)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Writes `path` with the ending of each kind."""
    path.parent.mkdir(exist_ok=True)
    for kind in KINDS:
        # without a date the same run gives the same file
        figure.savefig(f"{path}.{kind}", dpi=DOTS_PER_INCH, metadata={"Date": None} if kind == "svg" else None)


def _file_name(name: str, taken: set[str]) -> str:
    """Letters, digits, dots and dashes; with a number where another name has led to the same."""
    readable = re.sub(r"[^\w.-]+", "_", name).strip("._")[:LONGEST_NAME] or "plot"
    found = next(
        one for number in range(1, 10**6) if (one := f"{readable}-{number}" if number > 1 else readable) not in taken
    )
    taken.add(found)
    return found
