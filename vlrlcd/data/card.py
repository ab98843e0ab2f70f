"""`Card`: what a dataset folder says of its data, read from `datasets/NAME/card.yaml`."""

import dataclasses
import string
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from vlrlcd.data.fields import KINDS
from vlrlcd.errors import UserError

DATASETS = Path(__file__).parents[2] / "datasets"
TASKS = ("multiple_choice", "rationale")
IMAGE_PATTERN_FIELDS = ("split", "image_id")


@dataclass(frozen=True)
class Card:
    """A dataset's facts; every attribute but `folder` is a key of `card.yaml`.

    Attributes:
        folder: holds the card and the templates; its name is the dataset's.
        title: for people.
        licence: of the annotations and of the images.
        source: where to get the data.
        task: `multiple_choice` (an answer ends in `Answer: ` and the checkable text) or `rationale` (free text).
        records: file name of a split, with `{split}`; `.json` holds a list, `.jsonl` one object a line.
        images: path of a record's image with `{split}` and `{image_id}`; empty where records name their images.
        columns: our field name -> the file's column, where they differ.
        splits: our split name -> another spelling that files may use (`val: validation`).
        required: fields that a record must have besides its id, its question and its images.
        hides_answers: splits whose records come without answers.
        labels: YAML of what to look for in images, from the card's folder on (`vlrlcd/data/labels.py`).
    """

    folder: Path
    title: str
    licence: str
    source: str
    task: str
    records: str
    images: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    hides_answers: list[str] = field(default_factory=list)
    labels: str = "labels.yaml"

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def names_choice(self) -> bool:
        """Whether an answer ends in one of the offered choices, and so can be checked."""
        return self.task == "multiple_choice"

    def spellings(self, split: str) -> tuple[str, ...]:
        """The names under which files may keep a split, ours first."""
        return (split, self.splits[split]) if split in self.splits else (split,)


def load_card(name_or_folder: str | Path) -> Card:
    """Reads the card of a dataset of this repository, by name, or of any folder that holds a `card.yaml`.

    Raises UserError for an unknown dataset and for a card with unknown, missing or wrong keys.
    """
    path = _folder(name_or_folder) / "card.yaml"
    content = _parse(path)
    fields = {item.name: item for item in dataclasses.fields(Card) if item.name != "folder"}
    for key in content:
        _check_known(path, "key", key, fields)
    for key, item in fields.items():
        if key not in content and item.default is item.default_factory is dataclasses.MISSING:
            raise UserError(f"{path}: key '{key}' is missing; add it")
        if key in content:
            _check_type(path, key, content[key], item.type)
    card = Card(folder=path.parent, **content)
    _check_names(path, card)
    return card


def _folder(name_or_folder: str | Path) -> Path:
    for folder in (DATASETS / name_or_folder, Path(name_or_folder).expanduser()):
        if (folder / "card.yaml").is_file():
            return folder.resolve()
    known = sorted(path.parent.name for path in DATASETS.glob("*/card.yaml"))
    raise UserError(
        f"no dataset '{name_or_folder}'{_nearest(str(name_or_folder), known)}: "
        f"name one of {', '.join(known)}, or a folder that holds a card.yaml"
    )


def _parse(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold `key: value` lines")
    return content


def _check_type(path: Path, key: str, value: Any, wanted: Any) -> None:
    types = {str: ("a string", str), dict[str, str]: ("a mapping", dict), list[str]: ("a list", list)}
    words, kind = types[wanted]
    items = [*value, *value.values()] if isinstance(value, dict) else value
    if not isinstance(value, kind) or not all(isinstance(item, str) for item in items):
        raise UserError(f"{path}: key '{key}' must be {words}{'' if kind is str else ' of strings'}, but is {value!r}")


def _check_names(path: Path, card: Card) -> None:
    _check_known(path, "task", card.task, TASKS)
    for name in card.columns:
        _check_known(path, "field in `columns`", name, KINDS)
    for name in card.required:
        _check_known(path, "field in `required`", name, KINDS)
    for key, known in (("records", ("split",)), ("images", IMAGE_PATTERN_FIELDS)):
        for name in _pattern_fields(path, key, getattr(card, key)):
            _check_known(path, f"placeholder in `{key}`", name, known)
    if card.records.count("{split}") != 1 or Path(card.records).suffix not in (".json", ".jsonl"):
        raise UserError(f"{path}: key 'records' must hold {{split}} once and end in .json or .jsonl")


def _pattern_fields(path: Path, key: str, pattern: str) -> list[str]:
    try:
        return [name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None]
    except ValueError as error:
        raise UserError(f"{path}: key '{key}' is not a pattern: {error}") from error


def _check_known(path: Path, what: str, name: Any, known: Iterable[str]) -> None:
    if name not in known:
        raise UserError(f"{path}: unknown {what} '{name}'{_nearest(str(name), known)}; known: {', '.join(known)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f", did you mean '{close[0]}'?" if close else ""
