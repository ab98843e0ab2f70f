"""The first screen: what was trained on what, how good it became, what it cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlrlcd.report.read import Run, mapping, number, sequence
from vlrlcd.report.wording import (
    COUNTED,
    DIFFERENCES,
    METRICS,
    ORIGIN,
    PHASES,
    STAGES,
    SUBJECT,
    duration,
    millions,
    plain,
    short,
)

BLIND = "_blind"
MAJORITY = "majority"


@dataclass(frozen=True)
class Cell:
    """A metric with its interval; `left`, `width` and `at` place them on a track of 0 to 100, None for a count."""

    value: str
    interval: str = ""
    left: float | None = None
    width: float | None = None
    at: float | None = None


@dataclass(frozen=True)
class Table:
    """One split of one task; a row is its title and one cell (or None) per column."""

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Cell | None]]]
    questions: int | None


@dataclass(frozen=True)
class Share:
    """One phase of the run."""

    title: str
    time: str
    percent: float


def tables(run: Run) -> list[Table]:
    """One table per task and split, stages as rows; the last stage is shown blind too where it was measured."""
    return [
        _table(f"{plain(task)}, {split}", mapping(stages))
        for task, splits in run.evaluation.items()
        for split, stages in mapping(splits).items()
    ]


def facts(run: Run) -> list[tuple[str, str]]:
    """What was trained on what, as far as the run says so."""
    steps = mapping(run.summary.get("steps")) or _steps(run)
    known = [
        *((title, _look_up(run.config, key)) for title, key in SUBJECT.items()),
        ("Trained parameters", _trained(run)),
        *((f"Steps, {PHASES.get(stage, plain(stage)).lower()}", steps[stage]) for stage in sorted(steps)),
        *((title, _look_up(run.config, key)) for title, key in ORIGIN.items()),
    ]
    return [(title, _said(value)) for title, value in known if value not in (None, "")]


def phases(run: Run) -> list[Share]:
    """Where the time went: as the run counted it, else from the steps done so far."""
    seconds = {name: number(value) or 0.0 for name, value in mapping(run.summary.get("phase_seconds")).items()}
    seconds = seconds or _seconds_of_steps(run)
    total = sum(seconds.values())
    return [
        Share(PHASES.get(name, plain(name)), duration(spent), 100 * spent / total)
        for name, spent in seconds.items()
        if spent
    ]


def _table(title: str, stages: Mapping[str, Any]) -> Table:
    by_stage = {stage: mapping(stages[stage]) for stage in sorted(stages, key=_stage_rank)}
    seen = {name for metrics in by_stage.values() for name in metrics}
    shown = [name for name in seen if not name.endswith(BLIND) and name != MAJORITY]
    names = sorted(shown, key=lambda name: (list(METRICS).index(name) if name in METRICS else len(METRICS), name))
    rows = [(STAGES.get(stage, plain(stage)), metrics) for stage, metrics in by_stage.items()]
    rows += _blind_row(by_stage) + _majority_row(by_stage)
    counts = [number(mapping(value).get("n")) for _, metrics in rows for value in metrics.values()]
    return Table(
        title=title,
        columns=[METRICS.get(name, plain(name)) for name in names],
        rows=[(title, [_cell(name, mapping(metrics.get(name))) for name in names]) for title, metrics in rows],
        questions=int(max((count for count in counts if count), default=0)) or None,
    )


def _stage_rank(stage: str) -> tuple[int, str]:
    return (list(STAGES).index(stage) if stage in STAGES else len(STAGES), stage)


def _blind_row(by_stage: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    for stage, metrics in reversed(by_stage.items()):
        blind = {name.removesuffix(BLIND): value for name, value in metrics.items() if name.endswith(BLIND)}
        if blind:
            return [(f"{STAGES.get(stage, plain(stage))}, images blanked", blind)]
    return []


def _majority_row(by_stage: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    found = [metrics[MAJORITY] for metrics in by_stage.values() if MAJORITY in metrics]
    return [("Always the most frequent answer", {"accuracy": found[-1]})] if found else []


def _cell(name: str, metric: Mapping[str, Any]) -> Cell | None:
    value, low, high = (number(metric.get(key)) for key in ("value", "low", "high"))
    if value is None:
        return None
    if name in DIFFERENCES:
        between = "" if low is None or high is None else f"{100 * low:+.1f} to {100 * high:+.1f}"
        return Cell(f"{100 * value:+.1f}", between)
    is_share = name in METRICS and name not in COUNTED
    if low is None or high is None:
        return Cell(f"{100 * value:.1f} %", at=100 * value) if is_share else Cell(short(value))
    if not is_share:
        return Cell(short(value), f"{short(low)} to {short(high)}")
    left, right = 100 * low, 100 * high
    return Cell(f"{100 * value:.1f} %", f"{left:.1f} to {right:.1f}", left, right - left, 100 * value)


def _look_up(config: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        config = mapping(config).get(key)
    return config


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{plain(str(key))}: {_said(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_said(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _steps(run: Run) -> dict[str, int]:
    last: dict[str, int] = {}
    for row in run.metrics:
        if number(row.get("step")) is not None:
            last[str(row.get("stage"))] = int(row["step"])
    return last


def _trained(run: Run) -> str | None:
    parts = [mapping(part) for part in sequence(run.summary.get("trainable"))]
    trainable, total = (sum(number(part.get(key)) or 0 for part in parts) for key in ("trainable", "total"))
    return f"{millions(trainable)} of {millions(total)}" if total else None


def _seconds_of_steps(run: Run) -> dict[str, float]:
    spent: dict[str, float] = {}
    for row in run.metrics:
        for name, value in mapping(row.get("seconds")).items():
            spent[name] = spent.get(name, 0.0) + (number(value) or 0.0)
    return spent
