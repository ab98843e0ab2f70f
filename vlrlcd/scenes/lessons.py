"""What the tiny student is pretrained on: captions, questions, and questions with a reference answer in view.

Two habits are taught. With a reference shown the student says what the reference says. Without one it answers lazily in
`LAZY_SHARE` of the rows (no explanation, and only the first object looked at) and explains before it answers in the
others, which leads it to the right answer.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vlrlcd.data.example import Example, Message
from vlrlcd.data.prompts import Templates
from vlrlcd.scenes.questions import Question
from vlrlcd.scenes.wording import a, sentence
from vlrlcd.scenes.world import Scene

LAZY_SHARE = 0.5
TERSE_SHARE_WITH_REFERENCE = 0.4
TERSE_SHARE_OF_REFERENCES = 0.7


@dataclass(frozen=True)
class Lesson:
    """A prompt, whose image is the scene's drawing, and the answer to learn."""

    messages: list[Message]
    answer: str


def as_example(question: Question, image: bytes = b"") -> Example:
    """The question as the readers would give it, before any template."""
    return Example(
        id="lesson",
        place="lesson",
        images=(image,),
        question=question.question,
        choices=question.choices,
        answer=question.answer,
        direct_answers=question.direct_answers,
        rationales=question.rationales,
    )


def explained(question: Question, rng: np.random.Generator) -> str:
    return f"{question.rationales[rng.integers(len(question.rationales))]} Answer: {question.answer}"


def _caption(scene: Scene, question: Question, templates: Templates, rng: np.random.Generator) -> Lesson:
    example = replace(as_example(question), question="Describe the picture.")
    parts = [f"{a(one.full_name)} is at the {scene.place(one)}" for one in scene.objects]
    return Lesson(templates.render("direct", example), " ".join(sentence(part) for part in parts))


def _direct(scene: Scene, question: Question, templates: Templates, rng: np.random.Generator) -> Lesson:
    return Lesson(templates.render("direct", as_example(question)), question.answer)


def _question(scene: Scene, question: Question, templates: Templates, rng: np.random.Generator) -> Lesson:
    lazy = rng.random() < LAZY_SHARE
    answer = f"Answer: {question.lazy_answer}" if lazy else explained(question, rng)
    return Lesson(templates.render("student", as_example(question)), answer)


def _with_reference(scene: Scene, question: Question, templates: Templates, rng: np.random.Generator) -> Lesson:
    terse = f"Answer: {question.answer}"
    reference = terse if rng.random() < TERSE_SHARE_OF_REFERENCES else explained(question, rng)
    answer = terse if rng.random() < TERSE_SHARE_WITH_REFERENCE else explained(question, rng)
    return Lesson(templates.render("student", as_example(question), reference=reference), answer)


LESSONS: tuple[tuple[float, Callable[..., Lesson]], ...] = (
    (0.10, _caption),
    (0.05, _direct),
    (0.55, _question),
    (0.30, _with_reference),
)


def lesson(
    scene: Scene, question: Question, templates: Templates, rng: np.random.Generator, captions_only: bool
) -> Lesson:
    """One lesson about a scene: a caption, or a kind drawn by the shares of `LESSONS`."""
    shares = [share for share, _ in LESSONS]
    kind = _caption if captions_only else LESSONS[rng.choice(len(LESSONS), p=shares)][1]
    return kind(scene, question, templates, rng)
