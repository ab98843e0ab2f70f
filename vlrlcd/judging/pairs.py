"""A student's answers beside reference answers, question by question."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vlrlcd.anchors.asks import asks
from vlrlcd.anchors.collect import collect, load_anchors
from vlrlcd.anchors.ready import anchor_store
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import teacher_for
from vlrlcd.cli import same_command
from vlrlcd.config import Config
from vlrlcd.data.answers import parted
from vlrlcd.data.card import Card
from vlrlcd.data.example import Example
from vlrlcd.data.prompts import Templates
from vlrlcd.data.splits import held_out_examples
from vlrlcd.errors import UserError
from vlrlcd.judging.texts import answers_file, of_questions, read_texts

ANCHORS = "anchors"
"""Stands for the teacher's own answers."""


@dataclass(frozen=True)
class Pair:
    """A question with a student's answer and the reference answer."""

    example: Example
    answer: str
    reference: str

    @property
    def equal(self) -> bool:
        """Nobody is asked which of two equal texts is better: it is a tie."""
        return self.answer == self.reference


@dataclass(frozen=True)
class Questions:
    """What is asked: the first `evaluation.limit` of a split, and all of it."""

    asked: list[Example]
    split: list[Example]


@dataclass(frozen=True)
class References:
    """Reference answers in the order of the questions.

    Attributes:
        name: whose they are.
        texts: one per question.
        flagged: how many of a teacher's answers are cut, filtered or refusals. They are compared as they are.
    """

    name: str
    texts: list[str]
    flagged: int = 0


def questions(config: Config, card: Card) -> Questions:
    """The questions of evaluation.split. Raises UserError where none is named, or it cannot be read."""
    split = held_out_examples(replace(config, evaluation=replace(config.evaluation, limit=0)), card)
    if not split:
        raise UserError("evaluation.split is empty: name the split whose answers are compared.")
    return Questions(split[: config.evaluation.limit or None], split)


def answers(path: Path, wanted: Questions) -> list[str]:
    """A student's answers in the order of the questions. Raises UserError as `read_texts` and `of_questions` do."""
    return of_questions(read_texts(path), path, wanted.asked, wanted.split)


def references(named: str, wanted: Questions, config: Config, card: Card, source: str | Path) -> References:
    """The reference answers.

    Args:
        named: a file or folder as of answers, or `anchors` for the teacher's answers in the anchor store.
        wanted: the questions.
        config: names teacher and store.
        card: of the data set.
        source: the name of the YAML, for the error.

    Raises:
        UserError: as `answers`; or the teacher was not asked these questions yet, naming the command that asks it.
    """
    if named != ANCHORS:
        path = answers_file(named, config.evaluation.split)
        return References(str(path), answers(path, wanted))
    teacher = teacher_for(config, card)
    asked = asks(wanted.asked, Templates(card), teacher)
    with AnchorStore(anchor_store(config)) as store:
        if teacher.from_files:
            collect(asked, teacher, store, config.teacher)
        found = load_anchors(asked, teacher, store, _collecting(config, source))
    anchors = [found[example.id] for example in wanted.asked]
    flagged = sum(bool(anchor.flags) for anchor in anchors)
    return References(f"anchors of {teacher.name}", [anchor.text for anchor in anchors], flagged)


def paired(examples: Sequence[Example], texts: Sequence[str], references: Sequence[str]) -> list[Pair]:
    """One pair per example."""
    return [Pair(*row) for row in zip(examples, texts, references, strict=True)]


def truncated(pair: Pair) -> Pair:
    """The longer answer cut to the shorter one's length: its explanation, at the end of a word.

    What stands from the last `Answer:` on is kept whole, so the longer one may stay longer by what it answers. [ours]
    """
    length = min(len(pair.answer), len(pair.reference))
    return replace(pair, answer=_cut(pair.answer, length), reference=_cut(pair.reference, length))


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    head, answer = parted(text)
    if not answer:
        return _words(head, length)
    return f"{_words(head, length - len(answer) - 1)} {answer}".lstrip()


def _words(text: str, length: int) -> str:
    """As much of the text as has room; text without blanks, as some scripts write it, has no end of a word."""
    if length <= 0 or len(text) <= length:
        return text[: max(length, 0)].rstrip()
    kept = text[:length] if text[length].isspace() else re.sub(r"\s\S*$", "", text[:length])
    return kept.rstrip()


def _collecting(config: Config, source: str | Path) -> str:
    """The command that asks the teacher the held-out questions: they are collected as a training split would be."""
    wanted = config.evaluation
    command = same_command("scripts/collect_anchors.py", source)
    return f"{command} --data.train_split={wanted.split} --data.train_limit={wanted.limit}"
