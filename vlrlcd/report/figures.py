"""Curves as geometry of small SVGs, one per quantity and stage."""

import math
from collections.abc import Iterator
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
    stages = dict.fromkeys(str(row.get("stage")) for row in run.metrics)
    return [StageCurves(STAGE_HEADINGS.get(stage, plain(stage)), _curves(run.metrics, stage)) for stage in stages]


def _curves(metrics: list[dict[str, Any]], stage: str) -> list[Curve]:
    # A step that a resumed run did again counts once, as it was done last.
    quantities: dict[str, dict[str, dict[float, float]]] = {}
    for row in metrics:
        if str(row.get("stage")) == stage and (step := number(row.get("step"))) is not None:
            for quantity, name, value in _values(row):
                quantities.setdefault(quantity, {}).setdefault(name, {})[step] = value
    order = sorted(quantities, key=lambda name: list(CURVES).index(name) if name in CURVES else len(CURVES))
    figures = {quantity: _in_order(quantities[quantity]) for quantity in order}
    return [_curve(quantity, series) for quantity, series in figures.items() if _measured(series)]


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


def _measured(series: dict[str, Points]) -> bool:
    return any(not math.isnan(value) for points in series.values() for _, value in points)


def _curve(quantity: str, series: dict[str, Points]) -> Curve:
    title, explained = CURVES.get(quantity, (plain(quantity), ""))
    thin = {name: _thinned(points) for name, points in series.items()}
    values = [value for points in thin.values() for _, value in points if not math.isnan(value)]
    steps = [step for points in thin.values() for step, _ in points]
    axis = _axis(min(values), max(values))
    low, high = axis[0], axis[-1]
    return Curve(
        title=title,
        help=explained,
        lines=[
            _line(name, points, series[name], (min(steps), max(steps)), (low, high)) for name, points in thin.items()
        ],
        ticks=[(_y(tick, low, high), short(tick)) for tick in axis],
        first_step=f"{min(points[0][0] for points in series.values()):.0f}",
        last_step=f"{max(points[-1][0] for points in series.values()):.0f}",
    )


def _thinned(points: Points) -> Points:
    size = math.ceil(len(points) / MOST_POINTS)
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
    return Line(plain(name), [_polyline(piece) for piece in pieces], short(last[0]) if last else ABSENT)


def _polyline(piece: Points) -> str:
    # A lone point has no length: drawn twice, its round caps show.
    points = piece * 2 if len(piece) == 1 else piece
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _x(step: float, first: float, last: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * ((step - first) / (last - first) if last > first else 0.5)


def _y(value: float, low: float, high: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low))
