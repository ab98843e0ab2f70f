"""A comparison as its YAML file says it: regimes, rows, seeds, contrasts and a sweep (docs/comparing.md)."""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_origin

import yaml

from vlrlcd.cli import known_keys
from vlrlcd.errors import UserError

NAME = re.compile(r"[\w.+-]+")
"""Of regimes, rows and seeds: they become folders."""
OWN_KEYS = ("run.name", "run.root", "run.resume")
"""Where a cell lies is the comparison's own business."""
MAY_BE_EMPTY = ("settings", "also")
TIMES = "epochs_times"
T = TypeVar("T")
Settings = dict[str, Any]
"""`section.key` to value."""


@dataclass(frozen=True)
class SameSeconds:
    """A row's `stage2.epochs` by measurement: as long as stage II of `of` took, at the pace of `pace`, seed by seed."""

    of: str
    pace: str


@dataclass(frozen=True)
class Chosen:
    """Which of the rows `among` does best on other questions, seed by seed; the first of equals.

    Attributes:
        among: rows, in order.
        settings: under which their students are asked: another `data.root` or `evaluation.split`.
    """

    among: list[str]
    settings: Settings


@dataclass(frozen=True)
class Row:
    """What one line of the table is. A chosen row trains nothing: it is one of the others.

    Attributes:
        epochs_times: `stage2.epochs` of its regime is multiplied by this.
    """

    name: str
    settings: Settings
    epochs_times: float = 1.0
    same_seconds: SameSeconds | None = None
    chosen: Chosen | None = None


@dataclass(frozen=True)
class Panel:
    """One key of the sweep.

    Attributes:
        values: that it is set to.
        also: settings that go with each of them.
    """

    values: list[Any]
    also: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class Sweep:
    """`row` again, with one key changed at a time, in these regimes, with these seeds; without any, with all."""

    row: str
    regimes: list[str]
    keys: dict[str, Panel]
    seeds: list[str] = field(default_factory=list)

    def rows(self, base: Row) -> list[Row]:
        """The rows that it adds."""
        return [
            Row(swept(key, value), {**base.settings, **panel.also, key: value}, base.epochs_times)
            for key, panel in self.keys.items()
            for value in panel.values
        ]


@dataclass(frozen=True)
class Comparison:
    """A file of `configs/comparisons/`; `name` is the file's, every other attribute one of its keys.

    Attributes:
        config: the configuration that every cell begins from.
        settings: of every cell.
        regimes: settings by name.
        rows: by name, in the order of the table.
        seeds: settings by name; the table is about them.
        trial: seeds on which settings were chosen; the table knows nothing of them.
        builds: path to the script and flags that make it, with `{out}` for the path; made where a cell names the path.
        metrics: of single answers, as predictions_*.jsonl names them; the first one chooses and is swept.
        references: rows that every other row is paired with.
        contrasts: further pairs of rows.
        sweep: one key changed at a time.
    """

    name: str
    config: str
    settings: Settings
    regimes: dict[str, Settings]
    rows: dict[str, Row]
    seeds: dict[str, Settings]
    trial: dict[str, Settings] = field(default_factory=dict)
    builds: dict[str, list[str]] = field(default_factory=dict)
    metrics: list[str] = field(default_factory=lambda: ["accuracy"])
    references: list[str] = field(default_factory=list)
    contrasts: list[list[str]] = field(default_factory=list)
    sweep: Sweep | None = None

    @property
    def swept_rows(self) -> list[Row]:
        return self.sweep.rows(self.rows[self.sweep.row]) if self.sweep else []


def swept(key: str, value: Any) -> str:
    """The name of a sweep's row."""
    return f"{key}={value}"


