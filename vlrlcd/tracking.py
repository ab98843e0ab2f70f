"""Where a run's figures go besides metrics.jsonl, under the same names: TensorBoard, W&B, trackio."""

import hashlib
import importlib
import importlib.util
from pathlib import Path
from typing import Any, Protocol

from torch.utils.tensorboard import SummaryWriter

from vlrlcd.cli import to_dict
from vlrlcd.config import Config
from vlrlcd.errors import UserError

PROJECT = "vlrlcd"


class Tracker(Protocol):
    """Takes figures of the first process."""

    def log(self, stage: str, step: int, figures: dict[str, float | None]) -> None:
        """Figures of one step of a stage, by name; None is left out."""

    def close(self) -> None:
        """Everything is there."""


class TensorBoard:
    """`tensorboard/STAGE` in the run's folder."""

    def __init__(self, config: Config, run: Path):
        self._folder = run / "tensorboard"
        self._boards: dict[str, SummaryWriter] = {}

    def log(self, stage: str, step: int, figures: dict[str, float | None]) -> None:
        # a resumed run repeats the steps after its checkpoint: what stood there before is purged
        if stage not in self._boards:
            self._boards[stage] = SummaryWriter(self._folder / stage, purge_step=step)
        for name, value in figures.items():
            if value is not None:
                self._boards[stage].add_scalar(name, value, step)

    def close(self) -> None:
        for board in self._boards.values():
            board.close()


class Library:
    """W&B, or trackio, which has the same calls; figures stand as `STAGE/NAME`."""

    def __init__(self, name: str, config: Config, run: Path, **more: Any):
        """Begins a run there, or goes on with it."""
        library = importlib.import_module(name)
        self._run = library.init(project=PROJECT, name=run.name, config=to_dict(config), resume="allow", **more)

    def log(self, stage: str, step: int, figures: dict[str, float | None]) -> None:
        known = {name: value for name, value in figures.items() if value is not None}
        self._run.log({f"{stage}/step": step, **{f"{stage}/{name}": value for name, value in known.items()}})

    def close(self) -> None:
        self._run.finish()


def _wandb(config: Config, run: Path) -> Tracker:
    # the same folder is the same run, so that a resumed one goes on there
    own = hashlib.sha256(str(run.resolve()).encode()).hexdigest()[:16]
    return Library("wandb", config, run, id=own, dir=str(run))


def _trackio(config: Config, run: Path) -> Tracker:
    return Library("trackio", config, run)


ALWAYS_THERE = {"tensorboard"}
TRACKERS = {"tensorboard": TensorBoard, "wandb": _wandb, "trackio": _trackio}


def check_trackers(config: Config) -> None:
    """Raises UserError for a library that is not installed."""
    for name in config.run.trackers:
        if name not in ALWAYS_THERE and not importlib.util.find_spec(name):
            raise UserError(f"run.trackers names {name}, which is not installed: pip install {name}.")


def trackers_for(config: Config, run: Path) -> list[Tracker]:
    """The trackers that the configuration names."""
    return [TRACKERS[name](config, run) for name in config.run.trackers]
