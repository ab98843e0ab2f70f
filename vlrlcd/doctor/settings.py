"""What the configuration says, by itself and with the DeepSpeed JSON."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from vlrlcd.checkpoints import PLACE, last_whole
from vlrlcd.cli import to_dict
from vlrlcd.doctor.remarks import FAULT, OK, WARNING, Remark, attempted
from vlrlcd.engine import zero_stage
from vlrlcd.engine.engine import decodes_statically
from vlrlcd.job import check_clip, check_method, check_precision
from vlrlcd.planner import Sharding
from vlrlcd.run_folder import changed_keys, folder_for
from vlrlcd.tracking import check_trackers

if TYPE_CHECKING:
    from vlrlcd.doctor.pieces import Pieces


def configuration(pieces: "Pieces") -> Iterator[Remark]:
    """Known keys, possible values, and a method that has what it learns from."""
    yield from (Remark(FAULT, fault) for fault in pieces.reading.faults)
    config = pieces.config
    yield Remark(OK, f"{pieces.source}: {config.stage2.method}, {config.model.tuning}, {config.model.dtype}")
    yield from attempted(
        lambda: check_precision(config),
        lambda: check_method(config),
        lambda: check_clip(config),
        lambda: check_trackers(config),
    )


def deepspeed(pieces: "Pieces") -> Iterator[Remark]:
    """The JSON, and whether it and the configuration say the same."""
    settings, engine = pieces.settings, pieces.config.engine
    by = Sharding.of(settings, pieces.processes)
    offloaded = {"optimiser": by.optimiser_on_cpu, "weights": by.weights_on_cpu}
    said = "".join(f", {name} offloaded" for name, is_so in offloaded.items() if is_so)
    yield Remark(OK, f"{engine.deepspeed}: ZeRO stage {by.stage}{said}, {pieces.processes} process(es)")
    in_step = zero_stage(settings) == 3 and engine.gather == "never"
    yield from attempted(lambda: decodes_statically(engine.decoding, torch.device("cpu"), in_step))


def _checkpoints(folder: Path) -> Iterator[Remark]:
    """Whether the last checkpoint is whole, or one before it."""
    place = json.loads(path.read_text(encoding="utf-8")) if (path := folder / PLACE).exists() else {}
    if not place.get("tag"):
        return
    found, said = last_whole(folder / "checkpoints", place)
    if found is None:
        yield Remark(FAULT, f"{said}: restore it from a copy, or start a new run")
    elif said:
        yield Remark(WARNING, f"{said}: the run would go on from {found['tag']}")


def run_folder(pieces: "Pieces") -> Iterator[Remark]:
    """Where the run would go, and whether it can."""
    config = pieces.config
    folder = folder_for(config, Path(pieces.source).stem)
    goes_on = (folder / "config.yaml").exists()
    if goes_on:
        yield from _checkpoints(folder)
        for key, before, now in changed_keys(folder / "config.yaml", to_dict(config)):
            words = (
                f"{key} is {now!r} here, but {folder / 'config.yaml'} says {before!r}: resume with what it began with"
            )
            yield Remark(FAULT, words)
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        yield Remark(FAULT, f"run.root={config.run.root}: {there} is no folder that can be written to; name another.")
    yield Remark(OK, f"{folder} {'goes on' if goes_on else 'would be made'}")
