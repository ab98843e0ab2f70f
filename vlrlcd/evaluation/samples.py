"""Every question with its answer and its scores, a JSON line each, under the keys of lmms-eval's sample files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from vlrlcd.data.example import Example
from vlrlcd.data.prompts import Templates
from vlrlcd.evaluation.answers import Answer
from vlrlcd.evaluation.types import question_type


def write_samples(
    path: Path,
    templates: Templates,
    examples: Sequence[Example],
    answers: Sequence[Answer],
    filtered: Sequence[str | None],
    scores: Mapping[str, Sequence[float | None]],
) -> None:
    """Writes one line per example.

    Args:
        path: the file, replaced whole.
        templates: of the data set, for the text of the prompts.
        examples: the questions.
        answers: to them.
        filtered: what of each answer is compared, None where nothing can be read out of it.
        scores: of single answers, by metric.
    """
    rows = zip(examples, answers, filtered, zip(*scores.values(), strict=True), strict=True)
    lines = [
        {
            "doc_id": place,
            "id": example.id,
            "doc": {
                "question": example.question,
                "choices": list(example.choices),
                "images": [None if isinstance(image, bytes) else str(image) for image in example.images],
                "type": question_type(example),
            },
            "target": example.answer,
            "references": list(example.rationales),
            "arguments": [[_prompt(templates, example)]],
            "resps": [[answer.text]],
            "filtered_resps": [read],
            **dict(zip(scores, values, strict=True)),
        }
        for place, (example, answer, read, values) in enumerate(rows)
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")


def _prompt(templates: Templates, example: Example) -> str:
    parts = [part for message in templates.render("student", example) for part in message["content"]]
    return "\n".join(part["text"] if part["type"] == "text" else "<image>" for part in parts)
