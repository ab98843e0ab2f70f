"""Curves as geometry of small SVGs, one per quantity and stage."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from vlrlcd.report.read import Run, number
from vlrlcd.report.wording import ABSENT, CURVES, STAGE_HEADINGS, plain, short

WIDTH, HEIGHT = 320, 140
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 20
MOST_POINTS = 160
TICKS = 3
LARGEST = 1e100
NEARLY_CONSTANT = 1e-9
NOT_CURVES = {"stage", "step"}

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """One series: SVG polylines (broken where there is no value) and its last value."""

    name: str
    pieces: list[str]
    last: str


@dataclass(frozen=True)
class Curve:
    """One small figure; `ticks` are heights with their labels."""

    title: str
    help: str
    lines: list[Line]
    ticks: list[tuple[float, str]]
    first_step: str
    last_step: str


@dataclass(frozen=True)
class StageCurves:
    """The figures of one stage."""

    title: str
    curves: list[Curve]


def stage_curves(run: Run) -> list[StageCurves]:
    """Every numeric quantity in `metrics.jsonl` as a curve, known ones first; nested mappings share one figure."""
    return [
        StageCurves(
            heading(stage),
            [
                curve(*titled(quantity), [(plain(name), points) for name, points in by_name.items()])
                for quantity, by_name in quantities(run.metrics, stage).items()
            ],
        )
        for stage in stages(run.metrics)
    ]


def stages(metrics: list[dict[str, Any]]) -> list[str]:
    """The stages that logged a step, in their order."""
    return list(dict.fromkeys(str(row.get("stage")) for row in metrics))


def heading(stage: str) -> str:
    """A stage as a heading."""
    return STAGE_HEADINGS.get(stage, plain(stage))


def titled(quantity: str) -> tuple[str, str]:
    """Title of a quantity and what it means, the latter empty for what no table names."""
    return CURVES.get(quantity, (plain(quantity), ""))


def known_first(names: Iterable[str]) -> list[str]:
    """Quantities in the order of the page."""
    return sorted(names, key=lambda name: list(CURVES).index(name) if name in CURVES else len(CURVES))


def quantities(metrics: list[dict[str, Any]], stage: str) -> dict[str, dict[str, Points]]:
    """What a stage measured, by quantity and, of a nested mapping, by name; NaN where there is no value."""
    # A step that a resumed run did again counts once, as it was done last.
    found: dict[str, dict[str, dict[float, float]]] = {}
    for row in metrics:
        if str(row.get("stage")) == stage and (step := number(row.get("step"))) is not None:
            for quantity, name, value in _values(row):
                found.setdefault(quantity, {}).setdefault(name, {})[step] = value
    figures = {quantity: _in_order(found[quantity]) for quantity in known_first(found)}
    return {quantity: by_name for quantity, by_name in figures.items() if measured(by_name.values())}


def _in_order(series: dict[str, dict[float, float]]) -> dict[str, Points]:
    return {name: sorted(points.items()) for name, points in series.items()}


def _values(row: dict[str, Any]) -> Iterator[tuple[str, str, float]]:
    for quantity, value in row.items():
        if quantity in NOT_CURVES:
            continue
        for name, one in value.items() if isinstance(value, dict) else [("", value)]:
            if one is None or isinstance(one, int | float):
                yield quantity, name, _drawable(number(one))


def _drawable(value: float | None) -> float:
    # Beyond these bounds the arithmetic of an axis overflows.
    if value is None or abs(value) > LARGEST:
        return math.nan
    return value if abs(value) > 1 / LARGEST else 0.0


def measured(series: Iterable[Points]) -> bool:
    """Whether any of the points has a value."""
    return any(not math.isnan(value) for points in series for _, value in points)


def isolated(points: Points) -> list[int]:
    """The places of the values that have no value before and none after them."""
    known = [False, *(not math.isnan(value) for _, value in points), False]
    return [place for place in range(len(points)) if known[place : place + 3] == [False, True, False]]


def curve(title: str, explained: str, series: list[tuple[str, Points]]) -> Curve:
    """A figure of lines with their names; at least one of them has a value, one without points is said as absent."""
    thin = [_thinned(points) for _, points in series]
    values = [value for points in thin for _, value in points if not math.isnan(value)]
    drawn = [step for points in thin for step, _ in points]
    steps = [step for _, points in series for step, _ in points]
    axis = _axis(min(values), max(values))
    low, high = axis[0], axis[-1]
    return Curve(
        title=title,
        help=explained,
        lines=[
            _line(name, points, measured, (min(drawn), max(drawn)), (low, high))
            for points, (name, measured) in zip(thin, series, strict=True)
        ],
        ticks=[(_y(tick, low, high), short(tick)) for tick in axis],
        first_step=f"{min(steps):.0f}",
        last_step=f"{max(steps):.0f}",
    )


def _thinned(points: Points) -> Points:
    size = math.ceil(len(points) / MOST_POINTS) or 1
    buckets = [points[start : start + size] for start in range(0, len(points), size)]
    return [(_mean([step for step, _ in bucket]), _mean([value for _, value in bucket])) for bucket in buckets]


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _axis(low: float, high: float) -> list[float]:
    """Round ticks that enclose the values; a constant stands between zero and itself."""
    if high - low <= NEARLY_CONSTANT * max(abs(low), abs(high)):
        low, high = min(low, 0.0), max(high, 0.0)
        high = high or float(low == 0)
    spacing = _spacing((high - low) / TICKS)
    return [index * spacing for index in range(math.floor(low / spacing), math.ceil(high / spacing) + 1)]


def _spacing(at_least: float) -> float:
    magnitude = 10 ** math.floor(math.log10(at_least))
    return next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= at_least)


def _line(name: str, points: Points, measured: Points, steps: tuple[float, float], values: tuple[float, float]) -> Line:
    drawn = [(_x(step, *steps), _y(value, *values)) for step, value in points]
    pieces = [list(piece) for missing, piece in groupby(drawn, key=lambda point: math.isnan(point[1])) if not missing]
    last = [value for _, value in measured if not math.isnan(value)][-1:]
    return Line(name, [_polyline(piece) for piece in pieces], short(last[0]) if last else ABSENT)


def _polyline(piece: Points) -> str:
    # A lone point has no length: drawn twice, its round caps show.
    points = piece * 2 if len(piece) == 1 else piece
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _x(step: float, first: float, last: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * ((step - first) / (last - first) if last > first else 0.5)


def _y(value: float, low: float, high: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low))
