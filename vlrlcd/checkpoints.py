"""Checkpoints to resume from, in a run's `checkpoints/`: whole or not gone on from, the last few kept."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

WHOLE = "whole.json"
"""Names and sizes of a checkpoint's files, written when the last of them is there."""
PLACE = "place.json"
PARTIAL = ".partial"
"""How the name of a checkpoint ends that is still being written."""


def seal(folder: Path) -> None:
    """Notes which files of what sizes make the checkpoint."""
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in _files(folder)}
    (folder / WHOLE).write_text(json.dumps(sizes, indent=1) + "\n", encoding="utf-8")


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint, None if nothing is; reads it once, for the checksums that torch's files have."""
    if not folder.is_dir():
        return "is missing"
    for name, size in _sizes(folder / WHOLE).items():
        path = folder / name
        if not path.is_file():
            return f"is not whole, {name} is missing"
        if path.stat().st_size != size:
            return f"is damaged, {name} has {path.stat().st_size:,} bytes and had {size:,}"
        if path.suffix == ".pt" and not _sums_agree(path):
            return f"is damaged, {name} does not agree with its own checksums"
    return None


def last_whole(checkpoints: Path, place: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """(where to go on, what was wrong with later checkpoints); None if no checkpoint of the place's stage is whole.

    Args:
        checkpoints: the run's folder of them.
        place: where the run stands, with the tag of its last one.
    """
    newest, stage = checkpoints / place["tag"], place["stage"]
    said = damage(newest)
    if said is None:
        return place, ""
    for older in sorted((path.parent for path in checkpoints.glob(f"{stage}-*/{PLACE}")), reverse=True):
        if older.name < newest.name and damage(older) is None:
            return json.loads((older / PLACE).read_text(encoding="utf-8")), f"{newest} {said}"
    return None, f"{newest} {said}"


def drop_all_but(checkpoints: Path, kept: int) -> None:
    """Removes all but the last so many, and what a kill left half written."""
    found = sorted(path for path in checkpoints.iterdir() if path.is_dir())
    whole = [path for path in found if path.suffix != PARTIAL]
    for old in {*found} - {*whole[-kept:]}:
        shutil.rmtree(old, ignore_errors=True)


def _sizes(noted: Path) -> dict[str, int]:
    # only a checkpoint of an earlier version has no such file: it is written before the checkpoint gets its name
    return json.loads(noted.read_text(encoding="utf-8")) if noted.exists() else {}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (WHOLE, PLACE))


def _sums_agree(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError):
        return False