def load_comparison(path: Path) -> Comparison:
    """Reads the file.

    Raises:
        UserError: it cannot be read; an unknown, missing or wrong key; a name that no folder could have; a row, regime
            or setting that does not exist.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: the comparison cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    plan = _built(Comparison, content, str(path), name=path.stem)
    for group in (plan.regimes, plan.seeds, plan.trial):
        for name, settings in group.items():
            _check_name(path, name)
            _check_settings(f"{path}, {name}", settings)
    _check_settings(f"{path}, settings", plan.settings)
    rows = {name: _row(path, name, given) for name, given in plan.rows.items()}
    sweep = plan.sweep and _sweep(path, plan.sweep)
    plan = dataclasses.replace(plan, rows=rows, sweep=sweep)
    _check_references(path, plan)
    return plan


def _row(path: Path, name: Any, given: Any) -> Row:
    where = f"{path}, row {name}"
    _check_name(path, name)
    if not isinstance(given, dict | None):
        raise UserError(f"{where}: must hold `section.key: value` lines, but holds {given!r}.")
    ways = {"same_seconds": SameSeconds, "chosen": Chosen}
    settings = {key: value for key, value in (given or {}).items() if key not in (*ways, TIMES)}
    times = (given or {}).get(TIMES, 1.0)
    found = {key: _built(kind, given[key], f"{where}, {key}") for key, kind in ways.items() if key in (given or {})}
    if "chosen" in found and len(given) > 1:
        raise UserError(f"{where}: a chosen row is one of the others and takes no settings: leave out all but chosen.")
    if not isinstance(times, int | float) or times <= 0:
        raise UserError(f"{where}: {TIMES} must be a number above 0, but is {times!r}.")
    if sum(("same_seconds" in found, times != 1, "stage2.epochs" in settings)) > 1:
        raise UserError(f"{where}: same_seconds, {TIMES} and stage2.epochs say the same thing: leave out all but one.")
    _check_settings(where, settings)
    _check_settings(where, found["chosen"].settings if "chosen" in found else {})
    return Row(name, settings, times, **found)


def _sweep(path: Path, given: Settings) -> Sweep:
    sweep = _built(Sweep, given, f"{path}, sweep")
    panels = {key: _built(Panel, panel, f"{path}, sweep of {key}") for key, panel in sweep.keys.items()}
    for key, panel in panels.items():
        _check_settings(f"{path}, sweep", {key: None, **panel.also})
        for value in panel.values:
            _check_name(path, str(value))
    return dataclasses.replace(sweep, keys=panels)


def _built(kind: type[T], content: Any, where: str, **known: Any) -> T:
    """A dataclass from a mapping whose keys and types are checked; nested ones stay mappings."""
    wanted = {item.name: item for item in dataclasses.fields(kind) if item.name not in known}
    if not isinstance(content, dict):
        raise UserError(f"{where} must hold the keys {', '.join(wanted)}.")
    for key in content:
        _check_known(where, "key", key, wanted)
    for key, item in wanted.items():
        needed = item.default is item.default_factory is dataclasses.MISSING
        if needed and key not in content:
            raise UserError(f"{where}: key '{key}' is missing; add it.")
        if key in content:
            _check_type(where, key, content[key], item.type)
    return kind(**known, **content)


def _check_type(where: str, key: str, value: Any, wanted: Any) -> None:
    words = {str: "a string", list: "a list that is not empty", dict: "a mapping that is not empty"}
    outer = get_origin(wanted) or wanted
    # a dataclass stands in the file as a mapping, too
    kind = outer if outer in words else dict
    if not isinstance(value, kind) or (not value and key not in MAY_BE_EMPTY):
        raise UserError(f"{where}: key '{key}' must be {words[kind]}, but is {value!r}.")


def _check_name(path: Path, name: Any) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name) or name.strip(".") == "":
        raise UserError(
            f"{path}: {name!r} becomes the name of a folder: take a string of letters, digits and any of _ . + -, in "
            "quotes if it is a number."
        )


def _check_settings(where: str, settings: Any) -> None:
    if not isinstance(settings, dict):
        raise UserError(f"{where}: must hold `section.key: value` lines, but holds {settings!r}.")
    for key in settings:
        _check_known(where, "setting", key, known_keys())
        if key in OWN_KEYS:
            raise UserError(f"{where}: {key} is the comparison's own: leave it out.")


def _check_references(path: Path, plan: Comparison) -> None:
    for name, row in plan.rows.items():
        named = [row.same_seconds.of, row.same_seconds.pace] if row.same_seconds else []
        for other in [*named, *(row.chosen.among if row.chosen else [])]:
            _check_known(f"{path}, row {name}", "row", other, plan.rows)
            if (of := plan.rows[other]).chosen or (named and of.same_seconds):
                raise UserError(f"{path}, row {name}: {other} follows from other rows itself: name one with settings.")
    for reference in plan.references:
        _check_known(f"{path}, references", "row", reference, plan.rows)
    for pair in plan.contrasts:
        if not isinstance(pair, list) or len(pair) != 2:
            raise UserError(f"{path}, contrasts: {pair!r} must be two rows, as in [ldl_grpo, sft].")
        for name in pair:
            _check_known(f"{path}, contrasts", "row", name, plan.rows)
    for path_built, command in plan.builds.items():
        if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
            raise UserError(f"{path}, builds: {path_built} must hold a list of strings: a script and its flags.")
        if not any("{out}" in word for word in command):
            raise UserError(f"{path}, builds: {path_built} must hold {{out}} where the script takes the path.")
    if both := plan.seeds.keys() & plan.trial.keys():
        raise UserError(f"{path}: {min(both)} stands among both seeds and trial: settings are chosen on other seeds.")
    if plan.sweep:
        _check_known(f"{path}, sweep", "row", plan.sweep.row, plan.rows)
        for regime in plan.sweep.regimes:
            _check_known(f"{path}, sweep", "regime", regime, plan.regimes)
        for seed in plan.sweep.seeds:
            _check_known(f"{path}, sweep", "seed", seed, plan.seeds)
        if (base := plan.rows[plan.sweep.row]).chosen or base.same_seconds:
            raise UserError(f"{path}, sweep: {base.name} follows from other rows: name one with settings alone.")


def _check_known(where: str, what: str, name: Any, known: Iterable[str] | Mapping[str, Any]) -> None:
    if name not in known:
        close = get_close_matches(str(name), list(known), n=1, cutoff=0.3)
        hint = f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(known)}."
        raise UserError(f"{where}: unknown {what} '{name}'{hint}")
