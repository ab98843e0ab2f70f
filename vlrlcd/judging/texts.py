"""Answers from JSONL files: what an evaluation leaves, or plain lines of id and text."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlrlcd.data.example import Example
from vlrlcd.errors import UserError
from vlrlcd.evaluation.stages import split_and_stage

FORMS = '{"id": ..., "text": ...} or {"id": ..., "resps": [[...]]}'


def answers_file(named: str, split: str) -> Path:
    """The file itself, or of a folder the last by name of those that an evaluation of this split left there.

    Raises:
        UserError: the folder has none.
    """
    place = Path(named)
    if not place.is_dir():
        return place
    found = [path for path in place.glob(f"predictions_{split}*.jsonl") if stage_of(path, split)]
    if not found:
        raise UserError(
            f"{place} holds no predictions_{split}.jsonl or predictions_{split}_STAGE.jsonl: give the folder of a "
            "run or an evaluation on evaluation.split, or a JSONL file."
        )
    return max(found)


def stage_of(path: Path, split: str) -> str | None:
    """The stage of a file's name as an evaluation writes it: `student` where it has none; None of any other name."""
    of, stage = split_and_stage(path.name) or ("", None)
    return stage if of == split else None


def read_texts(path: Path) -> dict[str, str]:
    """Texts by question id, in the file's order. An empty text is an answer like any other.

    Raises:
        UserError: the file cannot be read, a line is no object with id and text, the last line is half-written, a text
            holds half of a character, an id stands there twice.
    """
    try:
        # at newlines alone: str.splitlines would also cut at characters that JSON allows inside a string
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"{path}: the answers cannot be read ({reason}); give a JSONL file of {FORMS}.") from None
    texts: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            name, text = _read(f"{path}, line {number}", line, is_open=number == len(lines))
            if name in texts:
                raise UserError(f"{path}, line {number}: id '{name}' stands there twice; keep one.")
            texts[name] = text
    return texts


def of_questions(texts: Mapping[str, str], path: Path, asked: Sequence[Example], split: Sequence[Example]) -> list[str]:
    """The text for each question that is asked.

    Args:
        texts: by question id.
        path: where they stand, for errors.
        asked: the questions.
        split: all questions of the split, which there may be texts for.

    Raises:
        UserError: a text for a question that is not in the split, or a question without a text.
    """
    if unknown := sorted(texts.keys() - {example.id for example in split}):
        raise UserError(
            f"{path}: id '{unknown[0]}' is no question of the split ({len(unknown)} of its {len(texts)} answers are to "
            "unknown questions); set evaluation.split and data.root to what was answered."
        )
    if without := [example for example in asked if example.id not in texts]:
        raise UserError(
            f"{path} has no answer to {len(without)} of {len(asked)} questions, the first of them '{without[0].id}' "
            f"({without[0].place}); complete the file, or ask fewer with --evaluation.limit."
        )
    return [texts[example.id] for example in asked]


def _read(place: str, line: str, is_open: bool) -> tuple[str, str]:
    try:
        found = json.loads(line)
    except ValueError as error:
        if is_open:
            raise UserError(f"{place}, the last one, is half-written; write the file again, or remove it.") from None
        raise UserError(f"{place} is not valid JSON ({error}); mend it.") from None
    name, text = (found.get("id"), _text(found)) if isinstance(found, dict) else (None, None)
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise UserError(f'{place} has no "id"; a line is {FORMS}.')
    if not isinstance(text, str):
        raise UserError(f"{place}, id '{name}', has no text; a line is {FORMS}.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(f"{place}, id '{name}', holds half of a character (a lone surrogate); mend it.") from None
    return str(name), text


def _text(line: Mapping[str, Any]) -> Any:
    if "text" in line:
        return line["text"]
    match line.get("resps"):
        case [[text, *_], *_]:
            return text
    return None
