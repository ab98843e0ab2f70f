"""The figures of eval.json: cards, one table for all of them, and one by type of question."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vlrlcd.report.read import Run, mapping, number
from vlrlcd.report.stages import own, stage_order, stage_title
from vlrlcd.report.wording import (
    CHANGE,
    CONTROLS,
    DIFFERENCE,
    FRACTION,
    GAIN,
    GAINED,
    HEADLINES,
    METRICS,
    OTHER_METRICS,
    SCORE,
    SHARE,
    SIGHTS,
    UNKNOWN,
    plain,
    short,
    signed,
)

MOST_CARDS = 4
ENDS = {SHARE: 1.0, FRACTION: 1.0, SCORE: 100.0}
"""Where the scale of a unit ends, for those that have an end."""


@dataclass(frozen=True)
class Cell:
    """A figure with its interval; `left`, `width` and `at` place them on a track of 0 to 100, None without an end."""

    value: str
    interval: str = ""
    left: float | None = None
    width: float | None = None
    at: float | None = None


@dataclass(frozen=True)
class Line:
    """One metric, or with `of` a control or a type of the metric above it; one cell or None per stage."""

    title: str
    cells: list[Cell | None]
    of: bool = False


@dataclass(frozen=True)
class Card:
    """A headline figure: of the last own stage that has it, how far that is from the first, and what it stands on:
    every own stage's figure, or of the gain from sight the metric that it is a gain in with and without the image."""

    title: str
    last: Cell
    change: str
    rows: list[tuple[str, Cell]]


@dataclass(frozen=True)
class Types:
    """One metric by type of question; a line's title is the type, `counts` how many questions each has."""

    title: str
    lines: list[Line]
    counts: list[int | None]


@dataclass(frozen=True)
class Scores:
    """One split of one task; `bodies` are the headed parts of the table of all figures."""

    title: str
    questions: int | None
    stages: list[str]
    cards: list[Card]
    bodies: list[tuple[str, list[Line]]]
    types: list[Types]


Metrics = dict[str, dict[str, Any]]
"""By stage, by metric."""


def scores(run: Run) -> list[Scores]:
    """One for each task and split."""
    return [_scores(f"{task}, {split}", by_stage) for task, split, by_stage in measured(run)]


def measured(run: Run) -> list[tuple[str, str, Metrics]]:
    """Task, split and the stages in their order, each a mapping of metrics to what eval.json holds of them."""
    return [
        (task, split, {stage: found for stage in sorted(stages, key=stage_order) if (found := mapping(stages[stage]))})
        for task, splits in run.evaluation.items()
        for split, by_stage in mapping(splits).items()
        for stages in [mapping(by_stage)]
    ]


def control_of(name: str) -> str:
    """The ending that makes this the name of a control, empty for any other."""
    return next((ending for ending in CONTROLS if name.endswith(ending)), "")


def gained_in(*found: Mapping[str, Any]) -> str:
    """The metric that the gain from sight is a gain in."""
    return next((name for name in GAINED if any(name in metrics for metrics in found)), next(iter(GAINED)))


def titled(name: str, *found: Mapping[str, Any]) -> tuple[str, str, str]:
    """Heading, title and unit of a metric; one by type or a control has the unit of what it belongs to.

    Args:
        name: of the metric.
        found: the metrics that were measured with it, which say what the gain from sight is a gain in.
    """
    base = name.partition("/")[0]
    base = base.removesuffix(control_of(base))
    for heading, known in METRICS.items():
        if base in known:
            title, unit = known[base]
            return heading, title, GAINED[gained_in(*found)][0] if base == GAIN else unit
    return OTHER_METRICS, plain(base), UNKNOWN


def cell(unit: str, metric: Any) -> Cell | None:
    """What eval.json holds of a metric as the page shows it; None where it was not measured."""
    value, low, high = (number(mapping(metric).get(key)) for key in ("value", "low", "high"))
    if value is None:
        return None
    between = "" if low is None or high is None else f"{figure(unit, low, '')} to {figure(unit, high, '')}"
    if unit not in ENDS:
        return Cell(figure(unit, value), between)
    left, at, right = (None if one is None else min(max(100 * one / ENDS[unit], 0), 100) for one in (low, value, high))
    if left is None or right is None:
        return Cell(figure(unit, value), at=at)
    return Cell(figure(unit, value), between, left, max(right - left, 0), at)


