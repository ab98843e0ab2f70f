"""`label_groups`: what a describer looks for in the images of a data set, read from a `labels.yaml`."""

import dataclasses
from pathlib import Path
from typing import Any

import yaml

from model_adapters.eyes import LabelGroup
from vlrlcd.data.card import Card
from vlrlcd.errors import UserError

WANTED = {
    "labels": ("a list of different words", lambda value: _is_words(value) and len(set(value)) == len(value)),
    "prompt": ("text with {} once, where the label goes", lambda value: _is_word(value) and value.count("{}") == 1),
    "say": ("a whole number from 1 on", lambda value: type(value) is int and value >= 1),
    "title": ("text", lambda value: isinstance(value, str)),
}


def labels_file(card: Card, chosen: str) -> Path:
    """The file of the configuration, or the data set's own.

    Raises:
        UserError: there is none.
    """
    path = Path(chosen).expanduser() if chosen else card.folder / card.labels
    if not path.is_file():
        raise UserError(
            f"{path} does not exist, and it would say what to look for in the images of {card.name}: write it, or set "
            "eyes.labels to another one (docs/text_only_students.md)."
        )
    return path


def label_groups(path: Path) -> list[LabelGroup]:
    """The groups of a file, in its order.

    Raises:
        UserError: naming file, group and key of the first fault.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, list) or not content:
        raise UserError(f"{path} must hold a list of groups, each with `labels:` and perhaps {', '.join(_others())}.")
    return [_group(f"{path}, group {number}", group) for number, group in enumerate(content, start=1)]


def _group(place: str, group: Any) -> LabelGroup:
    if not isinstance(group, dict):
        raise UserError(f"{place}: must hold `key: value` lines, but is {group!r}.")
    for key in group:
        if key not in WANTED:
            raise UserError(f"{place}: unknown key '{key}'; known: {', '.join(WANTED)}.")
    if "labels" not in group:
        raise UserError(f"{place}: key 'labels' is missing; list what can be said.")
    for key, value in group.items():
        wanted, accepts = WANTED[key]
        if not accepts(value):
            raise UserError(f"{place}: key '{key}' must be {wanted}, but is {value!r}.")
    return LabelGroup(**{**group, "labels": tuple(group["labels"])})


def _others() -> list[str]:
    return [f"`{item.name}:`" for item in dataclasses.fields(LabelGroup) if item.name != "labels"]


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_word(item) for item in value)
