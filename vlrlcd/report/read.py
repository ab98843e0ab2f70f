"""Reading what a run left, finished or not: whatever cannot be read is left out and said."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vlrlcd.errors import UserError
from vlrlcd.report.lines import rows

FILES = ("config.yaml", "metrics.jsonl", "samples.jsonl", "eval.json", "run.json")
EMPTY = "is empty"


@dataclass(frozen=True)
class Run:
    """What a run folder holds; a file that is not there yet is empty here, `notes` say what could not be read.

    Groups and answers may be many: `groups` and `answers` read them from the folder, a line at a time.
    """

    folder: Path
    config: dict[str, Any]
    config_text: str
    metrics: list[dict[str, Any]]
    evaluation: dict[str, Any]
    summary: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def read_run(folder: Path | str) -> Run:
    """Reads a run folder.

    Raises:
        UserError: the folder is missing or holds none of the files that a run leaves.
    """
    require_run(Path(folder))
    return read_what_is_there(Path(folder))


def require_run(folder: Path, may_be_empty: bool = False) -> None:
    """Raises UserError where the folder is missing or holds none of a run's files; an empty one may be let pass."""
    if any((folder / name).is_file() for name in FILES):
        return
    wrong = _wrong_with(folder)
    if wrong != EMPTY or not may_be_empty:
        raise UserError(f"{folder} {wrong}: give the folder that train.py made, such as runs/NAME.")


def read_what_is_there(folder: Path) -> Run:
    """Reads a run folder in which there may be nothing yet."""
    notes: list[str] = []
    return Run(
        folder=folder,
        config=_read_mapping(folder / "config.yaml", yaml.safe_load, notes),
        config_text=_text(folder / "config.yaml"),
        metrics=[row for _, row in rows(folder / "metrics.jsonl", notes)],
        evaluation=_read_mapping(folder / "eval.json", json.loads, notes),
        summary=_read_mapping(folder / "run.json", json.loads, notes),
        notes=notes,
    )


def name_of(run: Run) -> str:
    """What the run is called: as it says itself, else as its folder."""
    return str(run.summary.get("name") or run.folder.resolve().name)


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


def _wrong_with(folder: Path) -> str:
    if not folder.exists():
        return "does not exist"
    if not folder.is_dir():
        return "is a file"
    return f"holds no run (none of {', '.join(FILES)})" if any(folder.iterdir()) else EMPTY


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace") if path.is_file() else ""


def _read_mapping(path: Path, parse: Callable[[str], Any], notes: list[str]) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        parsed = parse(_text(path))
    except (ValueError, RecursionError, yaml.YAMLError):
        parsed = None
    if not isinstance(parsed, dict):
        notes.append(f"{path.name} cannot be read and was left out.")
    return mapping(parsed)
