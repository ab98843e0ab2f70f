"""The rule judge: on drawn scenes the truth is known, so answers are compared by it and nobody is asked."""

from collections.abc import Sequence

from vlrlcd.anchors.asks import Ask
from vlrlcd.anchors.budget import Limits
from vlrlcd.anchors.collector import Collection
from vlrlcd.data.answers import answer_choice
from vlrlcd.data.example import Example
from vlrlcd.errors import UserError
from vlrlcd.evaluation.truth import claims_of, false_claims, truthful
from vlrlcd.judging.verdicts import Game, Verdict

REASONS = ("only one names the right answer", "one makes fewer false claims", "only one has a truthful explanation")
"""What decides, the first that does; truthful is as in `vlrlcd.evaluation.truth`."""
EQUAL = "nothing that the rule knows tells them apart"


class RuleJudge:
    """A right answer beats a wrong one; else fewer false claims; else a truthful explanation beats another; else a tie.

    Args:
        examples: whose answers will be compared.

    Raises:
        UserError: one of them has no scene, or no answer that can be checked.
    """

    name, has_price = "rule", False

    def __init__(self, examples: Sequence[Example]):
        for example in examples:
            if example.scene is None or example.answer is None or not example.choices:
                raise UserError(
                    f"{example.place}: judge.kind=rule knows the truth of drawn scenes only, and this row has no scene "
                    "with choices and answer; use judge.kind=chat or local, or data of scripts/draw_scenes.py."
                )

    def check(self) -> None:
        """Nobody has to be reached."""

    def missing(self, games: Sequence[Game]) -> list[Ask]:
        """Nobody has to be asked."""
        return []

    def estimate(self, games: Sequence[Game]) -> list[str]:
        """Nothing to pay."""
        return ["0 calls: the rule asks nobody"]

    def ask(self, games: Sequence[Game], limits: Limits, interruptible: bool = True) -> Collection:
        """Nobody is asked. Raises UserError for limits, which mean nothing here."""
        if not limits.free:
            raise UserError("--max-calls and --max-usd mean nothing for judge.kind=rule, which asks nobody: omit them.")
        return Collection()

    def verdicts(self, games: Sequence[Game]) -> list[Verdict]:
        """The verdict of each game, its reason as the judge's words."""
        examples = [game.example for game in games]
        first, second = (_merits(examples, texts) for texts in ([g.first for g in games], [g.second for g in games]))
        return [_verdict(*merits) for merits in zip(first, second, strict=True)]


def _merits(examples: Sequence[Example], texts: Sequence[str]) -> list[tuple[float, float, float]]:
    """What is compared of each text, in the order of REASONS; more is better."""
    right = [
        float(answer_choice(text, example.choices) == example.answer)
        for example, text in zip(examples, texts, strict=True)
    ]
    made = claims_of(examples, texts)
    return list(zip(right, [-count for count in false_claims(made)], truthful(made), strict=True))


def _verdict(first: tuple[float, ...], second: tuple[float, ...]) -> Verdict:
    decides = next((place for place in range(len(REASONS)) if first[place] != second[place]), None)
    if decides is None:
        return Verdict((EQUAL,), "C")
    return Verdict((REASONS[decides],), "A" if first[decides] > second[decides] else "B")
