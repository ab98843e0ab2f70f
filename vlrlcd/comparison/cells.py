"""One cell is one run of `scripts/train.py`; where it lies, what it is run with, and whether it is there."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from vlrlcd.cli import parse_config, to_dict
from vlrlcd.comparison.plan import Comparison, Row, Settings
from vlrlcd.errors import UserError
from vlrlcd.run_folder import changed_keys

FOLDER = Path("comparisons")
EPOCHS = "stage2.epochs"


@dataclass(frozen=True)
class Cell:
    """A row in a regime with a seed. `folder` is its run's, `config` the file that it begins from."""

    regime: str
    row: Row
    seed: str
    folder: Path
    config: str
    settings: tuple[Settings, ...]
    """Of the comparison, the regime, the row and the seed, later ones first in force."""

    @property
    def name(self) -> str:
        return f"{self.regime}/{self.row.name}/{self.seed}"

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.seed}.log")

    @property
    def begun(self) -> bool:
        return (self.folder / "config.yaml").exists()

    @property
    def finished(self) -> bool:
        return "spent" in self.facts()

    def facts(self) -> dict[str, Any]:
        """What the run recorded of itself; nothing before it began."""
        return _read_json(self.folder / "run.json")

    def kept(self) -> dict[str, Any]:
        """The configuration that the run wrote down, with its provenance."""
        return yaml.safe_load((self.folder / "config.yaml").read_text(encoding="utf-8"))

    def wanted(self, epochs: float | None = None) -> dict[str, dict]:
        """The whole configuration, of a row that is measured with its epochs. Raises UserError for a bad value."""
        *shared, own = self.settings
        # a row's seeds differ in few keys, and a configuration takes a third of a second to parse
        config = {section: dict(keys) for section, keys in _parsed(self.config, as_flags(shared)).items()}
        alone = _parsed(self.config, as_flags([own]))
        for section, key in (name.split(".") for name in own):
            config[section][key] = alone[section][key]
        config["stage2"]["epochs"] = (
            epochs if epochs is not None else config["stage2"]["epochs"] * self.row.epochs_times
        )
        return config

    def flags(self, epochs: float | None = None) -> list[str]:
        """The command line of `scripts/train.py`; goes on with a run that was begun."""
        own = {EPOCHS: self.wanted(epochs)["stage2"]["epochs"], "run.resume": self.begun}
        place = {"run.root": str(self.folder.parent), "run.name": self.seed}
        return [f"--config={self.config}", *as_flags([*self.settings, own, place])]

    def refuse_changes(self, epochs: float | None = None) -> None:
        """Raises UserError if the run began otherwise; `epochs` of a row that is measured, None while they are not."""
        if not self.begun:
            return
        for key, before, now in changed_keys(self.folder / "config.yaml", self.wanted(epochs)):
            if not (key == EPOCHS and epochs is None and self.row.same_seconds):
                raise UserError(
                    f"{self.folder} was run with {key} = {before!r}, and the comparison says {now!r}: move the folder "
                    "away, or give the comparison's file another name."
                )


def cells(plan: Comparison, trial: bool, with_sweep: bool, root: Path = FOLDER) -> list[Cell]:
    """Every cell that trains, in the file's order; of the trial seeds they lie in a folder of their own."""
    folder = home(plan, trial, root)
    seeds = plan.trial if trial else plan.seeds
    rows = [(regime, row, list(seeds)) for regime in plan.regimes for row in plan.rows.values() if not row.chosen]
    if plan.sweep and with_sweep:
        own = list(seeds) if trial else plan.sweep.seeds or list(seeds)
        rows += [(regime, row, own) for regime in plan.sweep.regimes for row in plan.swept_rows]
    return [
        Cell(
            regime,
            row,
            seed,
            folder / regime / row.name / seed,
            plan.config,
            (plan.settings, plan.regimes[regime], row.settings, seeds[seed]),
        )
        for regime, row, own in rows
        for seed in own
    ]


def home(plan: Comparison, trial: bool, root: Path = FOLDER) -> Path:
    """Where a comparison's runs and tables lie."""
    return root / (f"{plan.name}-trial" if trial else plan.name)


def asked_folder(cell: Cell, settings: Settings) -> Path:
    """Where a student's answers to other questions lie; other settings have another folder."""
    return cell.folder / f"asked-{sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]}"


def stage2_seconds(cell: Cell) -> float:
    """Seconds of stage II without its evaluations; 0 without a stage II."""
    return cell.facts()["spent"].get("stage2", {}).get("seconds", 0.0)


def same_seconds_epochs(of: Cell, pace: Cell) -> float:
    """How many epochs at the pace of one finished cell take as long as stage II of the other.

    Raises:
        UserError: the pace is that of a cell without a stage II.
    """
    if not (seconds := stage2_seconds(pace)):
        raise UserError(f"{pace.name} has no stage II, so nothing can be as long at its pace: name another row.")
    return round(pace.kept()["stage2"]["epochs"] * stage2_seconds(of) / seconds, 3)


def as_flags(settings: Iterable[Settings]) -> tuple[str, ...]:
    """As a command line, later ones first in force."""
    merged = {key: value for each in settings for key, value in each.items()}
    return tuple(f"--{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in merged.items())


@cache
def _parsed(config: str, flags: tuple[str, ...]) -> dict[str, dict]:
    return to_dict(parse_config("", argv=[f"--config={config}", *flags]))


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
