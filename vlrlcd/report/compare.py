"""Several runs on one page: their figures, what differs in their configurations, what they cost, and their curves."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from vlrlcd.errors import UserError
from vlrlcd.report import figures, headline, teacher
from vlrlcd.report.outcome import Note, outcomes
from vlrlcd.report.page import write_page
from vlrlcd.report.read import Run, name_of, read_run
from vlrlcd.report.rendering import Page
from vlrlcd.report.warnings import warnings
from vlrlcd.report.wording import ABSENT, PHASES, duration, plain

NOT_COMPARED = "provenance"
"""When, where and with which versions a run was made is no setting of it."""
UNLIKE = {"Hardware": "hardware", "Commit": "commits"}
"""Facts that, where they differ, stand in the way of comparing seconds or figures."""


@dataclass(frozen=True)
class Line:
    """One row of a table: a title and what each run has of it."""

    title: str
    values: list[str]


Runs = dict[str, Run]
"""By the name that the page gives each."""


def write_comparison(folders: Sequence[Path], output: Path) -> Path:
    """Writes the page and returns its path; raises what `comparison` raises, and UserError where it cannot write."""
    page = comparison(folders)
    try:
        return write_page(output, page)
    except OSError as fault:
        raise UserError(f"{output} cannot be written ({fault.strerror}): give another file with --output.") from None


def comparison(folders: Sequence[Path]) -> str:
    """The page as HTML; the first run is the one that the others are compared with.

    Raises:
        UserError: a folder that holds no run, or one that is given twice.
    """
    runs = _named([read_run(folder) for folder in folders])
    notes: list[Note] = [(name, note) for name, run in runs.items() for note in run.notes]
    found = outcomes(runs, notes)
    return Page(
        "compare.html",
        scripts=(),
        names=list(runs),
        subjects=[headline.subject(run) for run in runs.values()],
        folders=[str(run.folder) for run in runs.values()],
        notes=notes,
        warnings=[(name, warning) for name, run in runs.items() for warning in warnings(run)],
        outcomes=found,
        settings=_settings(runs),
        without_settings=[name for name, run in runs.items() if not run.config],
        costs=[("Teacher", _teacher(runs)), ("Time", _times(runs))],
        unlike=_unlike(runs),
        stages=_curves(runs),
        size=figures,
    ).html


def _named(runs: list[Run]) -> Runs:
    """By name, and where two have the same by as much of the end of their paths as tells them apart."""
    places = [run.folder.resolve() for run in runs]
    for place, run in zip(places, runs, strict=True):
        if places.count(place) > 1:
            raise UserError(f"{run.folder} is given twice: give every run once.")
    deepest = max(len(place.parts) for place in places)
    ends = (["/".join(place.parts[-length:]) for place in places] for length in range(1, deepest + 1))
    ways = chain([[name_of(run) for run in runs]], ends)
    return dict(zip(next(names for names in ways if len(set(names)) == len(names)), runs, strict=True))


def _settings(runs: Runs) -> list[Line]:
    """The keys that differ among the runs that have left a configuration."""
    known = {name: dict(_flat(run.config)) for name, run in runs.items() if run.config}
    keys = dict.fromkeys(key for settings in known.values() for key in settings)
    lines = [Line(key, [known.get(name, {}).get(key, ABSENT) for name in runs]) for key in keys]
    return [line for line in lines if len({settings.get(line.title) for settings in known.values()}) > 1]


def _flat(config: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, str]]:
    for key, value in config.items():
        name = f"{above}{key}"
        if isinstance(value, dict) and name != NOT_COMPARED:
            yield from _flat(value, f"{name}.")
        elif name != NOT_COMPARED:
            yield name, _said(value)


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value or "(empty)"
    return json.dumps(value, ensure_ascii=False, default=str)


def _teacher(runs: Runs) -> list[Line]:
    return _lines([dict(teacher.facts(run)) for run in runs.values()])


def _times(runs: Runs) -> list[Line]:
    spent = [headline.seconds_by_phase(run) for run in runs.values()]
    longest = {phase: max(of.get(phase, 0.0) for of in spent) for phase in {phase for of in spent for phase in of}}
    totals = Line("In all", [headline.total_time(run) if of else ABSENT for run, of in zip(runs.values(), spent)])
    phases = [
        Line(PHASES.get(phase, plain(phase)), [duration(of[phase]) if phase in of else ABSENT for of in spent])
        for phase in sorted(longest, key=lambda phase: -longest[phase])
        if longest[phase] > 0
    ]
    return [totals, *phases] if phases else []


def _unlike(runs: Runs) -> list[str]:
    facts = [dict(headline.facts(run)) for run in runs.values()]
    return [said for title, said in UNLIKE.items() if len({of.get(title) for of in facts}) > 1]


def _lines(facts: list[dict[str, str]]) -> list[Line]:
    titles = dict.fromkeys(title for of in facts for title in of)
    return [Line(title, [of.get(title, ABSENT) for of in facts]) for title in titles]


def _curves(runs: Runs) -> list[figures.StageCurves]:
    """Each quantity with one line per run; one of a nested mapping has a figure of its own for each name."""
    stages = dict.fromkeys(stage for run in runs.values() for stage in figures.stages(run.metrics))
    return [figures.StageCurves(figures.heading(stage), _curves_of(runs, stage)) for stage in stages]


def _curves_of(runs: Runs, stage: str) -> list[figures.Curve]:
    by_run = {name: figures.quantities(run.metrics, stage) for name, run in runs.items()}
    names: dict[str, dict[str, None]] = {}
    for quantities in by_run.values():
        for quantity, by_name in quantities.items():
            names.setdefault(quantity, {}).update(dict.fromkeys(by_name))
    found = []
    for quantity in figures.known_first(names):
        title, explained = figures.titled(quantity)
        for name in names[quantity]:
            series = [(run, of.get(quantity, {}).get(name, [])) for run, of in by_run.items()]
            if figures.measured(points for _, points in series):
                found.append(figures.curve(f"{title}: {plain(name).lower()}" if name else title, explained, series))
    return found
