"""`Example`: one row of any dataset, images still undecoded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

ImageSource = Path | bytes
Message = dict[str, Any]
"""A chat message `{"role": str, "content": [part, ...]}`; a part is `{"type": "image", "image": ImageSource}` or
`{"type": "text", "text": str}`. All text of a message is content: only a model's chat template makes control tokens."""


@dataclass(frozen=True)
class Example:
    """One question with its images and whatever the dataset knows of the answer.

    Attributes:
        id: unique within the split.
        place: where the row stands, for error messages (`"aokvqa_v1p0_train.json, row 12"`).
        images: paths or encoded bytes; decoded by the collator, not before.
        question: the question alone, without choices.
        choices: offered answers, empty for an open question.
        answer: the right choice's text or the checkable answer; None where the split hides it.
        direct_answers: the annotators' free answers (A-OKVQA has ten).
        difficult_direct_answer: left out of the official direct-answer score.
        rationales: human explanations of the answer.
        kind: what sort of question it is, for figures by type; empty where the data set does not say.
        scene: the scene graph that a drawn image was made from, with its question family; None for photographs.
    """

    id: str
    place: str
    images: tuple[ImageSource, ...]
    question: str
    choices: tuple[str, ...] = ()
    answer: str | None = None
    direct_answers: tuple[str, ...] = ()
    difficult_direct_answer: bool = False
    rationales: tuple[str, ...] = ()
    kind: str = ""
    scene: dict[str, Any] | None = None