def figure(unit: str, value: float, percent: str = " %") -> str:
    """A value in its unit, the sign of percent behind it or not."""
    if unit == SHARE:
        return f"{100 * value:.1f}{percent}"
    if unit == DIFFERENCE:
        return signed(100 * value, 1)
    if unit == CHANGE:
        return signed(value, 3)
    if unit == SCORE:
        return f"{value:.1f}"
    return f"{value:.3f}" if unit == FRACTION else short(value)


def _scores(title: str, by_stage: Metrics) -> Scores:
    names = dict.fromkeys(name for metrics in by_stage.values() for name in metrics)
    whole = [name for name in names if "/" not in name]
    counts = [number(mapping(value).get("n")) for metrics in by_stage.values() for value in metrics.values()]
    return Scores(
        title=title,
        questions=int(max((count for count in counts if count), default=0)) or None,
        stages=[stage_title(stage) for stage in by_stage],
        cards=[card for name in HEADLINES if name in names and (card := _card(name, own(by_stage)))][:MOST_CARDS],
        bodies=_bodies(whole, by_stage),
        types=_types([name for name in names if "/" in name], by_stage),
    )


def _card(name: str, by_stage: Metrics) -> Card | None:
    _, title, unit = titled(name, *by_stage.values())
    found = {stage: shown for stage, metrics in by_stage.items() if (shown := cell(unit, metrics.get(name)))}
    if not found:
        return None
    first, last = list(found)[0], list(found)[-1]
    if name == GAIN:
        main = gained_in(*by_stage.values())
        return Card(
            title, found[last], f"{GAINED[main][1]}, {stage_title(last).lower()}", _by_sight(main, by_stage[last])
        )
    values = [number(by_stage[stage][name]["value"]) or 0.0 for stage in (first, last)]
    return Card(
        title=title,
        last=found[last],
        change=f"{_change(unit, values[1] - values[0])} since {stage_title(first).lower()}" if first != last else "",
        rows=[(stage_title(stage), shown) for stage, shown in found.items()],
    )


def _by_sight(main: str, metrics: dict[str, Any]) -> list[tuple[str, Cell]]:
    _, _, unit = titled(main)
    found = [(said, cell(unit, metrics.get(f"{main}{ending}"))) for ending, said in SIGHTS.items()]
    return [(said, shown) for said, shown in found if shown]


def _change(unit: str, difference: float) -> str:
    if unit == SHARE:
        return f"{signed(100 * difference, 1)} points"
    return signed(difference, 1 if unit == SCORE else 3)


def _bodies(names: Iterable[str], by_stage: Metrics) -> list[tuple[str, list[Line]]]:
    order = [(heading, name) for heading, known in METRICS.items() for name in known]
    place = {name: index for index, (_, name) in enumerate(order)}
    endings = ["", *CONTROLS]

    def rank(name: str) -> tuple[int, str, int]:
        ending = control_of(name)
        base = name.removesuffix(ending)
        return (place.get(base, len(place)), base, endings.index(ending))

    bodies: dict[str, list[Line]] = {}
    for name in sorted(names, key=rank):
        heading, title, unit = titled(name, *by_stage.values())
        ending = control_of(name)
        line = Line(CONTROLS.get(ending, title), _cells(name, unit, by_stage), of=bool(ending))
        if any(line.cells):
            # a control without its metric says what it is a control of
            alone = line.of and not any(name.removesuffix(ending) in metrics for metrics in by_stage.values())
            shown = Line(f"{title}, {line.title}", line.cells) if alone else line
            bodies.setdefault(heading, []).append(shown)
    return list(bodies.items())


def _types(names: Iterable[str], by_stage: Metrics) -> list[Types]:
    found: dict[str, list[tuple[str, Line, int | None]]] = {}
    for name in names:
        base, _, kind = name.partition("/")
        cells = _cells(name, titled(name, *by_stage.values())[2], by_stage)
        counts = [number(mapping(metrics.get(name)).get("n")) for metrics in by_stage.values()]
        count = max((int(count) for count in counts if count), default=None)
        if any(cells):
            found.setdefault(base, []).append((kind, Line(kind, cells), count))
    tables = []
    for base, lines in found.items():
        lines.sort(key=lambda line: (-(line[2] or 0), line[0]))
        ending = control_of(base)
        title = ", ".join(filter(None, (titled(base)[1], CONTROLS.get(ending))))
        tables.append(Types(title, [line for _, line, _ in lines], [count for _, _, count in lines]))
    return tables


def _cells(name: str, unit: str, by_stage: Metrics) -> list[Cell | None]:
    return [cell(unit, metrics.get(name)) for metrics in by_stage.values()]
