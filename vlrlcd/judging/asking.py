"""Judges that are asked. A verdict is kept like a teacher's answer: under its content key, asked for once, priced."""

from collections.abc import Sequence
from dataclasses import replace

from vlrlcd.anchors.asks import Ask, ask
from vlrlcd.anchors.budget import Limits
from vlrlcd.anchors.collect import collect, missing
from vlrlcd.anchors.collector import Collection
from vlrlcd.anchors.estimate import estimate
from vlrlcd.anchors.prices import Prices
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import Teacher
from vlrlcd.config import JudgeConfig
from vlrlcd.data.example import Message
from vlrlcd.data.prompts import Templates
from vlrlcd.judging.verdicts import Game, Verdict, letter
from vlrlcd.progress import progress

VERDICT_ONLY = "Reply with the verdict only: [[A]], [[B]] or [[C]]."


class AskingJudge:
    """A judge behind an endpoint or on this machine.

    Args:
        model: is asked, as a teacher is.
        templates: of the data set, for `compare`.
        store: keeps what it says.
        settings: how fast and how often to ask.
    """

    def __init__(self, model: Teacher, templates: Templates, store: AnchorStore, settings: JudgeConfig):
        self.model, self.name, self.has_price = model, model.name, model.has_price
        self.store = store
        self._templates, self._settings = templates, settings
        self._asks: dict[tuple[str, str, str], Ask] = {}

    def check(self) -> None:
        """Raises UserError if it could not be asked."""
        self.model.check()

    def missing(self, games: Sequence[Game]) -> list[Ask]:
        """What is still to be asked, as far as that is known: a verdict that cannot be read is asked for once more."""
        bar = progress(games, desc="hash games", unit="game", delay=5)
        return missing([*map(self._first, bar), *self._again(games)], self.store)

    def estimate(self, games: Sequence[Game]) -> list[str]:
        """How many calls, and about what cost. Raises UserError if the prices cannot be read."""
        prices = Prices(self._settings.prices, self._settings.section) if self.has_price else None
        todo = self.missing(games)
        return estimate(todo, self.model, self.store, self._settings, prices, batches=False)

    def ask(self, games: Sequence[Game], limits: Limits, interruptible: bool = True) -> Collection:
        """Asks for what the store lacks, then once more for verdicts that cannot be read.

        A signal lets what is in flight come back, where `interruptible`.

        Raises:
            UserError: as `vlrlcd.anchors.collect.collect`.
        """
        done = self._collected([self._first(game) for game in games], limits, interruptible)
        if done.stopped or not (again := missing(self._again(games), self.store)):
            return done
        return _joined(done, self._collected(again, limits.after(done.sent, done.usd), interruptible))

    def verdicts(self, games: Sequence[Game]) -> list[Verdict | None]:
        """What is known of each game; None while something is to be asked."""
        return [self._verdict(game) for game in games]

    def _collected(self, asks: Sequence[Ask], limits: Limits, interruptible: bool) -> Collection:
        return collect(asks, self.model, self.store, self._settings, limits, interruptible)

    def _verdict(self, game: Game) -> Verdict | None:
        if not (first := self.store.get(self._first(game).key)):
            return None
        # whoever says nothing, as a content filter does, has no words to be asked about
        if letter(first.text) or not first.text:
            return Verdict((first.text,), letter(first.text))
        again = self.store.get(self._second(game, first.text).key)
        return again and Verdict((first.text, again.text), letter(again.text))

    def _again(self, games: Sequence[Game]) -> list[Ask]:
        """The second question of every game whose verdict cannot be read."""
        said = [(game, self.store.get(self._first(game).key)) for game in games]
        return [self._second(game, one.text) for game, one in said if one and one.text and not letter(one.text)]

    def _first(self, game: Game) -> Ask:
        if game.names not in self._asks:
            self._asks[game.names] = ask(game.example, self._messages(game), self.model)
        return self._asks[game.names]

    def _second(self, game: Game, said: str) -> Ask:
        turns = [_turn("assistant", said), _turn("user", VERDICT_ONLY)]
        return ask(game.example, [*self._messages(game), *turns], self.model)

    def _messages(self, game: Game) -> list[Message]:
        return self._templates.render("compare", game.example, answer_a=game.first, answer_b=game.second)


def _turn(role: str, text: str) -> Message:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _joined(one: Collection, other: Collection) -> Collection:
    """Two collections of one command, told as one."""
    one.ledger.merge(other.ledger)
    return replace(
        other,
        answered=one.answered + other.answered,
        by_others=one.by_others + other.by_others,
        given_up=[*one.given_up, *other.given_up],
        sent=one.sent + other.sent,
        usd=one.usd + other.usd,
        ledger=one.ledger,
    )
