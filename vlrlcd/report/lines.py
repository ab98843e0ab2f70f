"""JSON lines, one at a time: a long file is never held as a whole."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def rows(path: Path, notes: list[str]) -> Iterator[tuple[int, Row]]:
    """Every row with the byte that it begins at; what cannot be read is left out, and `notes` says so at the end."""
    if not path.is_file():
        return
    broken: list[int] = []
    place, offset = 0, 0
    with path.open("rb") as file:
        for place, line in enumerate(file, start=1):
            row = _parsed(line)
            if row is not None:
                yield offset, row
            elif line.endswith(b"\n"):
                broken.append(place)
            else:
                notes.append(
                    f"{path.name}: the last line is half-written and was left out; the run is writing or was cut off."
                )
            offset += len(line)
    if broken:
        count = f"{len(broken)}, the first is line {broken[0]}"
        notes.append(f"{path.name}: lines that cannot be read were left out ({count}).")


def rows_at(path: Path, offsets: list[int]) -> Iterator[Row]:
    """The rows that begin at these bytes; an empty row where the file has changed since."""
    with path.open("rb") as file:
        for offset in offsets:
            file.seek(offset)
            yield _parsed(file.readline()) or {}


def _parsed(line: bytes) -> Row | None:
    try:
        row = json.loads(line.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
