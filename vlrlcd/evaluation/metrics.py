"""Scores of single answers: one number per example, None where the example does not count.

The rules are those of the official A-OKVQA evaluator (github.com/allenai/aokvqa, evaluation/eval_predictions.py).
"""

from collections import Counter
from collections.abc import Callable, Sequence

from vlrlcd.data.answers import answer_choice
from vlrlcd.data.example import Example

FULL_MARKS = 3
"""How many annotators must have given an answer for it to score 1."""

Scores = list[float | None]


def chosen(examples: Sequence[Example], texts: Sequence[str]) -> list[str | None]:
    """The choice that each output names, by its text; None where it names none."""
    return [answer_choice(text, example.choices) for example, text in zip(examples, texts, strict=True)]


def multiple_choice(examples: Sequence[Example], choices: Sequence[str | None]) -> Scores:
    """1 if the choice is the right one's text, else 0, also where there is none.

    An example without choices or with a hidden answer does not count.
    """
    return [
        float(choice == example.answer) if _has_key(example) else None
        for example, choice in zip(examples, choices, strict=True)
    ]


def unreadable(examples: Sequence[Example], choices: Sequence[str | None]) -> Scores:
    """1 if an answer names nothing or what is no offered choice; an example without choices does not count."""
    return [
        float(choice not in example.choices) if example.choices else None
        for example, choice in zip(examples, choices, strict=True)
    ]


def direct_answer_official(examples: Sequence[Example], answers: Sequence[str | None]) -> Scores:
    """A third of a point per annotator who gave exactly this answer, at most 1; a missing answer is None and scores 0.

    An example that is marked as difficult or has no direct answers does not count.
    """
    return _direct(examples, answers, str)


def direct_answer_normalised(examples: Sequence[Example], answers: Sequence[str | None]) -> Scores:
    """As `direct_answer_official`, with case, outer whitespace and one closing full stop taken from both sides."""
    return _direct(examples, answers, _normal)


def majority(examples: Sequence[Example], seen: Sequence[Example]) -> Scores:
    """What `multiple_choice` gives for always taking the offered choice that is most often right in `seen`.

    Among equally frequent choices the first is taken. `seen` are other examples, the training prompts: counted over
    the examples themselves, each would vote for its own answer.
    """
    counts = Counter(example.answer for example in seen if _has_key(example))
    return [
        float(max(example.choices, key=lambda choice: counts[choice]) == example.answer) if _has_key(example) else None
        for example in examples
    ]


def _has_key(example: Example) -> bool:
    return bool(example.choices) and example.answer is not None


def _direct(examples: Sequence[Example], answers: Sequence[str | None], form: Callable[[str], str]) -> Scores:
    return [
        _agreement(answer, example, form) if example.direct_answers and not example.difficult_direct_answer else None
        for example, answer in zip(examples, answers, strict=True)
    ]


def _agreement(answer: str | None, example: Example, form: Callable[[str], str]) -> float:
    if answer is None:
        return 0.0
    return min(1.0, [form(given) for given in example.direct_answers].count(form(answer)) / FULL_MARKS)


def _normal(answer: str) -> str:
    return answer.strip().removesuffix(".").rstrip().lower()
