"""Reading what a run left, finished or not: whatever cannot be read is left out and said."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vlrlcd.errors import UserError

FILES = ("config.yaml", "metrics.jsonl", "samples.jsonl", "eval.json", "run.json")


@dataclass(frozen=True)
class Run:
    """What a run folder holds; a file that is not there yet is empty here, `notes` say what could not be read."""

    folder: Path
    config: dict[str, Any]
    config_text: str
    metrics: list[dict[str, Any]]
    samples: list[dict[str, Any]]
    evaluation: dict[str, Any]
    summary: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def read_run(folder: Path | str) -> Run:
    """Reads a run folder.

    Raises:
        UserError: the folder is missing or holds none of the files that a run leaves.
    """
    folder = Path(folder)
    if not any((folder / name).is_file() for name in FILES):
        raise UserError(
            f"{folder} holds no run (none of {', '.join(FILES)}): give the folder that train.py made, "
            "such as runs/quickstart."
        )
    notes: list[str] = []
    return Run(
        folder=folder,
        config=_read_mapping(folder / "config.yaml", yaml.safe_load, notes),
        config_text=_text(folder / "config.yaml"),
        metrics=_read_lines(folder / "metrics.jsonl", notes),
        samples=_read_lines(folder / "samples.jsonl", notes),
        evaluation=_read_mapping(folder / "eval.json", json.loads, notes),
        summary=_read_mapping(folder / "run.json", json.loads, notes),
        notes=notes,
    )


def number(value: Any) -> float | None:
    """The value as a finite float, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def mapping(value: Any) -> dict[str, Any]:
    """The value if it is a mapping, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """The value if it is a list, an empty one for anything else."""
    return value if isinstance(value, list) else []


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace") if path.is_file() else ""


def _read_mapping(path: Path, parse: Callable[[str], Any], notes: list[str]) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        parsed = parse(_text(path))
    except (ValueError, yaml.YAMLError):
        parsed = None
    if not isinstance(parsed, dict):
        notes.append(f"{path.name} cannot be read and was left out.")
    return mapping(parsed)


def _read_lines(path: Path, notes: list[str]) -> list[dict[str, Any]]:
    *lines, last = _text(path).split("\n")
    parsed = [_parse_line(line) for line in lines]
    if broken := [place for place, row in enumerate(parsed, start=1) if row is None]:
        count = f"{len(broken)}, the first is line {broken[0]}"
        notes.append(f"{path.name}: lines that cannot be read were left out ({count}).")
    if last and _parse_line(last) is None:
        notes.append(f"{path.name}: the last line is half-written and was left out; the run is writing or was cut off.")
    return [row for row in [*parsed, _parse_line(last)] if row is not None]


def _parse_line(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
