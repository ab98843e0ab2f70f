"""Scores of single answers: one number per example, None where the example does not count.

The rules are those of the official A-OKVQA evaluator (github.com/allenai/aokvqa, evaluation/eval_predictions.py).
"""

from collections import Counter
from collections.abc import Sequence

from vlrlcd.data.answers import answer_choice
from vlrlcd.data.example import Example

FULL_MARKS = 3
"""How many annotators must have given an answer for it to score 1."""


def chosen(examples: Sequence[Example], texts: Sequence[str]) -> list[str | None]:
    """The choice that each output names, by its text; None where it names none."""
    return [answer_choice(text, example.choices) for example, text in zip(examples, texts, strict=True)]


def multiple_choice(examples: Sequence[Example], texts: Sequence[str]) -> list[float | None]:
    """1 if the output names the right choice, else 0, also where it names none.

    An example without choices or with a hidden answer does not count.
    """
    return [
        float(choice == example.answer) if _has_key(example) else None
        for example, choice in zip(examples, chosen(examples, texts), strict=True)
    ]


def direct_answer_official(examples: Sequence[Example], texts: Sequence[str]) -> list[float | None]:
    """A third of a point per annotator who gave exactly this answer, at most 1; only outer whitespace is stripped.

    An example that is marked as difficult or has no direct answers does not count.
    """
    return [
        _agreement(text.strip(), example) if example.direct_answers and not example.difficult_direct_answer else None
        for example, text in zip(examples, texts, strict=True)
    ]


def majority(examples: Sequence[Example], seen: Sequence[Example]) -> list[float | None]:
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


def _agreement(answer: str, example: Example) -> float:
    return min(1.0, example.direct_answers.count(answer) / FULL_MARKS)
