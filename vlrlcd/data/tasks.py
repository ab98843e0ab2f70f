"""What the tasks differ in: how an answer is checked, what of it explains, which anchors a row holds."""

import operator
from collections.abc import Callable
from dataclasses import dataclass

from vlrlcd.data import math_answers
from vlrlcd.data.answers import answer_choice, explanation
from vlrlcd.data.example import Example


@dataclass(frozen=True)
class Check:
    """How an answer is told to be right.

    Attributes:
        none_named: says of an answer that nothing can be read out of it.
        another_named: says of an answer that it is wrong.
        has_key: whether the row says what is right.
        named: what an answer names, given the row; None where nothing can be read.
        same: whether the row's answer (first) and what is named mean the same.
        rule: the rule that `same` follows, where that depends on what is installed.
    """

    none_named: str
    another_named: str
    has_key: Callable[[Example], bool]
    named: Callable[[str, Example], str | None]
    same: Callable[[str, str], bool]
    rule: Callable[[], str] | None = None

    def right(self, example: Example, text: str) -> bool | None:
        """Whether an answer is right, an unreadable one never is; None where the row has no key."""
        return self.matches(example, self.named(text, example))

    def matches(self, example: Example, named: str | None) -> bool | None:
        """`right`, of what an answer names."""
        if not self.has_key(example):
            return None
        return named is not None and self.same(example.answer, named)


CHOICE = Check(
    none_named="names none of the choices",
    another_named="names another choice than the row's answer",
    has_key=lambda example: bool(example.choices) and example.answer is not None,
    named=lambda text, example: answer_choice(text, example.choices),
    same=operator.eq,
)
BOXED = Check(
    none_named=r"has no answer in \boxed{}",
    another_named="has another answer than the row's",
    has_key=lambda example: example.answer is not None,
    named=lambda text, _: math_answers.last_boxed(text),
    same=math_answers.same_value,
    rule=math_answers.rule,
)


@dataclass(frozen=True)
class Task:
    """Attributes:
    anchors: `anchors.style` -> which of `vlrlcd.data.answers.STYLES` it is in this task.
    check: None where an answer is free text.
    explanation: what of an answer is compared with people's.
    """

    anchors: dict[str, str]
    check: Check | None = None
    explanation: Callable[[str], str] = str.strip


TASKS = {
    "multiple_choice": Task({"explained": "explained", "terse": "terse"}, CHOICE, explanation),
    "rationale": Task({"explained": "rationale", "terse": "rationale"}, explanation=explanation),
    "math": Task({"explained": "rationale", "terse": "boxed"}, BOXED),
    "story": Task({"explained": "rationale"}),
}
