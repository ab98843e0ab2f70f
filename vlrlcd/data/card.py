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
from vlrlcd.data.releases import RELEASES
from vlrlcd.data.tasks import TASKS, Check
from vlrlcd.errors import UserError

DATASETS = Path(__file__).parents[2] / "datasets"
ENDINGS = (".json", ".jsonl", ".wp_source", "")
IMAGE_PATTERN_FIELDS = ("split", "image_id")


@dataclass(frozen=True)
class Card:
    """A dataset's facts; every attribute but `folder` is a key of `card.yaml`.

    Attributes:
        folder: holds the card and the templates; its name is the dataset's.
        title: for people.
        licence: of the annotations and of the images.
        source: where to get the data.
        task: of `vlrlcd.data.tasks.TASKS`.
        records: file name of a split, with `{split}`; `.json` holds a list, `.jsonl` one object a line, `.wp_source`
            one prompt a line, with the stories in `.wp_target`; without an ending it is a folder of one object a file.
        images: path of a record's image with `{split}` and `{image_id}`; empty where records name their images.
        columns: our field name -> the file's column, where they differ.
        splits: our split name -> other spellings that files may use, with blanks between (`val: valid validation`).
        required: fields that a record must have besides its id, its question and its images.
        hides_answers: splits whose records come without answers.
        release: of `vlrlcd.data.releases.RELEASES`, for rows that need more than other names; empty for ours.
        only: columns of a row and the text that each must hold; other rows belong to another data set.
        configuration: which one of a data set on the hub that has several.
        split_order: splits that share questions; one that stands in several is read in the first of them alone.
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
    release: str = ""
    only: dict[str, str] = field(default_factory=dict)
    configuration: str = ""
    split_order: list[str] = field(default_factory=list)
    labels: str = "labels.yaml"

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def check(self) -> Check | None:
        """How an answer is told to be right; None where it is free text."""
        return TASKS[self.task].check

    def explanations(self, texts: Iterable[str]) -> list[str]:
        """What of each answer is compared with people's and looked at for grounding."""
        return [TASKS[self.task].explanation(text) for text in texts]

    def spellings(self, split: str) -> tuple[str, ...]:
        """The names under which files may keep a split, ours first."""
        return (split, *self.splits.get(split, "").split())

    def our_split(self, spelling: str) -> str:
        """Our name of a split that files may spell so; the spelling itself where it has none."""
        return next((split for split in self.splits if spelling in self.spellings(split)), spelling)


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
    if card.release:
        _check_known(path, "release", card.release, RELEASES)
    for name in card.columns:
        _check_known(path, "field in `columns`", name, KINDS)
    for name in card.required:
        _check_known(path, "field in `required`", name, KINDS)
    for key, known in (("records", ("split",)), ("images", IMAGE_PATTERN_FIELDS)):
        for name in _pattern_fields(path, key, getattr(card, key)):
            _check_known(path, f"placeholder in `{key}`", name, known)
    if card.records.count("{split}") != 1 or Path(card.records).suffix not in ENDINGS:
        raise UserError(
            f"{path}: key 'records' must hold {{split}} once and end in .json, .jsonl, .wp_source or a folder"
        )


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
