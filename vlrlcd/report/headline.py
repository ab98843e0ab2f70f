"""What was trained on what, and where the time went."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from vlrlcd.report.read import Run, mapping, number, sequence
from vlrlcd.report.wording import ORIGIN, PHASES, SENTENCE, SUBJECT, duration, millions, plain


@dataclass(frozen=True)
class Share:
    """One phase of the run; `percent` of the longest."""

    title: str
    time: str
    percent: float


@dataclass(frozen=True)
class Subject:
    """What was trained on what, in the words of one sentence; empty where the run does not say."""

    student: str
    method: str
    data: str
    teacher: str


def subject(run: Run) -> Subject:
    """The sentence under the title."""
    student, method, data = (str(_look_up(run.config, key) or "") for key in SENTENCE)
    return Subject(student, method, data, str(mapping(run.summary.get("teacher")).get("name") or ""))


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
    """Where the time went, the longest first."""
    seconds = seconds_by_phase(run)
    longest = max(seconds.values(), default=0.0)
    return [
        Share(PHASES.get(name, plain(name)), duration(spent), 100 * spent / longest)
        for name, spent in sorted(seconds.items(), key=lambda phase: -phase[1])
        if spent > 0
    ]


def total_time(run: Run) -> str:
    """All phases together."""
    return duration(sum(seconds_by_phase(run).values()))


def seconds_by_phase(run: Run) -> dict[str, float]:
    """As the run counted it, else from the steps done so far."""
    seconds = {name: number(value) or 0.0 for name, value in mapping(run.summary.get("phase_seconds")).items()}
    return seconds or _seconds_of_steps(run)


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
    done = {(str(row.get("stage")), step) for row in run.metrics if (step := number(row.get("step"))) is not None}
    return Counter(stage for stage, _ in done)


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
