"""Checkpoints to resume from, in a run's `checkpoints/`: whole or not gone on from, the last few kept."""

import json
import shutil
import zlib
from pathlib import Path
from typing import Any

WHOLE = "whole.json"
"""Sizes and checksums of a checkpoint's files, written when the last of them is there."""
PLACE = "place.json"
BLOCK = 2**24
PARTIAL = ".partial"
"""How the name of a checkpoint ends that is still being written."""


def facts_of(path: Path) -> dict[str, Any]:
    """Name, size in bytes and CRC-32 of a file."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            crc = zlib.crc32(block, crc)
    return {"name": path.name, "bytes": path.stat().st_size, "crc32": crc}


def seal(folder: Path, files: list[dict[str, Any]]) -> None:
    """Notes which files make the checkpoint, as `facts_of` tells of each."""
    (folder / WHOLE).write_text(json.dumps(files, indent=1) + "\n", encoding="utf-8")


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint, None if nothing is; reads it once."""
    if not folder.is_dir():
        return "is missing"
    if not (folder / WHOLE).exists():
        return f"is not whole, or of an earlier version: {WHOLE} is missing"
    try:
        files = json.loads((folder / WHOLE).read_text(encoding="utf-8"))
    except ValueError:
        return f"is damaged, {WHOLE} is no JSON"
    for noted in files:
        path = folder / noted["name"]
        if not path.is_file():
            return f"is not whole, {path.name} is missing"
        if (size := path.stat().st_size) != noted["bytes"]:
            return f"is damaged, {path.name} has {size:,} bytes and had {noted['bytes']:,}"
        if facts_of(path) != noted:
            return f"is damaged, {path.name} has another checksum than it had"
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
