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
from vlrlcd.processes import ranks

PROJECT = "vlrlcd"


class Tracker(Protocol):
    """Takes figures of the first process."""

    def log(self, stage: str, step: int, figures: dict[str, float | None]) -> None:
        """Figures of one training step of a stage, by name; None is left out."""

    def log_evaluation(self, stage: str, figures: dict[str, float | None]) -> None:
        """Figures of an evaluation of a stage, in the same way; they stand at step 0."""

    def close(self) -> None:
        """Everything is there."""


class TensorBoard:
    """`tensorboard/STAGE` in the run's folder."""

    def __init__(self, config: Config, run: Path):
        self._folder = run / "tensorboard"
        self._boards: dict[str, SummaryWriter] = {}

    def log(self, stage: str, step: int, figures: dict[str, float | None]) -> None:
        # a resumed run repeats the steps after its checkpoint: what stood there before is purged
        self._write(stage, step, figures, purge_step=step)

    def log_evaluation(self, stage: str, figures: dict[str, float | None]) -> None:
        # a run resumed between training and evaluation repeats no step of the stage
        self._write(stage, 0, figures, purge_step=None)

    def _write(self, stage: str, step: int, figures: dict[str, float | None], purge_step: int | None) -> None:
        if stage not in self._boards:
            self._boards[stage] = SummaryWriter(self._folder / stage, purge_step=purge_step)
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

    def log_evaluation(self, stage: str, figures: dict[str, float | None]) -> None:
        self.log(stage, 0, figures)

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
    """Raises UserError for a library that is not installed, or for W&B without a login where it would send."""
    for name in config.run.trackers:
        if name not in ALWAYS_THERE and not importlib.util.find_spec(name):
            raise UserError(f"run.trackers names {name}, which is not installed: pip install {name}.")
    if "wandb" in config.run.trackers and ranks.first():
        _check_login()


def _check_login() -> None:
    wandb = importlib.import_module("wandb")
    try:
        # asks nobody offline, and the person at a terminal; the key itself is only tried when the run begins there
        wandb.login(verify=False)
    except wandb.Error as error:
        said = " ".join(str(error).split())
        raise UserError(
            f"run.trackers names wandb, which is not logged in ({said}): run wandb login, or set WANDB_MODE=offline."
        ) from None


def trackers_for(config: Config, run: Path) -> list[Tracker]:
    """The trackers that the configuration names."""
    return [TRACKERS[name](config, run) for name in config.run.trackers]
