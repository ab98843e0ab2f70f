"""The fields a record may have, under our names, and how each is checked."""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vlrlcd.errors import UserError

ANSWER_FIELDS = ("correct_choice_idx", "answer", "direct_answers", "rationales")
"""What a split without answers (A-OKVQA's test) leaves out."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_images(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return all(_is_text(item) or isinstance(item, bytes) or _is_image_struct(item) for item in items)


def _is_image_struct(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value.get("bytes") or value.get("path"))


def _unquoted(value: Any) -> Any:
    """The list behind the string of a Python list, as HuggingFaceM4/A-OKVQA keeps its direct answers."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value


@dataclass(frozen=True)
class Kind:
    """What a field must be, in words and as a test; `read` prepares the value before the test."""

    wanted: str
    accepts: Callable[[Any], bool]
    read: Callable[[Any], Any] = lambda value: value


TEXT = Kind("a string that is not empty", _is_text)
TEXTS = Kind("a list of strings", _is_texts)

KINDS = {
    "id": Kind("a string or a whole number", lambda value: _is_text(value) or _is_whole(value)),
    "image_id": Kind("a whole number", _is_whole),
    "images": Kind("a path, image bytes, or a list of them", _is_images),
    "question": TEXT,
    "choices": TEXTS,
    "correct_choice_idx": Kind("a whole number", _is_whole),
    "answer": TEXT,
    "direct_answers": Kind("a list of strings, or the string of such a list", _is_texts, _unquoted),
    "difficult_direct_answer": Kind("true or false", lambda value: isinstance(value, bool)),
    "rationales": TEXTS,
    "kind": TEXT,
}

Rows = Iterator[tuple[str, dict[str, Any]]]
"""Pairs of a place (file and 1-based row, for messages) and the raw record."""


@dataclass(frozen=True)
class Record:
    """One raw record read under our field names; null counts as absent.

    Attributes:
        place: file and row, for messages.
        values: the record as the file has it.
        columns: our field name -> the file's column, where they differ.
    """

    place: str
    values: Mapping[str, Any]
    columns: Mapping[str, str]

    def get(self, field: str) -> Any:
        """The checked value, or None where the record has none. Raises UserError for a wrong type."""
        kind, column = KINDS[field], self.columns.get(field, field)
        raw = self.values.get(column)
        if raw is None:
            return None
        value = kind.read(raw)
        if not kind.accepts(value):
            raise UserError(f"{self.place}, field '{column}': must be {kind.wanted}, but is {_shown(raw)}")
        return value

    def need(self, field: str) -> Any:
        """The checked value. Raises UserError where it is absent, null or of a wrong type."""
        value = self.get(field)
        if value is None:
            column = self.columns.get(field, field)
            raise UserError(f"{self.place}: field '{column}' is missing; add {KINDS[field].wanted}")
        return value


def _shown(value: Any, width: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= width else f"{text[:width]}…"


def chosen(rows: Rows, only: Mapping[str, str]) -> Rows:
    """The rows whose columns hold these texts. Raises UserError naming a row that lacks such a column."""
    for place, values in rows:
        for column in only:
            raw_text(place, values, column)
        if all(values[column] == wanted for column, wanted in only.items()):
            yield place, values


def raw_text(place: str, values: Mapping[str, Any], column: str) -> str:
    """The text of a column as it stands, perhaps empty. Raises UserError naming the row that has none."""
    if not isinstance(found := values.get(column), str):
        raise UserError(f"{place}: field '{column}' is missing or no string; add a string")
    return found
