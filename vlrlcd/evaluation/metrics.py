"""Scores of single answers: one number per example, None where the example does not count.

The rules for choices and direct answers are those of the official A-OKVQA evaluator (github.com/allenai/aokvqa,
evaluation/eval_predictions.py).
"""

from collections import Counter
from collections.abc import Callable, Sequence

from vlrlcd.data.example import Example
from vlrlcd.data.math_answers import same_string
from vlrlcd.data.tasks import CHOICE, Check

FULL_MARKS = 3
"""How many annotators must have given an answer for it to score 1."""

Scores = list[float | None]


def named(check: Check, examples: Sequence[Example], texts: Sequence[str]) -> list[str | None]:
    """What each output names (the text of a choice, what stands in the box); None where nothing can be read."""
    return [check.named(text, example) for example, text in zip(examples, texts, strict=True)]


def accuracy(check: Check, examples: Sequence[Example], answers: Sequence[str | None]) -> Scores:
    """1 if what an output names is right, else 0, also where it names nothing.

    An example without choices that needs them, or without an answer of its own, does not count.
    """
    found = (check.matches(example, answer) for example, answer in zip(examples, answers, strict=True))
    return [None if right is None else float(right) for right in found]


def string_match(examples: Sequence[Example], answers: Sequence[str | None]) -> Scores:
    """`accuracy` of boxed answers by the string rule that MATH was published with, whatever is installed."""
    return [
        None if example.answer is None else float(answer is not None and same_string(example.answer, answer))
        for example, answer in zip(examples, answers, strict=True)
    ]


def unreadable(check: Check, examples: Sequence[Example], answers: Sequence[str | None]) -> Scores:
    """1 if an output names nothing or what is no offered choice; an example that cannot be checked does not count."""
    return [
        float(answer is None or bool(example.choices) and answer not in example.choices)
        if example.choices or check.has_key(example)
        else None
        for example, answer in zip(examples, answers, strict=True)
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
    """What `accuracy` gives for always taking the offered choice that is most often right in `seen`.

    Among equally frequent choices the first is taken. `seen` are other examples, the training prompts: counted over
    the examples themselves, each would vote for its own answer.
    """
    counts = Counter(example.answer for example in seen if CHOICE.has_key(example))
    return [
        float(max(example.choices, key=lambda choice: counts[choice]) == example.answer)
        if CHOICE.has_key(example)
        else None
        for example in examples
    ]


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
