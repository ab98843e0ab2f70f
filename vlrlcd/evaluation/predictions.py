"""The prediction file of the official A-OKVQA evaluator and leaderboard, written and read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlrlcd.data.example import Example
from vlrlcd.errors import UserError

KEYS = ("multiple_choice", "direct_answer")


@dataclass(frozen=True)
class Predictions:
    """What a file predicts of some examples, in their order.

    Attributes:
        multiple_choice: texts of choices, None for a question without one; None if the file has none at all.
        direct_answer: texts, in the same way.
        notes: what a person should know: questions without a prediction, predictions without a question.
    """

    multiple_choice: list[str | None] | None
    direct_answer: list[str | None] | None
    notes: list[str]


def write_predictions(
    path: Path | str,
    ids: Sequence[str],
    multiple_choice: Sequence[str | None] | None,
    direct_answers: Sequence[str] | None,
) -> None:
    """Writes `{question_id: {"multiple_choice": text, "direct_answer": text}}`; None leaves that key out everywhere.

    A choice that could not be read is written as "", which the evaluator counts as wrong. Raises ValueError if the
    lengths differ.
    """
    columns = dict(zip(KEYS, (multiple_choice, direct_answers), strict=True))
    predictions: dict[str, dict[str, str]] = {question_id: {} for question_id in ids}
    for key, column in columns.items():
        if column is not None:
            for question_id, text in zip(ids, column, strict=True):
                predictions[question_id][key] = text or ""
    Path(path).write_text(json.dumps(predictions, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_predictions(path: Path | str, examples: Sequence[Example]) -> Predictions:
    """What a file in the official form predicts of these examples.

    As officially, a question that it leaves out is wrong, and a prediction for no question counts nowhere; both are
    told.

    Raises:
        UserError: the file cannot be read, is of another form, has a question twice, or knows none of the examples.
    """
    table = _table(Path(path))
    ids = [example.id for example in examples]
    if not any(question_id in table for question_id in ids):
        raise UserError(
            f"{path} predicts none of these {len(ids):,} questions, such as {ids[0]}: give the split that it was made "
            "for (--evaluation.split)."
        )
    columns, notes = {}, []
    for key in KEYS:
        known = {question_id: row[key] for question_id, row in table.items() if key in row}
        columns[key] = [known.get(question_id) for question_id in ids] if known else None
        if known and (missing := [question_id for question_id in ids if question_id not in known]):
            notes.append(
                f"{path}: {len(missing):,} of {len(ids):,} questions have no {key}, the first is {missing[0]}; they "
                "count as wrong"
            )
    if unknown := [question_id for question_id in table if question_id not in set(ids)]:
        notes.append(
            f"{path}: {len(unknown):,} predictions are for no question of the split, the first is {unknown[0]}; they "
            "count nowhere"
        )
    return Predictions(**columns, notes=notes)


def _table(path: Path) -> dict[str, dict[str, str]]:
    def once(pairs: list[tuple]) -> dict:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            raise UserError(f"{path}: {next(k for k in keys if keys.count(k) > 1)} stands there twice; keep one.")
        return found

    try:
        table = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no predictions can be read ({error}).") from None
    for question_id, row in table.items() if isinstance(table, dict) else [("the file", None)]:
        if not isinstance(row, dict) or not all(isinstance(row.get(key, ""), str) for key in KEYS):
            raise UserError(
                f"{path}: {question_id} is not of the official form "
                '{question_id: {"multiple_choice": text, "direct_answer": text}}.'
            )
    return table
