"""The prediction file of the official A-OKVQA evaluator and leaderboard."""

import json
from collections.abc import Sequence
from pathlib import Path


def write_predictions(
    path: Path | str,
    ids: Sequence[str],
    multiple_choice: Sequence[str | None] | None,
    direct_answers: Sequence[str] | None,
) -> None:
    """Writes `{question_id: {"multiple_choice": text, "direct_answer": text}}`; None leaves that key out everywhere.

    A choice that could not be read is written as "", which the evaluator counts as wrong; direct answers lose their
    outer whitespace, as in `metrics.direct_answer_official`. Raises ValueError if the lengths differ.
    """
    columns = {
        "multiple_choice": multiple_choice and [choice or "" for choice in multiple_choice],
        "direct_answer": direct_answers and [answer.strip() for answer in direct_answers],
    }
    predictions: dict[str, dict[str, str]] = {question_id: {} for question_id in ids}
    for key, column in columns.items():
        if column is not None:
            for question_id, text in zip(ids, column, strict=True):
                predictions[question_id][key] = text
    Path(path).write_text(json.dumps(predictions, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
