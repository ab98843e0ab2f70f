"""Who judges: `open_judge`, and what every judge has in common."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from vlrlcd.anchors.asks import Ask
from vlrlcd.anchors.budget import Limits
from vlrlcd.anchors.collector import Collection
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import ChatTeacher, Teacher, local_teacher
from vlrlcd.config import Config, JudgeConfig
from vlrlcd.data.card import Card
from vlrlcd.data.example import Example
from vlrlcd.data.images import check_images
from vlrlcd.data.prompts import Templates
from vlrlcd.data.splits import beside_data
from vlrlcd.judging.asking import AskingJudge
from vlrlcd.judging.rule import RuleJudge
from vlrlcd.judging.verdicts import Game, Verdict

MODELS: dict[str, Callable[[JudgeConfig], Teacher]] = {"chat": ChatTeacher, "local": local_teacher}
"""The kinds that are asked; a teacher is whoever can be asked."""


class Judge(Protocol):
    """Says which of two answers is better.

    Attributes:
        name: whose verdicts they are.
        has_price: asking may cost money.
    """

    name: str
    has_price: bool

    def check(self) -> None:
        """Raises UserError if it could not be asked, as without a key."""

    def missing(self, games: Sequence[Game]) -> list[Ask]:
        """What would be asked for these games, as far as that is known before anyone is."""

    def estimate(self, games: Sequence[Game]) -> list[str]:
        """Lines for people: what asking for them would take. Raises UserError."""

    def ask(self, games: Sequence[Game], limits: Limits, interruptible: bool = True) -> Collection:
        """Asks for what is missing, within the limits; a signal ends it, unless others listen. Raises UserError."""

    def verdicts(self, games: Sequence[Game]) -> list[Verdict | None]:
        """The verdict of each game, None where it is still missing; asks nobody."""


def judge_store(config: Config) -> Path:
    """Where verdicts are kept."""
    return Path(config.judge.store or beside_data(config, "judge.sqlite"))


def askable(config: Config, examples: Sequence[Example]) -> None:
    """Opens no store. Raises UserError for settings that the judge's kind cannot work with, or examples likewise."""
    if config.judge.kind in MODELS:
        MODELS[config.judge.kind](config.judge).check()
    else:
        RuleJudge(examples)


@contextmanager
def open_judge(config: Config, card: Card, examples: Sequence[Example]) -> Iterator[Judge]:
    """The judge that the configuration names, with its store open.

    Raises:
        UserError: settings that its kind cannot work with, examples that it cannot judge, an unreadable image.
    """
    if config.judge.kind not in MODELS:
        yield RuleJudge(examples)
        return
    model = MODELS[config.judge.kind](config.judge)
    check_images(examples)
    with AnchorStore(judge_store(config)) as store:
        yield AskingJudge(model, Templates(card), store, config.judge)
